import Torch

/// Keys and values in 8 bits, with a scale for each head's part of each token.
///
/// A number is code · scale, the scale a 127-th of the largest magnitude of its row, so it is off by at most half a scale. It takes half of the
/// memory of bfloat16, and a quarter of float32's. What attention reads is made of the codes anew at each step, one layer at a time: memory
/// is saved, time is not.
public struct EightBitStore: KeyValueStore {
  private var codes, scales: ContiguousStore
  private let dtype: DType

  /// Memory for `capacity` tokens.
  ///
  /// - Parameter dtype: of the keys and values that come and go.
  public init(_ configuration: TextConfiguration, capacity: Int, _ dtype: DType, on device: Device) throws {
    let (heads, width) = (configuration.keyValueHeads, configuration.headDimension)
    codes = try ContiguousStore(heads: heads, width: width, capacity: capacity, .int8, on: device)
    scales = try ContiguousStore(heads: heads, width: 1, capacity: capacity, dtype, on: device)
    self.dtype = dtype
  }

  /// Tokens held.
  public var count: Int { codes.count }
  /// Bytes of the tokens held.
  public var usedByteCount: Int { codes.usedByteCount + scales.usedByteCount }
  /// Bytes of the memory taken.
  public var byteCount: Int { codes.byteCount + scales.byteCount }

  /// All that is held, computed from the codes.
  public func contents() throws -> (keys: Tensor, values: Tensor) {
    let (codes, scales) = (try codes.contents(), try scales.contents())
    return (try codes.keys.to(dtype) * scales.keys, try codes.values.to(dtype) * scales.values)
  }

  /// Rounds rows and adds them.
  public mutating func append(_ keys: Tensor, _ values: Tensor) throws -> (keys: Tensor, values: Tensor) {
    let (keys, values) = (try rounded(keys), try rounded(values))
    _ = try scales.append(keys.scales, values.scales)
    _ = try codes.append(keys.codes, values.codes)
    return try contents()
  }

  /// Codes [rows, heads, width] and scales [rows, heads, 1].
  private func rounded(_ rows: Tensor) throws -> (codes: Tensor, scales: Tensor) {
    // A row of nothing but zeros has a scale too.
    let scales = try (rows.to(.float32).abs().norm(.infinity, -1, keepingDimension: true) / 127).clamped(1e-30).to(dtype)
    let codes = try (rows.to(.float32) / scales.to(.float32)).rounded().clamped(-127, 127).to(.int8)
    return (codes, scales)
  }

  /// Forgets all tokens but the first `count`.
  public mutating func truncate(to count: Int) {
    codes.truncate(to: count)
    scales.truncate(to: count)
  }

  /// Takes memory for more tokens.
  public mutating func reserve(_ more: Int) throws {
    try codes.reserve(more)
    try scales.reserve(more)
  }

  /// Moves to memory for its tokens alone.
  public mutating func compact() throws {
    try codes.compact()
    try scales.compact()
  }
}
