import Foundation
import Imaging
import Language
import TestModels
import TestSupport
import Testing
import Torch

@testable import Compression
@testable import LLaVA

/// Rules that give pictures different numbers of tokens.
@Suite struct BudgetRuleTests {
  /// Distances by the definition, with loops.
  private func naive(_ rows: [[Double]]) -> [Double] {
    func distance(_ a: [Double], _ b: [Double]) -> Double {
      func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
      return 1 - dot(a, b) / (dot(a, a) * dot(b, b)).squareRoot()
    }
    let all = rows.map { row in rows.map { distance(row, $0) } }
    func nearestOther(_ token: Int) -> Double { all[token].indices.filter { $0 != token }.map { all[token][$0] }.min() ?? 0 }
    var taken = [rows.indices.max { nearestOther($0) < nearestOther($1) } ?? 0]
    var found: [Double] = []
    while taken.count < rows.count {
      let rest = rows.indices.filter { !taken.contains($0) }
      func nearest(_ token: Int) -> Double { taken.map { all[token][$0] }.min() ?? 0 }
      let next = rest.max { nearest($0) < nearest($1) } ?? 0
      found.append(nearest(next))
      taken.append(next)
    }
    return found.prefix(1) + found
  }

  @Test func distancesFallAsTheDefinitionSays() throws {
    for (seed, tokens) in [(UInt64(1), 2), (2, 7), (3, 33), (4, 70)] {
      let rows = try Tensor.randn([tokens, 6], generator: Generator(seed: seed))
      let values = try rows.array(Float.self).map { Double($0) }
      let expected = naive((0..<tokens).map { Array(values[$0 * 6..<($0 + 1) * 6]) })
      let found = try FarthestFirst.distances(rows)
      #expect(found.count == tokens && zip(found, expected).allSatisfy { abs($0 - $1) < 1e-5 })
      #expect(zip(found, found.dropFirst()).allSatisfy(>=))
      // Stopped early, the count above the end is the same.
      let end = found[tokens / 3]
      let some = try FarthestFirst.distances(rows, until: end)
      #expect(some.count { $0 > end } == found.count { $0 > end } && some.count <= found.count)
    }
    #expect(try FarthestFirst.distances(.ones([1, 4])) == [0])
  }

  /// What a threshold leaves of the images that it was fitted to is the average that was asked for.
  @Test func theFitKeepsTheAverage() throws {
    var random = SplitMix(seed: 5)
    for rule in BudgetRule.allCases {
      let tokens = 40
      let measured = (0..<50).map { _ -> [Double] in
        let scale = Double.random(in: 0.1...2, using: &random)
        guard rule == .byVariety else { return [scale] }
        return (0..<tokens).map { _ in Double.random(in: 0...scale, using: &random) }.sorted(by: >)
      }
      let fit = try BudgetFit(rule, layer: 2, measured: measured)
      var last = 0.0
      for share in [0.02, 0.1, 0.25, 0.5, 0.9, 1] {
        let threshold = try fit.threshold(forShare: share)
        let shares = measured.map { rule.share($0, threshold: threshold, of: tokens) }
        let mean = shares.reduce(0, +) / Double(shares.count)
        #expect(abs(mean - share) < 0.01, "\(rule), \(share): \(mean)")
        #expect(mean > last && (share == 1 || Set(shares).count > 1))
        last = mean
      }
      for bad in [0, -0.1, 1.1, .nan] {
        #expect(throws: BudgetError.self) { try fit.threshold(forShare: bad) }
      }
    }
    #expect(throws: BudgetError.nothing(nil)) { try BudgetFit(.byVariety, layer: 2, measured: []) }
  }

  @Test func theFileKeepsWhatOthersFitted() throws {
    let place = try Scratch()
    let first = try BudgetFit(.byInformation, layer: 2, measured: [[0.5], [1]])
    let other = try BudgetFit(.byInformation, layer: 3, measured: [[2]])
    try BudgetFits([first]).write(into: place.url)
    try BudgetFits([other]).write(into: place.url)
    let again = try BudgetFit(.byInformation, layer: 2, measured: [[0.25], [1]])
    try BudgetFits([again]).write(into: place.url)
    let found = try BudgetFits(from: place.url)
    #expect(try found.fit(.byInformation, layer: 2) == again && found.fit(.byInformation, layer: 3) == other)
    #expect(throws: BudgetError.unfitted(rule: "by-variety", layer: 2)) { try found.fit(.byVariety, layer: 2) }
    let file = place.url.appending(path: BudgetFit.fileName)
    for text in ["", "{}", "[1]", #"{"fits": [{"rule": "by-variety", "layer": 2, "samples": 1, "quantiles": [2, 1]}]}"#] {
      try Data(text.utf8).write(to: file)
      #expect(throws: BudgetError.self) { try BudgetFits(from: place.url) }
    }
  }

