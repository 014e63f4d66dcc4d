import GoldenModels
import Language
import TestSupport
import Testing
import Torch

@testable import Compression
@testable import LLaVA

/// What holds for every compressor, layer, count and batch.
@Suite struct CompressionPropertyTests {
  @Test(arguments: 0..<400) func whatIsPromisedIsKept(_ seed: Int) throws {
    let c = try RandomCase(seed)
    let batch = try c.batch()
    try inference {
      let cuts = try c.resolved()
      let (after, kept) = try c.run(batch, cuts)
      var before = batch.visual.map { $0.map { Array(0..<$0.count) } }
      #expect(kept.map(\.layer) == cuts.map(\.layer))
      for (cut, left) in zip(cuts, kept) {
        for sample in before.indices {
          for image in before[sample].indices {
            let indices = try left.patches[sample][image]?.array(Int.self) ?? before[sample][image]
            #expect(indices.count == cut.counts[sample][image])
            #expect(zip(indices, indices.dropFirst()).allSatisfy(<), "ascending and unique: \(indices)")
            #expect(Set(indices).isSubset(of: before[sample][image]), "a later cut takes from what an earlier one left")
            before[sample][image] = indices
          }
        }
      }
      // Rows and positions: all text, and of each image what is kept, in the old order.
      var expected: [Int] = []
      for sample in batch.lengths.indices {
        let dropped = Set(
          zip(batch.visual[sample], before[sample]).flatMap { span, kept in
            Set(span).subtracting(kept.map { span.lowerBound + $0 })
          })
        expected += (0..<batch.lengths[sample]).filter { !dropped.contains($0) }
        let spans = after.visual[sample]
        #expect(spans.map(\.count) == before[sample].map(\.count))
        #expect(after.lengths[sample] == batch.lengths[sample] - dropped.count)
      }
      #expect(try after.positions.rotary.reshaped([-1]).array(Int.self) == expected)
      #expect(after.positions.next == batch.lengths)
      // Spans say where the kept tokens lie now: their positions are those of the kept indices.
      let positions = try after.positions.rotary.reshaped([-1]).split(after.lengths).map { try $0.array(Int.self) }
      for sample in before.indices {
        for image in before[sample].indices {
          let first = batch.visual[sample][image].lowerBound
          #expect(Array(positions[sample][after.visual[sample][image]]) == before[sample][image].map { $0 + first })
        }
      }
    }
  }

  @Test(arguments: 0..<200) func ratioZeroChangesNoBit(_ seed: Int) throws {
    let c = try RandomCase(seed)
    try inference {
      let batch = try c.batch()
      for amount in [CompressionPlan.Amount.ratio(0), .keep(c.imageTokens)] {
        let plan = try CompressionPlan(c.reducer, cuts: [.init(layer: c.cuts[0].layer, amount)])
        let counts = batch.visual.map { $0.map(\.count) }
        // DART's formula may leave a few tokens out at ratio 0 where its pivots do not divide the image; then it is not this test's.
        if c.reducer.count(ratio: 0, of: c.imageTokens) < c.imageTokens, amount == .ratio(0) { continue }
        let cuts = try plan.resolve(imageTokens: counts, layers: c.layers)
        let plain = try c.model.logits(batch).array(Float.self)
        #expect(try c.model.decoder.logits(c.run(batch, cuts).batch.hidden).array(Float.self) == plain)
        // And where a cut is made that drops nothing.
        let forced = [CompressionPlan.ResolvedStage(plan.stages[0], counts: counts)]
        #expect(try c.model.decoder.logits(c.run(batch, forced).batch.hidden).array(Float.self) == plain)
      }
    }
  }

  @Test(arguments: 0..<200) func aSampleDoesNotDependOnItsNeighbours(_ seed: Int) throws {
    let c = try RandomCase(seed)
    try inference {
      let cuts = try c.resolved()
      let (together, kept) = try c.run(c.batch(), cuts)
      let pieces = try together.hidden.split(together.lengths)
      for sample in c.prompts.indices {
        let own = cuts.map { CompressionPlan.ResolvedStage($0.stage, counts: [$0.counts[sample]]) }
        let (alone, left) = try c.run(c.alone(sample), own, samples: [sample])
        for (a, b) in zip(kept, left) {
          #expect(
            try a.patches[sample].map { try $0?.array(Int.self) } == b.patches[0].map { try $0?.array(Int.self) }, "\(c.name)")
        }
        #expect(try distance(alone.hidden, pieces[sample]) < 1e-4)
      }
    }
  }

  /// The reference is every layer over all rows with dropped columns masked out, which shares nothing with dropping rows.
  @Test(arguments: 0..<200) func droppedRowsAreAsIfNobodyLookedAtThem(_ seed: Int) throws {
    let c = try RandomCase(seed, maximumSamples: 1)
    try inference {
      let batch = try c.batch()
      let (after, kept) = try c.run(batch, c.resolved())
      let masked = try MaskedDecoder(c.model).run(batch, kept)
      let rows = try after.positions.rotary.selected(0, 0)
      #expect(try distance(after.hidden, masked.rows(rows)) < 2e-4)
    }
  }

  @Test(arguments: 0..<200) func textIsNeverDroppedAndKeepsItsLabels(_ seed: Int) throws {
    var c = try RandomCase(seed)
    let labels = c.prompts.map { ids in ids.map { $0 == imagePlaceholderID || Bool.random(using: &c.random) ? ignoredLabel : $0 }
    }
    try inference {
      let batch = try c.batch(labels: labels)
      let (after, _) = try c.run(batch, c.resolved())
      let text = c.prompts.flatMap { $0.filter { $0 != imagePlaceholderID } }.count
      #expect(after.lengths.reduce(0, +) - after.visual.joined().reduce(0) { $0 + $1.count } == text)
      let supervised = try #require(after.labels).array(Int.self).filter { $0 != ignoredLabel }
      #expect(supervised == labels.joined().filter { $0 != ignoredLabel })
    }
  }

  /// What follows the prompt has no say, so that training and inference choose alike.
  @Test(arguments: 0..<200) func trainingChoosesAsInferenceDoes(_ seed: Int) throws {
    var c = try RandomCase(seed, maximumSamples: 1)
    let answer = (0..<Int.random(in: 1...9, using: &c.random)).map { _ in Int.random(in: 3..<512, using: &c.random) }
    let prompt = c.prompts[0]
    let labels = prompt.map { _ in ignoredLabel } + answer
    try inference {
      let cuts = try c.resolved()
      let (_, inferred) = try c.run(c.batch(), cuts)
      let sample = try c.model.splice([prompt + answer], features: c.features, labels: [labels])
      #expect(
        sample.images[0].map { $0.promptEnd ?? sample.lengths[0] } == c.features[0].map { _ in sample.lengths[0] - answer.count })
      let (_, trained) = try c.run(sample, cuts)
      for (a, b) in zip(inferred, trained) {
        #expect(try a.patches[0].map { try $0?.array(Int.self) } == b.patches[0].map { try $0?.array(Int.self) }, "\(c.name)")
      }
    }
  }
}
