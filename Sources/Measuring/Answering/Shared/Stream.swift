import LLaVA
import Torch

/// One sample on its way through the decoder: a question under one plan, or what several plans have in common.
struct Stream {
  /// Which of the requests it belongs to.
  let request: Int
  /// The plans that it answers; empty for what only leads up to cuts.
  let plans: [Int]
  /// Plans branch off from it at their cuts.
  let isTrunk: Bool
  /// What it continues and is added to.
  let cache: KeyValueCache
  /// [rows, hiddenSize]: the rows that are not in the cache yet.
  var hidden: Tensor
  /// [rows] int64.
  let positions: Tensor
  /// Positions that the rows cover, those without a row included.
  let span: Int
}

/// What a trunk leaves behind at a cut.
struct TrunkState {
  /// The rows after the layer before the cut, [rows, hiddenSize].
  let hidden: Tensor
  /// Their queries in that layer, [rows, heads, headDimension].
  let queries: Tensor
  /// Keys of all that the layer saw, [keyValueHeads, columns, headDimension].
  let keys: Tensor
}

extension LlamaDecoder {
  /// Runs streams through all layers together, as one packed batch that grows at each cut.
  ///
  /// - Parameters:
  ///   - cuts: layers after which new streams branch off from trunks, ascending.
  ///   - keepsTrunks: trunks go on after the last cut; else they end there.
  ///   - branches: the streams that branch off from a trunk after a layer.
  /// - Returns: the streams that reached the end, `hidden` their last row alone.
  func run(
    _ streams: [Stream], cuts: [Int], keepsTrunks: Bool, branches: (_ layer: Int, Stream, TrunkState) throws -> [Stream]
  ) throws -> [Stream] {
    var streams = streams
    var layer = 0
    for cut in cuts where streams.contains(where: \.isTrunk) {
      let (batch, trace) = try runTracing(layers: layer..<cut, PackedBatch(streams), caches: streams.map(\.cache))
      layer = cut
      streams.update(try batch.hidden.split(batch.lengths))
      guard let trace else { continue }
      let queries = try trace.queries.split(batch.lengths)
      for index in streams.indices where streams[index].isTrunk {
        let state = TrunkState(hidden: streams[index].hidden, queries: queries[index], keys: trace.keys[index])
        streams += try branches(cut, streams[index], state)
      }
    }
    if !keepsTrunks { streams.removeAll { $0.isTrunk } }
    if streams.isEmpty { return [] }
    let batch = try PackedBatch(streams)
    let last = try run(layers: layer..<configuration.layers, batch, caches: streams.map(\.cache), only: batch.lastRows)
    streams.update(try last.hidden.split(last.lengths))
    return streams
  }
}

extension PackedBatch {
  /// Streams end to end.
  init(_ streams: [Stream]) throws {
    self.init(
      hidden: try concatenate(streams.map(\.hidden)), positions: try concatenate(streams.map(\.positions)),
      lengths: streams.map { $0.hidden.size(0) }, visual: streams.map { _ in [] }, originalLengths: streams.map(\.span))
  }
}

extension [Stream] {
  fileprivate mutating func update(_ rows: [Tensor]) {
    for (index, rows) in zip(indices, rows) { self[index].hidden = rows }
  }
}
