import Torch

/// Keys and values of one sequence, for every decoder layer.
///
/// A value: a copy is a branch that goes its own way, and shares memory with the original until one of them grows. Layers may hold
/// different numbers of tokens: those after a cut hold fewer.
public struct KeyValueCache: Sendable {
  private var layers: [any KeyValueStore]
  /// The position of the next token: tokens seen, also those whose rows were dropped.
  public internal(set) var nextPosition = 0
  /// Some layers lack tokens before this position.
  private var droppedEnd = 0

  /// Memory for `capacity` tokens in every layer, by a kind of store.
  ///
  /// - Parameter store: makes the store of a layer, one after the other in memory unless given.
  public init(
    _ configuration: TextConfiguration, capacity: Int = 0, _ dtype: DType, on device: Device,
    store: ((_ layer: Int) throws -> any KeyValueStore)? = nil
  ) throws {
    layers = try (0..<configuration.layers).map { layer in
      try store?(layer) ?? ContiguousStore(configuration, capacity: capacity, dtype, on: device)
    }
  }

  /// Tokens that a layer holds.
  public func count(layer: Int) -> Int { layers[layer].count }

  /// The keys that a layer holds, [keyValueHeads, tokens, headDimension]; nil for none.
  func keys(layer: Int) throws -> Tensor? { layers[layer].count == 0 ? nil : try layers[layer].contents().keys }

  /// Bytes of the tokens held, in all layers.
  public var usedByteCount: Int { layers.reduce(0) { $0 + $1.usedByteCount } }

  /// Bytes of the memory taken; copies count what they share.
  public var byteCount: Int { layers.reduce(0) { $0 + $1.byteCount } }

  /// Appends keys and values [rows, keyValueHeads, headDimension] to a layer and returns all it holds now, as views
  /// [keyValueHeads, tokens, headDimension].
  mutating func append(_ keys: Tensor, _ values: Tensor, layer: Int) throws -> (keys: Tensor, values: Tensor) {
    try layers[layer].append(keys, values)
  }

  /// Forgets some rows of every layer, which all hold the same ones; those behind them move up.
  ///
  /// - Parameter change: what becomes of the keys behind them, [rows, keyValueHeads, headDimension]; nothing unless given.
  mutating func forget(_ rows: Range<Int>, changing change: ((Tensor) throws -> Tensor)? = nil) throws {
    for index in layers.indices { try layers[index].forget(rows, changing: change) }
    droppedEnd = nextPosition
  }

  /// Says that tokens are missing from some layers, all of them before `position`.
  mutating func noteDropped(before position: Int) { droppedEnd = max(droppedEnd, position) }

  /// Takes memory for more tokens in each layer, as many as are known to come.
  mutating func reserve(_ tokens: [Int]) throws {
    for (layer, more) in tokens.enumerated() { try layers[layer].reserve(more) }
  }

  /// The same tokens in memory of their own, for them alone.
  func compacted() throws -> KeyValueCache {
    var copy = self
    for index in copy.layers.indices { try copy.layers[index].compact() }
    return copy
  }

  /// Takes the layers before a cut from another cache, the trunk's.
  mutating func takeLayers(before cut: Int, from trunk: KeyValueCache) {
    layers.replaceSubrange(..<cut, with: trunk.layers[..<cut])
    droppedEnd = max(droppedEnd, trunk.droppedEnd)
  }

  /// Forgets all tokens from position `position` on.
  ///
  /// - Returns: false, and changes nothing, where some layer has dropped tokens after that position, or one holds fewer tokens than are
  ///   to go.
  mutating func truncate(to position: Int) -> Bool {
    let gone = nextPosition - position
    guard position >= droppedEnd, gone >= 0, layers.allSatisfy({ $0.count >= gone }) else { return false }
    // From the last drop on every layer holds every token.
    for index in layers.indices { layers[index].truncate(to: layers[index].count - gone) }
    nextPosition = position
    return true
  }
}
