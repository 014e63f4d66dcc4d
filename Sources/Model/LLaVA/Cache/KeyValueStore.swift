import Torch

/// Keys and values of one sequence in one decoder layer.
///
/// The smallest thing that attention asks of a cache, so that another kind (a window, few bits, one that forgets) is one file. A value:
/// a copy goes its own way, whatever becomes of the original.
public protocol KeyValueStore: Sendable {
  /// Tokens held.
  var count: Int { get }
  /// Bytes of the tokens held.
  var usedByteCount: Int { get }
  /// Bytes of the memory taken.
  var byteCount: Int { get }

  /// All keys and values that are held, [keyValueHeads, tokens, headDimension] each; valid until the store is changed.
  func contents() throws -> (keys: Tensor, values: Tensor)

  /// Adds keys and values [rows, keyValueHeads, headDimension].
  ///
  /// - Returns: all that is held now, [keyValueHeads, tokens, headDimension] each; valid until the store is changed again.
  mutating func append(_ keys: Tensor, _ values: Tensor) throws -> (keys: Tensor, values: Tensor)

  /// Forgets all tokens but the first `count`.
  mutating func truncate(to count: Int)

  /// Takes memory for as many more tokens, where they are known to come.
  mutating func reserve(_ more: Int) throws

  /// Keeps no more memory than its tokens need, and shares none with copies.
  mutating func compact() throws
}

extension KeyValueStore {
  /// Forgets some tokens; those behind them move up.
  ///
  /// - Parameter change: what becomes of the keys behind them, [tokens, keyValueHeads, headDimension]; nothing unless given.
  mutating func forget(_ tokens: Range<Int>, changing change: ((Tensor) throws -> Tensor)? = nil) throws {
    let rest = count - tokens.upperBound
    let held = try contents()
    // Copies, as what they are copied from is written over.
    let left = try [held.keys, held.values].map {
      try $0.narrow(1, from: tokens.upperBound, length: rest).transposed(0, 1).copy()
    }
    truncate(to: tokens.lowerBound)
    _ = try append(change?(left[0]) ?? left[0], left[1])
  }
}

/// Keys and values one after the other in memory that doubles when it is too little.
///
/// Copies share memory until one of them grows.
public struct ContiguousStore: KeyValueStore {
  /// Memory that belongs to as many stores as refer to it.
  private final class Memory: Sendable {
    let keys, values: Tensor
    init(_ shape: [Int], _ dtype: DType, on device: Device) throws {
      keys = try Tensor.empty(shape, dtype, on: device)
      values = try Tensor.empty(shape, dtype, on: device)
    }
  }

  private var memory: Memory
  /// Tokens held.
  public private(set) var count = 0

  /// Memory for `capacity` tokens.
  public init(_ configuration: TextConfiguration, capacity: Int, _ dtype: DType, on device: Device) throws {
    try self.init(
      heads: configuration.keyValueHeads, width: configuration.headDimension, capacity: capacity, dtype, on: device)
  }

  /// Memory for rows of any width.
  init(heads: Int, width: Int, capacity: Int, _ dtype: DType, on device: Device) throws {
    memory = try Memory([heads, max(1, capacity), width], dtype, on: device)
  }

  private var capacity: Int { memory.keys.size(1) }
  private var tokenByteCount: Int { 2 * memory.keys.size(0) * memory.keys.size(2) * memory.keys.dtype.size }

  /// Bytes of the tokens held.
  public var usedByteCount: Int { count * tokenByteCount }
  /// Bytes of the memory taken.
  public var byteCount: Int { capacity * tokenByteCount }

  /// All that is held, without a copy.
  public func contents() throws -> (keys: Tensor, values: Tensor) {
    (try memory.keys.narrow(1, from: 0, length: count), try memory.values.narrow(1, from: 0, length: count))
  }

  /// Adds tokens; memory that another copy refers to is left to it.
  public mutating func append(_ keys: Tensor, _ values: Tensor) throws -> (keys: Tensor, values: Tensor) {
    let rows = keys.size(0)
    if count + rows > capacity {
      try move(toHold: max(count + rows, count > 0 ? 2 * capacity : 0))
    } else if rows > 0, !isKnownUniquelyReferenced(&memory) {
      try move(toHold: capacity)
    }
    try put(keys, into: memory.keys)
    try put(values, into: memory.values)
    count += rows
    return try contents()
  }

  /// Copies rows [rows, keyValueHeads, headDimension] behind the tokens that are held.
  private func put(_ rows: Tensor, into memory: Tensor) throws {
    if memory.device == .cpu, rows.device == .cpu, rows.dtype == memory.dtype, rows.isContiguous, !recordsGradients {
      try memory.putRows(rows, from: count)
    } else {
      try memory.narrow(1, from: count, length: rows.size(0)).copyInPlace(from: rows.transposed(0, 1))
    }
  }

  /// Forgets all tokens but the first `count`.
  public mutating func truncate(to count: Int) { self.count = min(self.count, max(0, count)) }

  /// Takes memory for more tokens.
  public mutating func reserve(_ more: Int) throws {
    if count + more > capacity { try move(toHold: count + more) }
  }

  /// Moves to memory for its tokens alone.
  public mutating func compact() throws { try move(toHold: max(1, count)) }

  private mutating func move(toHold capacity: Int) throws {
    let old = memory.keys
    let new = try Memory([old.size(0), capacity, old.size(2)], old.dtype, on: old.device)
    for (from, to) in [(memory.keys, new.keys), (memory.values, new.values)] {
      try to.narrow(1, from: 0, length: count).copyInPlace(from: from.narrow(1, from: 0, length: count))
    }
    memory = new
  }
}
