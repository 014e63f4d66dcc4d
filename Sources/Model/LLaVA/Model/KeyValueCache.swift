import Torch

/// Keys and values of one sample's tokens, for every decoder layer.
///
/// Memory is taken once for the expected length and doubles when that was too little, never per token. Layers may hold different
/// numbers of tokens: those after a compression hold fewer.
///
/// Sendable so that it can move between tasks with its conversation; only one may use it at a time.
public final class KeyValueCache: @unchecked Sendable {
  private struct Layer {
    var keys: Tensor
    var values: Tensor
    var count = 0
  }

  private var layers: [Layer]
  /// The position of the next token: tokens seen, also those whose rows were dropped.
  public private(set) var nextPosition = 0
  /// Some layers lack tokens before this position.
  private var droppedEnd = 0

  /// Memory for `capacity` tokens in every layer.
  public init(_ configuration: TextConfiguration, capacity: Int, _ dtype: DType, on device: Device) throws {
    let shape = [configuration.keyValueHeads, max(1, capacity), configuration.headDimension]
    layers = try (0..<configuration.layers).map { _ in
      Layer(keys: try Tensor.empty(shape, dtype, on: device), values: try Tensor.empty(shape, dtype, on: device))
    }
  }

  /// Tokens that a layer holds.
  public func count(layer: Int) -> Int { layers[layer].count }

  /// Bytes of the tokens held, in all layers.
  public var usedByteCount: Int {
    layers.reduce(0) { $0 + 2 * $1.keys.size(0) * $1.count * $1.keys.size(2) * $1.keys.dtype.size }
  }

  /// Bytes of the memory taken.
  public var byteCount: Int { layers.reduce(0) { $0 + $1.keys.byteCount + $1.values.byteCount } }

  /// Appends keys and values [rows, keyValueHeads, headDimension] to a layer and returns all it holds now, as views
  /// [keyValueHeads, tokens, headDimension].
  func append(_ keys: Tensor, _ values: Tensor, layer: Int) throws -> (keys: Tensor, values: Tensor) {
    let rows = keys.size(0)
    let count = layers[layer].count
    if count + rows > layers[layer].keys.size(1) { try grow(layer, toHold: count + rows) }
    try layers[layer].keys.narrow(1, from: count, length: rows).copyInPlace(from: keys.transposed(0, 1))
    try layers[layer].values.narrow(1, from: count, length: rows).copyInPlace(from: values.transposed(0, 1))
    layers[layer].count += rows
    return (
      try layers[layer].keys.narrow(1, from: 0, length: count + rows),
      try layers[layer].values.narrow(1, from: 0, length: count + rows)
    )
  }

  /// Says that `count` more positions have passed through all layers.
  package func advance(by count: Int) { nextPosition += count }

  /// Says that compression has dropped tokens, all of them before `position`.
  func noteDropped(before position: Int) { droppedEnd = max(droppedEnd, position) }

  /// Forgets all tokens from position `position` on.
  ///
  /// - Returns: false, and changes nothing, where some layer has dropped tokens after that position.
  func truncate(to position: Int) -> Bool {
    guard position >= droppedEnd, position <= nextPosition else { return false }
    // From the last drop on every layer holds every token.
    for index in layers.indices { layers[index].count -= nextPosition - position }
    nextPosition = position
    return true
  }

  /// Takes memory for more tokens in each layer, as many as are known to come.
  package func reserve(_ tokens: [Int]) throws {
    for (index, more) in tokens.enumerated() where layers[index].count + more > layers[index].keys.size(1) {
      try grow(index, toHold: layers[index].count + more, atLeastTwice: layers[index].count > 0)
    }
  }

  /// A moment to which a cache can be brought back.
  package struct Mark: Sendable {
    /// Tokens of each layer.
    package let counts: [Int]
    fileprivate let nextPosition, droppedEnd: Int

    /// An empty cache.
    package static func nothing(layers: Int) -> Mark {
      Mark(counts: Array(repeating: 0, count: layers), nextPosition: 0, droppedEnd: 0)
    }
  }

  /// What the cache holds now.
  package var mark: Mark { Mark(counts: layers.map(\.count), nextPosition: nextPosition, droppedEnd: droppedEnd) }

  /// Forgets what came after a mark of this cache, or of one that held as many tokens.
  package func rewind(to mark: Mark) {
    for index in layers.indices { layers[index].count = min(layers[index].count, mark.counts[index]) }
    nextPosition = mark.nextPosition
    droppedEnd = mark.droppedEnd
  }

  /// Appends tokens that another cache holds, the same ones in each of some layers; positions stay as they are.
  package func copyTokens(_ tokens: Range<Int>, layers range: Range<Int>, from other: KeyValueCache) throws {
    for layer in range where !tokens.isEmpty {
      func rows(_ t: Tensor) throws -> Tensor { try t.narrow(1, from: tokens.lowerBound, length: tokens.count).transposed(0, 1) }
      _ = try append(rows(other.layers[layer].keys), rows(other.layers[layer].values), layer: layer)
    }
  }

  private func grow(_ index: Int, toHold count: Int, atLeastTwice: Bool = true) throws {
    let old = layers[index]
    let shape = [old.keys.size(0), atLeastTwice ? max(count, 2 * old.keys.size(1)) : count, old.keys.size(2)]
    for path in [\Layer.keys, \Layer.values] {
      let larger = try Tensor.empty(shape, old.keys.dtype, on: old.keys.device)
      try larger.narrow(1, from: 0, length: old.count).copyInPlace(from: old[keyPath: path].narrow(1, from: 0, length: old.count))
      layers[index][keyPath: path] = larger
    }
  }
}