  private func cuts(_ model: LLaVAModel, _ plan: String, _ ids: [Int], _ pixels: Tensor) throws -> [[Int]] {
    var options = GenerationOptions()
    options.maximumNewTokens = 1
    options.compression = try CompressionPlan(plan)
    let request = try GenerationRequest(ids: ids, pictures: PicturePixels.each(pixels))
    return try model.generate([request], options).results[0].cuts.last?.keptIndices ?? []
  }

  /// A picture all of whose patches are alike gets one token, a varied one many; the question has no say.
  @Test func byVarietyAPlainPictureGetsFewTokens() throws {
    let model = try TestModel.tiny(seed: 3)
    let varied = try Tensor.randn([1, 3, 56, 56], generator: Generator(seed: 1))
    let pixels = try concatenate([varied, .zeros([1, 3, 56, 56])])
    let ids = [1, imagePlaceholderID, 7, imagePlaceholderID, 8, 9]
    let measured = try inference { try FarthestFirst.distances(model.visualTokens(varied).selected(0, 0)) }
    for rank in [3, 9] {
      // Between two distances, so that rounding has no say.
      let threshold = (measured[rank] + measured[rank + 1]) / 2
      let plan = "uniform:5:rule=by-variety:threshold=\(threshold)@2"
      let kept = try cuts(model, plan, ids, pixels)
      let plain = try inference { try FarthestFirst.distances(model.visualTokens(.zeros([1, 3, 56, 56])).selected(0, 0)) }
      #expect(kept.map(\.count) == [rank + 1, max(1, plain.count { $0 > threshold })])
      #expect(try cuts(model, plan, ids + [20, 21, 22], pixels) == kept)
      // The compressor still chooses which: a number that it is given.
      #expect(try cuts(model, "uniform:\(rank + 1)@2", [1, imagePlaceholderID, 7], varied)[0] == kept[0])
    }
  }

  /// The number follows from what was measured before.
  @Test func byInformationTheQuestionHasASay() throws {
    let model = try LLaVAModel(LLaVAConfiguration.preset("tiny"), from: RandomParameters(seed: 2, deviation: 0.5))
    let pixels = try Tensor.randn([1, 3, 56, 56], generator: Generator(seed: 1))
    var found: Set<Int> = []
    for question in [[7, 8, 9], [30, 31, 32, 33, 34, 35, 36], [100, 200, 300, 400]] {
      let ids = [1, imagePlaceholderID] + question
      let meter = BudgetMeter([.byInformation])
      var options = GenerationOptions()
      (options.maximumNewTokens, options.compression) = (1, try CompressionPlan(meter, layer: 2, .keep(1)))
      let request = try GenerationRequest(ids: ids, pictures: PicturePixels.each(pixels))
      let whole = try model.generate([request], options).results[0]
      #expect(whole.keptVisualTokens == 16, "a meter drops nothing")
      let bits = try #require(meter.measured(.byInformation).first?.first)
      #expect(bits > 0)
      let expected = max(1, Int((min(1, 0.6 * exp2(-bits)) * 16).rounded()))
      let kept = try cuts(model, "fastv:5:rule=by-information:threshold=0.6@2", ids, pixels)[0]
      #expect(kept.count == expected)
      found.insert(kept.count)
    }
    #expect(found.count > 1, "\(found)")
  }

  @Test func rulesAreRefusedWhereTheyMeanNothing() throws {
    for (plan, says) in [
      ("dart:5:rule=by-luck:threshold=1@2", "by-variety or by-information"), ("dart:5:rule=by-variety@2", "threshold is missing"),
      ("dart:5:threshold=1@2", "rule is missing"), ("dart:5:rule=by-variety:threshold=nan@2", "threshold is nan"),
      ("visionzip:5:rule=by-variety:threshold=1", "does not work in the decoder"),
      ("autoprune:5:rule=by-variety:threshold=1@2", "decides by itself"),
      ("divprune:5:rule=by-variety:threshold=1@features", "does not work at features"),
      ("dart:5:rule=by-variety:threshold=1@2,dart:3@3", "stands alone"),
    ] {
      let error = #expect(throws: CompressionError.self) { try CompressionPlan(plan) }
      #expect("\(error.map { "\($0)" } ?? "")".contains(says), "\(plan): \(error.map { "\($0)" } ?? "")")
    }
  }
}
