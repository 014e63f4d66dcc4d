import Language
import TestModels
import TestSupport
import Testing
import Torch

@testable import LLaVA

/// Invariants of the decoder over random cases: what runs beside a sample, in how many pieces, and by which kernel changes nothing.
@Suite struct DecoderTests {
  private struct Case {
    let model: LLaVAModel
    let batch: PackedBatch
  }

  /// A random small decoder and a random packed batch: 1 to 4 samples of unequal length, with no image, one or two.
  private func make(_ seed: Int, dtype: DType = .float32) throws -> Case {
    var random = SplitMix(seed: UInt64(seed))
    var configuration = try LLaVAConfiguration.preset("tiny")
    let groups = Int.random(in: 1...3, using: &random)
    configuration.text.keyValueHeads = groups
    configuration.text.heads = groups * Int.random(in: 1...3, using: &random)
    configuration.text.headDimension = [8, 16, 36][Int.random(in: 0..<3, using: &random)]
    configuration.text.attentionBias = Bool.random(using: &random)
    configuration.text.layers = Int.random(in: 1...4, using: &random)
    let source = try RandomParameters(seed: UInt64(seed), dtype: dtype, deviation: 0.1)
    let model = try LLaVAModel(configuration, from: source)
    let requests = (0..<Int.random(in: 1...4, using: &random)).map { _ in
      var ids = (0..<Int.random(in: 1...12, using: &random)).map { _ in Int.random(in: 3..<512, using: &random) }
      for _ in 0..<Int.random(in: 0...2, using: &random) {
        ids.insert(imagePlaceholderID, at: Int.random(in: 0...ids.count, using: &random))
      }
      return ids
    }
    let generator = try Generator(seed: UInt64(seed))
    let features = try requests.map { ids in
      try ids.filter { $0 == imagePlaceholderID }.map { _ in try Tensor.randn([4, 64], generator: generator).to(dtype) }
    }
    return Case(model: model, batch: try model.splice(requests, features: features))
  }

  private func sample(_ index: Int, of batch: PackedBatch) throws -> PackedBatch {
    try piece(0..<batch.lengths[index], of: batch, index)
  }

  private func piece(_ rows: Range<Int>, of batch: PackedBatch, _ index: Int = 0) throws -> PackedBatch {
    let start = batch.starts[index] + rows.lowerBound
    let positions = Positions(
      rotary: try batch.positions.rotary.narrow(1, from: start, length: rows.count), next: [rows.upperBound])
    return PackedBatch(
      hidden: try batch.hidden.narrow(0, from: start, length: rows.count), positions: positions, lengths: [rows.count],
      images: [batch.images[index]])
  }

  private func close(_ a: Tensor, _ b: Tensor, _ tolerance: Double = 2e-5) throws -> Bool {
    guard a.shape == b.shape else { return false }
    return try a.count == 0 || (a - b).abs().max().item() <= tolerance
  }

  @Test(arguments: 0..<40) func aSampleDoesNotDependOnItsNeighbours(_ seed: Int) throws {
    let c = try make(seed)
    try inference {
      let together = try c.model.logits(c.batch).split(c.batch.lengths)
      for index in c.batch.lengths.indices {
        #expect(try close(c.model.logits(sample(index, of: c.batch)), together[index]))
      }
    }
  }

  @Test(arguments: 0..<40) func rangesOfLayersComposeExactly(_ seed: Int) throws {
    let c = try make(seed)
    let layers = c.model.configuration.text.layers
    try inference {
      let whole = try c.model.decoder.run(layers: 0..<layers, c.batch).hidden
      for cut in 0...layers {
        let first = try c.model.decoder.run(layers: 0..<cut, c.batch)
        #expect(try c.model.decoder.run(layers: cut..<layers, first).hidden.array(Float.self) == whole.array(Float.self))
      }
    }
  }

  @Test(arguments: 0..<40) func aCacheFilledInPiecesGivesTheSameRows(_ seed: Int) throws {
    let c = try make(seed)
    let layers = 0..<c.model.configuration.text.layers
    var random = SplitMix(seed: UInt64(seed) + 1000)
    try inference {
      for index in c.batch.lengths.indices {
        let alone = try sample(index, of: c.batch)
        let whole = try c.model.decoder.run(layers: layers, alone).hidden
        // Too small on purpose: it must grow.
        var caches = [try KeyValueCache(c.model.configuration.text, capacity: 1, .float32, on: .cpu)]
        var rows: [Tensor] = []
        var start = 0
        while start < alone.lengths[0] {
          let length = Int.random(in: 1...(alone.lengths[0] - start), using: &random)
          let piece = try piece(start..<start + length, of: alone)
          rows.append(try c.model.decoder.run(layers: layers, piece, caches: &caches).hidden)
          start += length
        }
        #expect(try close(concatenate(rows), whole))
        let cache = caches[0]
        #expect(cache.count(layer: 0) == alone.lengths[0])
        #expect(cache.usedByteCount <= cache.byteCount)
      }
    }
  }

