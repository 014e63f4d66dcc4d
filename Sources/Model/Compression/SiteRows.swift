import Torch

/// The rows of all samples at a site, end to end, and what the layer before it left behind; each thing computed when it is first asked
/// for, once for all images.
///
/// Lives as long as the choice.
public final class SiteRows {
  /// The rows, [T, width]: the output of the layer before the site.
  public let hidden: Tensor
  /// First row of each sample, and the number of all.
  public let starts: [Int]
  private let traces: [Int: AttentionTrace]
  private let lastLayer: Int?
  private let norm: (Tensor) throws -> Tensor
  private let next: NextLayer?
  private let turns: ((Tensor) throws -> (cosine: Tensor, sine: Tensor))?
  private var scores: [[Int]: Tensor] = [:]
  private var nextKeys: [Tensor]?
  private var norms: Tensor?

  /// Rows at a site.
  ///
  /// - Parameters:
  ///   - hidden: [T, width].
  ///   - lengths: rows of each sample.
  ///   - traces: queries and keys of decoder layers, by index.
  ///   - lastLayer: the layer before the site among them; nil before the decoder.
  ///   - norm: the model's final normalisation; the rows themselves where the site has none.
  ///   - next: the decoder layer behind the site; nil where there is none.
  ///   - turns: cosines and sines by which the rotary embedding turns rows of some numbers, [rows, headDimension] float32 each; nil before
  ///     the decoder.
  public init(
    hidden: Tensor, lengths: [Int], traces: [Int: AttentionTrace] = [:], lastLayer: Int? = nil,
    norm: @escaping (Tensor) throws -> Tensor = { $0 }, next: NextLayer? = nil,
    turns: ((Tensor) throws -> (cosine: Tensor, sine: Tensor))? = nil
  ) {
    self.hidden = hidden
    starts = lengths.reduce(into: [0]) { $0.append(($0.last ?? 0) + $1) }
    self.traces = traces
    self.lastLayer = lastLayer
    self.norm = norm
    self.next = next
    self.turns = turns
  }

  /// Rows of a sample.
  public func count(of sample: Int) -> Int { starts[sample + 1] - starts[sample] }

  /// Some rows after the model's final normalisation, [indices, width] float32.
  public func normalized(_ rows: Tensor) throws -> Tensor { try norm(hidden.rows(rows)).to(.float32) }

  /// L1 norms of the rows' keys over all heads, in the layer before the site: [T] float32.
  ///
  /// - Throws: `CompressionError.unavailable` where the compressor has not said that it needs keys.
  public func keyNorms() throws -> Tensor {
    if let norms { return norms }
    let trace = try trace(nil, "keys")
    let found: Tensor
    if let keys = trace.rowKeys {
      found = try keys.to(.float32).abs().sum(2).sum(1)
    } else {
      found = try concatenate(
        trace.keys.enumerated().map { sample, keys in
          let rows = count(of: sample)
          return try keys.narrow(1, from: keys.size(1) - rows, length: rows).to(.float32).abs().sum(2).sum(0)
        })
    }
    norms = found
    return found
  }

  /// What one row attends to in a layer: softmax of its scores over all it sees, mean over the heads, for the sample's own rows;
  /// [rows] float32, 0 where the row does not see.
  ///
  /// One row of scores, O(heads · columns · headDimension); the layer's own attention stays fused.
  ///
  /// - Parameters:
  ///   - row: its number in the sample.
  ///   - layer: nil for the layer before the site.
  /// - Throws: `CompressionError.unavailable` where the compressor has not said that it needs the layer's queries and keys.
  public func attention(of row: Int, in sample: Int, layer: Int? = nil) throws -> Tensor {
    let key = [layer ?? -1, sample, row]
    if let found = scores[key] { return found }
    let trace = try trace(layer, "queries and keys")
    guard let queries = trace.queries else {
      throw CompressionError.unavailable("queries of the decoder", hint: "name them in the compressor's needs")
    }
    let found = try received(queries.narrow(0, from: starts[sample] + row, length: 1), trace.keys[sample], [row], in: sample)
      .mean(0).selected(0, 0)
    scores[key] = found
    return found
  }

  /// The same of many rows and for some of the sample's rows alone, head by head: [heads, rows, span].
  ///
  /// - Parameters:
  ///   - rows: their numbers in the sample; one at least.
  ///   - span: the sample's rows whose share is wanted.
  /// - Throws: as the other.
  public func attention(of rows: [Int], to span: Range<Int>, in sample: Int, layer: Int? = nil) throws -> Tensor {
    let trace = try trace(layer, "queries and keys")
    guard let queries = trace.queries else {
      throw CompressionError.unavailable("queries of the decoder", hint: "name them in the compressor's needs")
    }
    // In parts, so that the scores of a long prompt are never all there at once.
    let parts = try stride(from: 0, to: rows.count, by: 64).map { first in
      let part = Array(rows[first..<min(first + 64, rows.count)])
      let numbers = try Tensor(part.map { starts[sample] + $0 }, on: hidden.device)
      return try received(queries.rows(numbers), trace.keys[sample], part, in: sample)
        .narrow(2, from: span.lowerBound, length: span.count)
    }
    return parts.count == 1 ? parts[0] : try concatenate(parts, 1)
  }

