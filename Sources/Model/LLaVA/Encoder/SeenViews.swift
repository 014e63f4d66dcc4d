import Compression
import Torch

/// Views of one picture or of several behind tower and projector, and what layers of the tower attended with.
struct SeenViews {
  /// [views, patches, hiddenSize], or [tokens, hiddenSize] once they are put together.
  var features: Tensor
  /// By the layers' indices.
  var traces: [Int: ViewTrace]

  /// The views of each picture.
  func split(_ counts: [Int]) throws -> [SeenViews] {
    let features = try features.split(counts)
    let traces = try traces.mapValues { try $0.split(counts) }
    return features.indices.map { index in SeenViews(features: features[index], traces: traces.mapValues { $0[index] }) }
  }

  /// Put together, what layers attended with in the same way as features.
  ///
  /// - Parameters:
  ///   - end: the row that stands at the ends of rows of features, [hiddenSize]; nothing is paid to it.
  ///   - map: from values of patches and the row that stands at ends to values of tokens.
  func mapped(end: Tensor, _ map: (_ values: Tensor, _ end: Tensor) throws -> Tensor) throws -> SeenViews {
    SeenViews(features: try map(features, end), traces: try traces.mapValues { try $0.mapped(map) })
  }

  /// One after the other.
  static func joined(_ parts: [SeenViews]) throws -> SeenViews {
    var found = SeenViews(features: try concatenate(parts.map(\.features)), traces: [:])
    for layer in parts.first?.traces.keys.sorted() ?? [] {
      found.traces[layer] = try ViewTrace.joined(parts.compactMap { $0.traces[layer] })
    }
    return found
  }
}

/// What a tower layer paid to the patches of views, and their keys, side by side.
struct ViewTrace {
  /// [views, patches, 1 + heads · headDimension], or [tokens, …]: first what is paid.
  private let values: Tensor
  private let heads: Int

  private init(values: Tensor, heads: Int) { (self.values, self.heads) = (values, heads) }

  /// That of a layer's queries and keys, [views, heads, rows, headDimension], the first row a class token's where the tower has one.
  init(_ layer: (queries: Tensor, keys: Tensor), hasClassToken: Bool) throws {
    heads = layer.keys.size(1)
    let first = hasClassToken ? 1 : 0
    let rows = try (0..<layer.keys.size(0)).map { view in
      let trace = TowerTrace(
        queries: try layer.queries.selected(0, view).detached(), keys: try layer.keys.selected(0, view).detached(),
        hasClassToken: hasClassToken, firstToken: first)
      let paid = try hasClassToken ? trace.classAttention() : trace.meanAttention()
      return try concatenate([paid.unsqueezed(1), trace.wholeKeys()], 1)
    }
    values = try stack(rows)
  }

  func split(_ counts: [Int]) throws -> [ViewTrace] { try values.split(counts).map { ViewTrace(values: $0, heads: heads) } }

  func mapped(_ map: (_ values: Tensor, _ end: Tensor) throws -> Tensor) throws -> ViewTrace {
    let nothing = try Tensor.zeros([values.size(-1)], values.dtype, on: values.device)
    return ViewTrace(values: try map(values, nothing), heads: heads)
  }

  static func joined(_ parts: [ViewTrace]) throws -> ViewTrace {
    ViewTrace(values: try concatenate(parts.map(\.values)), heads: parts.first?.heads ?? 1)
  }

  /// As compressors look at it, from values [tokens, …].
  func trace() throws -> TowerTrace {
    let (tokens, width) = (values.size(0), values.size(1) - 1)
    let keys = try values.narrow(1, from: 1, length: width).reshaped([tokens, heads, width / heads]).transposed(0, 1)
    let paid = try values.selected(1, 0)
    return TowerTrace(paid: try paid / paid.sum(0, keepingDimension: true), keys: try keys.contiguous())
  }
}