  @Test(arguments: 0..<40) func rowsAskedForAreThoseOfAll(_ seed: Int) throws {
    let c = try make(seed)
    let layers = 0..<c.model.configuration.text.layers
    var random = SplitMix(seed: UInt64(seed))
    let runs = c.batch.lengths.map { length in
      let ends = (0..<4).map { _ in Int.random(in: 0...length, using: &random) }.sorted()
      return [ends[0]..<ends[1], ends[2]..<ends[3]].filter { !$0.isEmpty }
    }
    try inference {
      let whole = try c.model.decoder.run(layers: layers, c.batch).hidden
      for asked in [c.batch.lastRows, runs] where asked.contains(where: { !$0.isEmpty }) {
        let indices = zip(c.batch.starts, asked).flatMap { start, runs in runs.flatMap { $0.map { start + $0 } } }
        let some = try c.model.decoder.run(layers: layers, c.batch, only: asked)
        #expect(try close(some.hidden, whole.rows(Tensor(indices))))
        #expect(some.lengths == asked.map { $0.reduce(0) { $0 + $1.count } })
        let none = try c.model.decoder.run(layers: 0..<0, c.batch, only: asked)
        #expect(try close(none.hidden, c.batch.hidden.rows(Tensor(indices))))
      }
    }
  }

  @Test(arguments: 0..<10) func samplesOfABatchAreTheSamplesAlone(_ seed: Int) throws {
    let c = try make(seed)
    let every = c.batch.lengths.indices.filter { ($0 + seed) % 2 == 0 }
    let kept = every.isEmpty ? [0] : every
    let some = try c.batch.picking(kept.map { Pick(sample: $0, reductions: c.batch.images[$0].map { _ in nil }) })
    #expect(some.lengths == kept.map { c.batch.lengths[$0] } && some.visual == kept.map { c.batch.visual[$0] })
    try inference {
      let alone = try kept.map { try c.model.logits(sample($0, of: c.batch)) }
      #expect(try close(c.model.logits(some), concatenate(alone)))
    }
  }

  @Test(arguments: 0..<40) func laterTokensNeverReachEarlierRows(_ seed: Int) throws {
    let c = try make(seed)
    try inference {
      let alone = try sample(0, of: c.batch)
      let before = try c.model.logits(alone)
      let changed = try alone.hidden.copy()
      let last = alone.lengths[0] - 1
      try changed.narrow(0, from: last, length: 1).multiplyInPlace(by: -3)
      var other = alone
      other.hidden = changed
      let after = try c.model.logits(other)
      #expect(try close(before.narrow(0, from: 0, length: last), after.narrow(0, from: 0, length: last), 0))
      #expect(try !close(before, after, 1e-4))
    }
  }

  /// The kernels of bfloat16 decoding against float32 arithmetic on the same weights.
  @Test(arguments: 0..<20) func bfloat16StaysNearFloat32(_ seed: Int) throws {
    let exact = try make(seed)
    let rounded = try make(seed, dtype: .bfloat16)
    var options = GenerationOptions()
    options.maximumNewTokens = 1
    try inference {
      let wanted = try exact.model.logits(exact.batch)
      let found = try rounded.model.logits(rounded.batch).to(.float32)
      let scale = try wanted.abs().max().item()
      #expect(try (wanted - found).abs().max().item() < 0.1 * scale)
      // One row at a time, through the cache: the kernels for few rows and one row.
      let alone = try sample(0, of: rounded.batch)
      var caches = [try KeyValueCache(rounded.model.configuration.text, capacity: 64, .bfloat16, on: .cpu)]
      let layers = 0..<rounded.model.configuration.text.layers
      for row in 0..<alone.lengths[0] {
        let hidden = try rounded.model.decoder.run(layers: layers, piece(row..<row + 1, of: alone), caches: &caches).hidden
        let logits = try rounded.model.decoder.logits(hidden).to(.float32)
        #expect(try (logits.selected(0, 0) - wanted.selected(0, row)).abs().max().item() < 0.1 * scale)
      }
    }
  }

  @Test func gradientsReachEveryWeightThatIsUsed() throws {
    let model = try TestModel.tiny()
    for parameter in model.parameters.parameters { try parameter.tensor.requiringGradient() }
    let pixels = try Tensor.randn([1, 3, 56, 56], generator: Generator(seed: 1))
    let batch = try model.splice([[1, imagePlaceholderID, 70, 80]], features: [[model.visualTokens(pixels).selected(0, 0)]])
    try model.logits(batch).power(2).mean().backward()
    let unused = try model.parameters.parameters.filter { try $0.tensor.gradient() == nil }.map(\.name)
    // The last tower layer and the tower's last normalisation serve no feature.
    #expect(unused.allSatisfy { $0.hasPrefix("tower.encoder.layers.2.") || $0.hasPrefix("tower.post_layernorm.") }, "\(unused)")
    #expect(!unused.isEmpty)
  }
}