  /// What queries and keys of ones alone would score after the rotary embedding: what distance does to attention by itself.
  ///
  /// R(i, j) = Σ cos(turn of i − turn of j) / √headDimension over all dimensions; [rows, span] float32.
  ///
  /// - Parameters:
  ///   - rows: numbers in the sample.
  ///   - span: the sample's rows that are looked at.
  /// - Throws: `CompressionError.unavailable` before the decoder.
  public func distanceScores(of rows: [Int], to span: Range<Int>, in sample: Int) throws -> Tensor {
    guard let turns else {
      throw CompressionError.unavailable("rotary positions", hint: "cut in the decoder")
    }
    func numbers(_ rows: some Collection<Int>) throws -> Tensor {
      try Tensor(rows.map { starts[sample] + $0 }, on: hidden.device)
    }
    let (own, others) = (try turns(numbers(rows)), try turns(numbers(span)))
    let sums = try own.cosine.matmul(others.cosine.transposed(0, 1)) + own.sine.matmul(others.sine.transposed(0, 1))
    return try sums * (1 / Double(own.cosine.size(1)).squareRoot())
  }

  /// True where a layer follows that can be asked ahead of time.
  public var hasNextLayer: Bool { next != nil }

  /// What one row would attend to in the layer behind the site if the rows came to it as they are; as `attention(of:in:layer:)`.
  ///
  /// - Throws: `CompressionError.unavailable` behind the last layer.
  public func nextAttention(of row: Int, in sample: Int) throws -> Tensor {
    guard let next else {
      throw CompressionError.unavailable("the decoder layer behind the site", hint: "cut before the last layer")
    }
    let keys = try nextKeys ?? next.keys()
    nextKeys = keys
    let query = try next.queries(Tensor([starts[sample] + row], on: hidden.device))
    return try received(query, keys[sample], [row], in: sample).mean(0).selected(0, 0)
  }

  /// Softmax over the columns that each row sees of keys [groups, columns, width], for queries [rows, heads, width]: of the sample's own
  /// rows, [heads, rows, own rows], 0 where a row does not see.
  private func received(_ queries: Tensor, _ keys: Tensor, _ rows: [Int], in sample: Int) throws -> Tensor {
    let past = keys.size(1) - count(of: sample)
    let (groups, device) = (keys.size(0), keys.device)
    let (heads, width) = (queries.size(1), queries.size(2))
    let end = past + (rows.max() ?? -1) + 1
    // Heads that share keys lie side by side.
    let grouped = try queries.to(.float32).transposed(0, 1).reshaped([groups, heads / groups * rows.count, width])
    let seen = try keys.narrow(1, from: 0, length: end).to(.float32)
    var scores = try (grouped * (1 / Double(width).squareRoot())).matmul(seen.transposed(1, 2)).reshaped([heads, rows.count, end])
    if rows.contains(where: { past + $0 + 1 < end }) {
      let last = try Tensor(rows.map { past + $0 }, on: device).unsqueezed(1)
      scores = try scores.filled(where: last.isLess(than: Tensor.arange(0, end, on: device).unsqueezed(0)), with: -.infinity)
    }
    let own = try scores.softmax(-1).narrow(2, from: past, length: end - past)
    let unseen = count(of: sample) - (end - past)
    return unseen == 0 ? own : try concatenate([own, .zeros([heads, rows.count, unseen], on: device)], 2)
  }

  private func trace(_ layer: Int?, _ what: String) throws -> AttentionTrace {
    guard let trace = (layer ?? lastLayer).flatMap({ traces[$0] }) else {
      throw CompressionError.unavailable(
        "\(what) of decoder layer \((layer ?? lastLayer).map(String.init) ?? "-")", hint: "name them in the compressor's needs")
    }
    return trace
  }
}

/// The decoder layer behind a site: what it would attend with if the rows came to it as they are.
///
/// Projections alone, and only when somebody asks.
public struct NextLayer {
  /// Each sample's keys after rotary embedding, [keyValueHeads, columns, headDimension], those of a cache first.
  let keys: () throws -> [Tensor]
  /// Queries after rotary embedding of rows by int64 index, [rows, heads, headDimension].
  let queries: (Tensor) throws -> Tensor

  /// A layer to be asked ahead of time.
  public init(keys: @escaping () throws -> [Tensor], queries: @escaping (Tensor) throws -> Tensor) {
    self.keys = keys
    self.queries = queries
  }
}
