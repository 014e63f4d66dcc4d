import ChatProtocol
import Compression
import Foundation
import LLaVA
import Language
import Results

/// A model with all that requests can say about its visual tokens.
public struct ServedModel: Sendable {
  /// What it is called in requests.
  public let name: String
  /// The model.
  public let pipeline: LLaVAPipeline
  /// The compressor that chooses visual tokens, such as `dart` or `dart:text-pivots=0`, and the decoder layers before the cut.
  public let compressor: String, layer: Int
  /// The budgets.
  public let ladder: BudgetLadder
  /// What a rule measured, from which its threshold for an average follows; nil where averages are not offered.
  public let fit: BudgetFit?

  /// A model under a name.
  ///
  /// - Parameter fit: for a ladder that allows averages.
  /// - Throws: `CompressionError` for a compressor that is not known, or a budget or layer that does not fit the model.
  public init(
    name: String, _ pipeline: LLaVAPipeline, compressor: String = "dart", layer: Int = 2, ladder: BudgetLadder,
    fit: BudgetFit? = nil
  ) throws {
    (self.name, self.pipeline, self.compressor, self.layer, self.ladder) = (name, pipeline, compressor, layer, ladder)
    self.fit = fit
    for rung in ladder.rungs { _ = try tokens(rung.tokens) }
  }

  /// The plan for pictures with these numbers of tokens; nil where all keep all.
  ///
  /// - Throws: `CompressionError`.
  public func plan(_ counts: [Int]) throws -> CompressionPlan? {
    if counts.allSatisfy({ $0 >= ladder.total }) { return nil }
    let compressor = try ReducerRegistry.standard.spelled(compressor)
    let amount: CompressionPlan.Amount = Set(counts).count == 1 ? .keep(counts[0]) : .each(counts)
    return try CompressionPlan(stages: [.init(compressor.reducer, layer: layer, amount, name: compressor.name)])
  }

  /// The plan with which pictures keep so many tokens on average, each as many as it needs by the rule.
  ///
  /// - Throws: `BudgetError`, `CompressionError`.
  func plan(average: Int) throws -> CompressionPlan? {
    guard let fit else { throw BudgetError.missing(path: BudgetFit.fileName) }
    let threshold = try fit.threshold(forShare: Double(average) / Double(max(1, pipeline.model.pictureLayout.counted)))
    let parts = compressor.split(separator: ":", maxSplits: 1).map(String.init)
    let options = parts.dropFirst() + ["rule=\(fit.rule.rawValue)", String(format: "threshold=%.6g", threshold)]
    return try CompressionPlan("\(parts[0]):\(average):\(options.joined(separator: ":"))@\(layer)")
  }

  /// Positions that pictures, videos and sound take, before they have been read; the most where they vary.
  ///
  /// - Parameter frames: most frames of a video.
  /// - Throws: `CompressionError`.
  func positions(_ plan: CompressionPlan?, _ media: [ImageReference], frames: Int) throws -> Int {
    let configuration = pipeline.model.configuration
    if configuration.picturesVary { return tokens(media, frames: frames) }
    return try media.count * configuration.tokens(of: plan).positions
  }

  /// Most tokens of pictures, videos and sound, before they have been read.
  func tokens(_ media: [ImageReference], frames: Int) -> Int {
    let configuration = pipeline.model.configuration
    let stills = media.count { $0.medium != .video }
    return stills * configuration.mostTokens(isAlone: stills == 1)
      + (media.count - stills) * (pipeline.videos?.mostTokens(configuration, frames: frames) ?? 0)
  }

  /// Why the model takes no such medium; nil where it does.
  func refusal(of medium: Medium) -> String? {
    let listens = pipeline.model.configuration.audio != nil
    switch medium {
    case .image: return listens ? "the model \(name) takes sound alone" : nil
    case .video: return pipeline.videos == nil ? "the model \(name) takes none" : nil
    case .audio: return listens ? nil : "the model \(name) takes none"
    }
  }

  /// What a budget makes of a picture.
  public func tokens(_ count: Int) throws -> PlannedTokens { try pipeline.model.configuration.tokens(of: plan([count])) }

  /// Visual tokens that a decoder layer sees of a picture, the mean over the layers.
  public func average(_ count: Int) throws -> Double {
    let layers = try tokens(count).decoder
    return Double(layers.reduce(0, +)) / Double(max(1, layers.count))
  }

  /// Visual tokens that a layer sees for a further question about a picture, the mean over the layers: none where the choice of tokens
  /// does not depend on the question.
  func averageAgain(_ count: Int) throws -> Double {
    guard let plan = try plan([count]), plan.readsPrompt else { return 0 }
    let layers = try tokens(count).decoder
    return Double(layers.filter { $0 < layers[0] }.reduce(0, +)) / Double(max(1, layers.count))
  }
}

extension BudgetLadder {
  /// The budgets at which a model was evaluated, with its accuracy at each.
  ///
  /// - Parameters:
  ///   - results: what `epic eval` found.
  ///   - fingerprint: of the model that is served; results of others are left out.
  ///   - compressor: rows of other compressors are left out, the one without compression excepted.
  /// - Returns: nil where there are none.
  public static func rungs(
    _ results: EvaluationResults, fingerprint: String, compressor: String, layer: Int
  ) -> [Rung]? {
    guard let model = results.models.first(where: { $0.fingerprint == fingerprint }) else { return nil }
    let rows = model.rows.filter { $0.compressor == "full" || $0.compressor == compressor && ($0.layer ?? layer) == layer }
    if rows.isEmpty { return nil }
    return rows.map { row in
      let scores = row.scores.mapValues(\.percentage)
      let mean = scores.isEmpty ? nil : scores.values.reduce(0, +) / Double(scores.count)
      return Rung(row.keep, accuracy: mean, scores: scores)
    }
  }
}
