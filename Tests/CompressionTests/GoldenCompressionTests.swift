import Foundation
import GoldenModels
import Imaging
import LLaVA
import Language
import TestSupport
import Testing
import Torch

@testable import Compression

/// Every compressor against records of the released code on the same weights.
@Suite struct GoldenCompressionTests {
  private let golden: GoldenCompression

  init() throws { golden = try GoldenCompression() }

  private func compressor(_ c: GoldenCompression.Case, _ order: DART.PivotOrder? = nil) throws -> any TokenReducer {
    switch c.method {
    case "dart":
      try DART(
        imagePivots: #require(c.imagePivotCount), textPivots: #require(c.textPivotCount), semantics: .reference,
        order: order ?? .given(#require(c.visitingOrder)))
    case "fastv", "fastv_official_sdpa": FastV(semantics: .reference)
    default: Recorded(indices: (c.kept ?? []).map { $0 - c.imageStart })
    }
  }

  private struct Run {
    let batch: PackedBatch
    let kept: [Int]
  }

  private func run(_ c: GoldenCompression.Case, _ model: LLaVAModel, _ compressor: any TokenReducer) throws -> Run {
    try inference {
      let batch = try golden.batch(model)
      #expect(batch.visual == [[c.imageStart..<c.imageStart + c.imageLength]])
      let plan = try CompressionPlan(compressor, layer: c.layer, .ratio(c.ratio))
      let cuts = try plan.resolve(imageTokens: [[c.imageLength]], layers: model.configuration.text.layers)
      let (after, kept) = try model.decode(batch, cuts, generators: [Generator(seed: 0)])
      let indices = try kept.last?.patches[0][0]?.array(Int.self) ?? Array(0..<c.imageLength)
      return Run(batch: after, kept: indices.map { $0 + c.imageStart })
    }
  }

  @Test(arguments: GoldenCompression.cases)
  func keptTokensLogitsAndLossAreThoseOfTheReference(_ golden: GoldenCase<GoldenCompression.Case>) throws {
    let c = try golden.get()
    let model = try self.golden.model(c.model)
    let run = try run(c, model, compressor(c))
    // Where the released code crashes on keeping nothing, nothing is kept.
    #expect(run.kept == c.kept ?? [])
    // The released FastV script lets one layer see the future; its choice is the same, its logits are not to be imitated.
    if c.method == "fastv_official_sdpa" { return }
    try inference {
      let hidden = try model.decoder.norm(run.batch.hidden)
      let logits = try model.decoder.logits(run.batch.hidden)
      for (name, found) in [
        ("logits_last", try logits.selected(0, run.batch.lengths[0] - 1)), ("final_hidden", hidden),
      ] where self.golden.tensors.entries["outputs/\(c.id)/\(name)"] != nil {
        #expect(try (found - self.golden.tensors.tensor("outputs/\(c.id)/\(name)")).abs().max().item() < 1e-4, "\(name)")
      }
      if let loss = c.loss {
        let labels = try #require(run.batch.labels).array(Int.self)
        let next = try Tensor(labels.dropFirst() + [ignoredLabel])
        #expect(abs(try logits.crossEntropy(next).item() - loss) < 2e-5)
      }
    }
  }

  @Test(arguments: Fixtures.cases { try GoldenCompression.index.get().cases.filter { $0.method == "dart" && $0.ratio > 0 } })
  func otherOrdersOfPivotsKeepWhatTheyShould(_ golden: GoldenCase<GoldenCompression.Case>) throws {
    let c = try golden.get()
    let model = try self.golden.model(c.model)
    #expect(try run(c, model, compressor(c, .ascending)).kept == c.keptAscending)
    #expect(try run(c, model, compressor(c, .imageThenText)).kept == c.keptImageThenText)
  }

  /// Scores, keys and hidden states that the choice is made of, one by one.
  @Test(arguments: GoldenCompression.evidence)
  func evidenceIsThatOfTheReference(_ evidence: GoldenCase<GoldenCompression.Evidence>) throws {
    let (name, layer) = (try evidence.get().model, try evidence.get().layer)
    let model = try golden.model(name)
    try inference {
      let batch = try golden.batch(model)
      let probe = Probe()
      let stages = try model.resolve(CompressionPlan(probe, layer: layer, .keep(1)), images: [1])
      _ = try model.decode(batch, stages, generators: [Generator(seed: 0)])
      let tokens = try #require(probe.seen)
      func expected(_ method: String, _ key: String) throws -> Tensor {
        try golden.tensors.tensor("inputs/\(name)/\(method)/K\(layer)/\(key)")
      }
      func distance(_ a: Tensor, _ b: Tensor) throws -> Double {
        try a.requireShape(b.shape.map(Optional.some), "evidence")
        return try (a - b).abs().max().item()
      }
      #expect(
        try distance(tokens.rows.normalized(.arange(0, tokens.rows.count(of: 0))), expected("dart", "hidden_normed")) < 1e-4)
      // The record repeats each key-value head for the query heads that share it.
      let repeats = Double(model.configuration.text.heads / model.configuration.text.keyValueHeads)
      let norms = try expected("dart", "keys").abs().sum(2).sum(0) / repeats
      #expect(try distance(tokens.rows.keyNorms(), norms) < 1e-3)
      let row = try tokens.rows.attention(of: tokens.rows.count(of: 0) - 1, in: 0)
      #expect(try distance(row, expected("fastv", "attention_mean_last_row")) < 1e-5)
      if golden.tensors.entries["inputs/\(name)/fastv/K\(layer)/attention"] != nil {
        // Any other row: the whole map, causal.
        let map = try expected("fastv", "attention").mean(0)
        for index in [0, tokens.span.lowerBound, tokens.rows.count(of: 0) / 2] {
          #expect(try distance(tokens.rows.attention(of: index, in: 0), map.selected(0, index)) < 1e-5)
        }
      }
    }
  }

  @Test func pivotsAreThoseOfTheReference() throws {
    for c in try Fixtures.some(golden.index.cases.filter { $0.method == "dart" && $0.ratio > 0 }) {
      let model = try golden.model(c.model)
      try inference {
        let probe = Probe()
        let stages = try model.resolve(CompressionPlan(probe, layer: c.layer, .keep(1)), images: [1])
        _ = try model.decode(golden.batch(model), stages, generators: [Generator(seed: 0)])
        let tokens = try #require(probe.seen)
        let dart = try DART(
          imagePivots: #require(c.imagePivotCount), textPivots: #require(c.textPivotCount), semantics: .reference)
        let (image, text) = try dart.pivots(c.imageLength, of: tokens)
        #expect(try image.array(Int.self).map { $0 + c.imageStart } == c.imagePivots)
        #expect(try text.array(Int.self) == c.textPivots)
      }
    }
  }

  @Test func decodingAfterCompressionGivesTheReferenceTokens() throws {
    for decoding in try Fixtures.some(golden.index.decode) {
      let model = try golden.model(decoding.model)
      let pivots = try #require(golden.index.cases.first { $0.method == "dart" && $0.model == decoding.model })
      let dart = try ReferenceOrderedDART(
        imagePivots: #require(pivots.imagePivotCount), textPivots: #require(pivots.textPivotCount))
      var options = GenerationOptions()
      options.maximumNewTokens = decoding.greedy.count
      options.stopsAtEnd = false
      options.compression = try CompressionPlan(dart, layer: decoding.layer, .ratio(decoding.ratio))
      let ids = Array(golden.index.input_ids.prefix(decoding.promptLength))
      var caches: [KeyValueCache]? = [try KeyValueCache(model.configuration.text, .float32, on: .cpu)]
      let request = try GenerationRequest(ids: ids, pictures: PicturePixels.each(golden.pixels(model)))
      let result = try model.generate([request], options, caches: &caches).results[0]
      let cache = try #require(caches?.first)
      #expect(result.tokens == decoding.greedy)
      let decoded = decoding.greedy.count - 1
      let layers = 0..<model.configuration.text.layers
      #expect(layers.map { cache.count(layer: $0) } == decoding.cacheLengths.map { $0 + decoded })
      let perRow = 2 * model.configuration.text.keyValueHeads * model.configuration.text.headDimension * 4
      #expect(result.kvCacheBytes == decoding.cacheLengths.reduce(0, +) * perRow)
      #expect(cache.nextPosition == decoding.cacheLengths[0] + decoded)
    }
  }

  @Test func setOrderOfRecordsIsReproduced() throws {
    for example in try Fixtures.some(golden.index.cpython_set_order) {
      #expect(ReferenceOrderedDART.setOrder(example.list) == example.order)
    }
  }
}

/// Looks and keeps the first tokens.
private final class Probe: TokenReducer, @unchecked Sendable {
  var seen: VisualTokens?
  var needs: ReducerNeeds { ReducerNeeds(queries: true, keys: true) }
  func reduce(_ choice: TokenChoice) throws -> Reduction {
    seen = choice.tokens
    return .keep(try Tensor.arange(0, choice.count))
  }
}
