/// Element type of a tensor.
public enum DType: String, Sendable, Hashable, CaseIterable, Codable, CustomStringConvertible {
  /// IEEE single precision, 4 bytes.
  case float32
  /// Brain floating point: float32 with 7 bits of fraction, 2 bytes.
  case bfloat16
  /// IEEE half precision, 2 bytes.
  case float16
  /// Signed 64-bit integers: token ids and indices.
  case int64
  /// Signed 32-bit integers.
  case int32
  /// Truth values, 1 byte.
  case bool
  /// Unsigned bytes: pixels and generator states.
  case uint8

  /// The number that libtorch gives this type (`c10::ScalarType`).
  var code: Int32 {
    switch self {
    case .uint8: 0
    case .int32: 3
    case .int64: 4
    case .float16: 5
    case .float32: 6
    case .bool: 11
    case .bfloat16: 15
    }
  }

  init?(code: Int32) {
    guard let found = DType.allCases.first(where: { $0.code == code }) else { return nil }
    self = found
  }

  /// Bytes of one element.
  public var size: Int {
    switch self {
    case .bool, .uint8: 1
    case .bfloat16, .float16: 2
    case .float32, .int32: 4
    case .int64: 8
    }
  }

  /// True for the three types that gradients and model weights can have.
  public var isFloatingPoint: Bool { self == .float32 || self == .bfloat16 || self == .float16 }

  /// The name used in flags, JSON and messages.
  public var description: String { rawValue }

  /// Reads the full name or the usual short one (`f32`, `bf16`, `f16`, `i64`, `i32`, `u8`).
  public init?(name: String) {
    let short: [String: DType] = [
      "f32": .float32, "fp32": .float32, "bf16": .bfloat16, "f16": .float16, "fp16": .float16, "i64": .int64, "i32": .int32,
      "u8": .uint8,
    ]
    guard let found = DType(rawValue: name) ?? short[name] else { return nil }
    self = found
  }
}
