import Compression
import Efficiency
import Imaging
import LLaVA
import TestModels
import TestSupport
import Testing
import Torch

/// Figures published by others, and counts written down in another way.
@Suite struct CostModelTests {
  private func plan(_ cuts: (Int, Int)...) throws -> CompressionPlan {
    try CompressionPlan(Uniform(), cuts: cuts.map { CompressionPlan.Cut(layer: $0.0, .keep($0.1)) })
  }

  /// EPIC's Table 2 and the curve of its Figure 5, read off by pixels and so good to 0.03 TFLOPs.
  @Test(
    arguments: [
      (576, 9.30, 367.2), (256, 4.43, nil), (128, 2.49, nil), (64, 1.53, 40.9), (36, 1.14, nil), (18, 0.84, nil), (9, 0.71, nil),
      (2, 0.60, nil),
    ] as [(Int, Double, Double?)])
  func thePaperAccountingGivesThePapersFigures(_ keep: Int, _ teraFLOPs: Double, _ megabytes: Double?) throws {
    let cost = try CostModel(.preset("llava-1.5-7b")).paperCost(plan((2, keep)))
    #expect(abs(cost.flops / 1e12 - teraFLOPs) < 0.04)
    if let megabytes { #expect(abs(cost.kvCacheBytes / 1e6 - megabytes) < 0.05) }
    #expect(cost.tower == 0 && cost.projector == 0 && cost.head == 0)
  }

  @Test func thePaperFormulaAtThePrintedLengths() throws {
    let costs = CostModel(try .preset("llava-1.5-7b"))
    #expect(abs(32 * costs.decoderLayer(tokens: 700) / 1e12 - 9.323) < 0.001)
    #expect(abs((2 * costs.decoderLayer(tokens: 700) + 30 * costs.decoderLayer(tokens: 78)) / 1e12 - 1.533) < 0.001)
    #expect(abs(32 * costs.kvCacheBytesPerTokenAndLayer * 700 / 1e6 - 367.0) < 0.05)
  }

  /// A prompt of 63 text tokens, counted by hand: 8.49 to 2.08 TFLOPs in the decoder, 8.90 to 2.49 with tower and projector, 335 to
  /// 83.4 MB of cache.
  @Test func theTrueAccountingOfLLaVA7B() throws {
    let costs = CostModel(try .preset("llava-1.5-7b"))
    let (full, cut) = (try costs.trueCost(text: 63, nil), try costs.trueCost(text: 63, plan((2, 64))))
    #expect(abs(full.decoder / 1e12 - 8.49) < 0.005 && abs(cut.decoder / 1e12 - 2.08) < 0.005)
    #expect(abs((full.flops - full.head) / 1e12 - 8.88) < 0.005 && abs((cut.flops - cut.head) / 1e12 - 2.47) < 0.005)
    #expect(abs(full.tower / 1e12 - 0.366) < 0.001 && abs(full.projector / 1e12 - 0.0242) < 0.0001)
    #expect(abs(full.head - 2 * 4096 * 32_064) < 1)
    #expect(abs(full.kvCacheBytes / 1e6 - 335.0) < 0.1 && abs(cut.kvCacheBytes / 1e6 - 83.4) < 0.05)
  }

  /// The cache that a generation really holds is what is counted, for every compressor, one cut and two, grouped heads included.
  @Test(arguments: ["dart", "fastv", "random", "uniform", "pool"]) func theCacheIsAsLongAsCounted(_ name: String) throws {
    let model = try TestModel.tiny(seed: 2)
    var costs = CostModel(model.configuration)
    costs.elementBytes = 4
    let compressor = try ReducerRegistry.standard.reducer(name)
    let single = [[CompressionPlan.Cut(layer: 1, .keep(5))], [.init(layer: 3, .keep(0))], [.init(layer: 4, .ratio(0.5))]]
    let cuts = name == "pool" ? single : single + [[.init(layer: 1, .keep(9)), .init(layer: 2, .keep(4))]]
    for cuts in cuts {
      let plan = try CompressionPlan(compressor, cuts: cuts)
      let request = try GenerationRequest(
        ids: [1, -200, 7, 8, 9], pictures: PicturePixels.each(Tensor.zeros([1, 3, 56, 56])))
      var options = GenerationOptions()
      options.maximumNewTokens = 1
      options.compression = plan
      let held = try model.generate([request], options).results[0].kvCacheBytes
      #expect(try costs.trueCost(text: 4, plan).kvCacheBytes == Double(held), "\(cuts)")
    }
  }

  @Test func fewerTokensNeverCostMore() throws {
    for preset in LLaVAConfiguration.presetNames {
      let costs = CostModel(try .preset(preset))
      let (layout, layers) = (costs.configuration.pictureLayout, costs.configuration.text.layers)
      let tokens = layout.counted
      var generator = SplitMix(seed: 70)
      for _ in 0..<20 {
        let layer = Int.random(in: 1...layers, using: &generator)
        let keep = Int.random(in: 1...tokens, using: &generator)
        for cost in [costs.trueCost, costs.paperCost] as [(Double, CompressionPlan?) throws -> PrefillCost] {
          let (less, more) = (try cost(50, plan((layer, keep - 1))), try cost(50, plan((layer, keep))))
          #expect(less.flops <= more.flops && less.kvCacheBytes <= more.kvCacheBytes)
          #expect((less.flops < more.flops) == (layer < layers))
          if layer > 1 { #expect(try cost(50, plan((layer - 1, keep))).flops <= more.flops) }
        }
        #expect(
          try costs.visualTokensOfLayers(plan((layer, keep))).reduce(0, +)
            == layer * layout.count + (layers - layer) * layout.most(keeping: keep))
      }
    }
  }

  @Test func timingsHoldTheChoice() throws {
    let model = try TestModel.tiny(seed: 2)
    let request = try GenerationRequest(ids: [1, -200, 7, 8, 9], pictures: PicturePixels.each(Tensor.zeros([1, 3, 56, 56])))
    let plans = [try plan((1, 4)), try CompressionPlan(AveragePool(), cuts: [.init(layer: 0, .keep(4))])]
    let (full, timings) = try PrefillTiming.measure(model, request, plans, rounds: 3)
    #expect(full.seconds > 0 && full.speedup == 1 && full.selectionShare == 0)
    #expect(timings[0].selectionShare > 0 && timings[0].selectionShare < 1 && timings[0].speedup > 0)
    #expect(!timings[0].includesVision && timings[1].includesVision)
    #expect(timings[1].selectionShare > 0 && timings[1].selectionShare < 1 && timings[1].fastest <= timings[1].seconds)
  }
}
