/// Element type of a tensor: every type of libtorch whose elements are real numbers or truth values of whole bytes in a usual format.
///
/// Models compute in float32, bfloat16 and float16; the others stand in files and come out of operators.
public enum DType: String, Sendable, Hashable, CaseIterable, Codable, CustomStringConvertible {
  /// IEEE single precision, 4 bytes.
  case float32
  /// Brain floating point: float32 with 7 bits of fraction, 2 bytes.
  case bfloat16
  /// IEEE half precision, 2 bytes.
  case float16
  /// IEEE double precision, 8 bytes.
  case float64
  /// Signed 64-bit integers: token ids and indices.
  case int64
  /// Signed 32-bit integers.
  case int32
  /// Signed 16-bit integers.
  case int16
  /// Signed bytes.
  case int8
  /// Truth values, 1 byte.
  case bool
  /// Unsigned bytes: pixels and generator states.
  case uint8
  /// Unsigned 16-bit integers.
  case uint16
  /// Unsigned 32-bit integers.
  case uint32
  /// Unsigned 64-bit integers.
  case uint64

  /// The number that libtorch gives this type (`c10::ScalarType`).
  var code: Int32 {
    switch self {
    case .uint8: 0
    case .int8: 1
    case .int16: 2
    case .int32: 3
    case .int64: 4
    case .float16: 5
    case .float32: 6
    case .float64: 7
    case .bool: 11
    case .bfloat16: 15
    case .uint16: 27
    case .uint32: 28
    case .uint64: 29
    }
  }

  private static let byCode = Dictionary(uniqueKeysWithValues: allCases.map { ($0.code, $0) })

  init?(code: Int32) {
    guard let found = DType.byCode[code] else { return nil }
    self = found
  }

  /// Bytes of one element.
  public var size: Int {
    switch self {
    case .bool, .uint8, .int8: 1
    case .bfloat16, .float16, .int16, .uint16: 2
    case .float32, .int32, .uint32: 4
    case .float64, .int64, .uint64: 8
    }
  }

  /// True for the three types that models compute in.
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
