/// How a tensor of a GGUF file is stored: numbers one by one, or in blocks with scales of their own.
struct GGUFType: Sendable, Equatable {
  /// ggml's name; for numbers one by one it is that of safetensors as well.
  let name: String
  /// Numbers of a block.
  let block: Int
  /// Bytes of a block.
  let bytes: Int

  /// ggml's numbers of the types, with the sizes of `ggml_type_size` and `ggml_blck_size`.
  static let all: [UInt32: GGUFType] = [
    0: GGUFType(name: "F32", block: 1, bytes: 4), 1: GGUFType(name: "F16", block: 1, bytes: 2),
    2: GGUFType(name: "Q4_0", block: 32, bytes: 18), 3: GGUFType(name: "Q4_1", block: 32, bytes: 20),
    6: GGUFType(name: "Q5_0", block: 32, bytes: 22), 7: GGUFType(name: "Q5_1", block: 32, bytes: 24),
    8: GGUFType(name: "Q8_0", block: 32, bytes: 34), 9: GGUFType(name: "Q8_1", block: 32, bytes: 40),
    10: GGUFType(name: "Q2_K", block: 256, bytes: 84), 11: GGUFType(name: "Q3_K", block: 256, bytes: 110),
    12: GGUFType(name: "Q4_K", block: 256, bytes: 144), 13: GGUFType(name: "Q5_K", block: 256, bytes: 176),
    14: GGUFType(name: "Q6_K", block: 256, bytes: 210), 15: GGUFType(name: "Q8_K", block: 256, bytes: 292),
    16: GGUFType(name: "IQ2_XXS", block: 256, bytes: 66), 17: GGUFType(name: "IQ2_XS", block: 256, bytes: 74),
    18: GGUFType(name: "IQ3_XXS", block: 256, bytes: 98), 19: GGUFType(name: "IQ1_S", block: 256, bytes: 50),
    20: GGUFType(name: "IQ4_NL", block: 32, bytes: 18), 21: GGUFType(name: "IQ3_S", block: 256, bytes: 110),
    22: GGUFType(name: "IQ2_S", block: 256, bytes: 82), 23: GGUFType(name: "IQ4_XS", block: 256, bytes: 136),
    24: GGUFType(name: "I8", block: 1, bytes: 1), 25: GGUFType(name: "I16", block: 1, bytes: 2),
    26: GGUFType(name: "I32", block: 1, bytes: 4), 27: GGUFType(name: "I64", block: 1, bytes: 8),
    28: GGUFType(name: "F64", block: 1, bytes: 8), 29: GGUFType(name: "IQ1_M", block: 256, bytes: 56),
    30: GGUFType(name: "BF16", block: 1, bytes: 2), 34: GGUFType(name: "TQ1_0", block: 256, bytes: 54),
    35: GGUFType(name: "TQ2_0", block: 256, bytes: 66), 39: GGUFType(name: "MXFP4", block: 32, bytes: 17),
    40: GGUFType(name: "NVFP4", block: 64, bytes: 36),
  ]

  /// Names of the types whose numbers are read, the largest first, as a message lists them.
  static let read = ["F32", "F16", "BF16"] + GGUFBlocks.allCases.map(\.rawValue)
}
