import Foundation
import TestSupport
import Testing

@testable import Torch

/// What GGUF files hold, against llama.cpp's Python package.
@Suite struct GGUFTests {
  private static let golden = Fixtures.bundled("gguf/types.gguf")

  @Test func everyTypeIsReadToTheBit() throws {
    let file = try GGUFFile(Self.golden)
    let expected = try SafetensorsFile(Fixtures.bundled("gguf/types.safetensors"))
    #expect(expected.entries.keys.sorted() == GGUFType.read.sorted())
    for name in expected.entries.keys {
      let wanted = try expected.tensor(name)
      let found = try file.tensor(name, as: .float32)
      #expect(file.entries[name]?.storedType == name && found.shape == [2, 1, 256] && found.shape == wanted.shape)
      let bits = try (found.array(Float.self).map(\.bitPattern), wanted.array(Float.self).map(\.bitPattern))
      #expect(bits.0 == bits.1, "\(name)")
      #expect(Set(bits.0).count > 10, "\(name)")
      let short = try file.tensor(name, as: .bfloat16)
      #expect(try short.dtype == .bfloat16 && (short - wanted.to(.bfloat16)).abs().max().item() == 0, "\(name)")
    }
    #expect(try file.tensor("F16").dtype == .float16 && file.tensor("BF16").dtype == .bfloat16)
    #expect(try file.tensor("Q8_0").dtype == .float32 && file.dtype(of: "Q6_K") == .float32)
    let whole = try file.tensor("I32")
    #expect(try whole.shape == [2, 3] && whole.array(Int32.self) == [0, 1, 2, 3, 4, 5])
  }

  @Test func otherBlocksAreNamedWhenRead() throws {
    let file = try GGUFFile(Self.golden)
    #expect(file.entries["IQ4_XS"]?.byteCount == 272 && file.entries["IQ4_XS"]?.shape == [2, 1, 256])
    let error = #expect(throws: TensorFileError.self) { try file.tensor("IQ4_XS") }
    #expect(error?.description.contains("type IQ4_XS of tensor IQ4_XS is not read; make the file anew with F32") == true)
    #expect(error?.description.hasSuffix("Q3_K or Q2_K") == true)
    #expect(throws: TensorFileError.missing(tensor: "absent", file: Self.golden.path)) { try file.tensor("absent") }
  }

  @Test func metadataOfAllTypes() throws {
    let metadata = try GGUFFile(Self.golden).metadata
    let expected: [String: GGUFValue] = [
      "uint8": .integer(255), "int8": .integer(-128), "uint16": .integer(65_535), "int16": .integer(-32_768),
      "uint32": .integer(4_294_967_295), "int32": .integer(-2_147_483_648), "uint64": .integer(.max), "int64": .integer(.min),
      "huge": .number(0x1p64), "float32": .number(1e-5), "float64": .number(1e-5), "bool": .bool(true),
      "string": .text(Array("ä \"q\"\n☃".utf8)),
      "texts": .list(["a", "", "e\u{301}", "é"].map { .text(Array($0.utf8)) }),
      "numbers": .list([.integer(1), .integer(-2), .integer(3)]), "floats": .list([.number(0.5), .number(0.1)]),
      "bools": .list([.bool(true), .bool(false)]),
      "nested": .list([[1, 2], [3], [4, 5, 6]].map { .list($0.map(GGUFValue.integer)) }),
    ]
    for (name, value) in expected { #expect(metadata.values["test." + name] == value, "\(name)") }
    #expect(metadata.values["general.alignment"] == .integer(64))
    #expect(try metadata.int("test.uint8") == 255 && metadata.double("test.int8") == -128 && metadata.bool("test.bool") == true)
    #expect(try metadata.string("test.string") == "ä \"q\"\n☃" && metadata.int("absent") == nil)
    #expect(try metadata.ints("test.numbers") == [1, -2, 3] && metadata.doubles("test.floats") == [0.5, 0.1])
    #expect(try metadata.texts("test.texts")?.map(\.count) == [1, 0, 3, 2])
    #expect(throws: TensorFileError.self) { try metadata.int("test.string") }
    #expect(throws: TensorFileError.self) { try metadata.string("test.bool") }
    #expect(throws: TensorFileError.self) { try metadata.ints("test.floats") }
    #expect(throws: TensorFileError.self) { try metadata.texts("test.nested") }
    #expect(throws: TensorFileError.missingKey(key: "absent", file: Self.golden.path)) {
      try metadata.require("absent", metadata.int("absent"))
    }
  }

  @Test func versionTwoIsTheSame() throws {
    let scratch = try Scratch()
    var bytes = try Data(contentsOf: Self.golden)
    bytes[4] = 2
    let url = scratch.url.appending(path: "two.gguf")
    try bytes.write(to: url)
    let (one, two) = (try GGUFFile(Self.golden), try GGUFFile(url))
    #expect(one.entries == two.entries && one.metadata.values == two.metadata.values)
    #expect(try (one.tensor("Q4_K") - two.tensor("Q4_K")).abs().max().item() == 0)
  }

  /// More blocks than are computed at once, and no multiple of that.
  @Test func largeTensorsComeBackWhole() throws {
    let scratch = try Scratch()
    let (rows, columns) = (1031, 1024)
    let one: [UInt8] = [0x00, 0x3c]
    var data: [UInt8] = []
    for block in 0..<rows * columns / 32 { data += one + (0..<32).map { UInt8(truncatingIfNeeded: block &+ $0) } }
    var made = MadeGGUF()
    made.tensors.append(("large", [UInt64(columns), UInt64(rows)], 8, data))
    made.tensors.append(("none", [32, 0], 8, []))
    let file = try GGUFFile(made.write(to: scratch.url))
    let found = try file.tensor("large").array(Float.self)
    let isRight = found.indices.allSatisfy {
      found[$0] == Float(Int8(truncatingIfNeeded: $0 / 32 &+ $0 % 32))
    }
    #expect(found.count == rows * columns && isRight)
    #expect(try file.tensor("none").shape == [0, 32])
  }
}
