import Compression
import Evaluation
import LLaVA
import Torch
import Video

/// Has a model read questions, and measures what budget rules find in their pictures.
public enum BudgetMeasurement {
  /// Fits of rules to a model.
  ///
  /// - Parameters:
  ///   - benchmarks: whose questions are read, those with pictures.
  ///   - layer: decoder layers before the cuts that the fits are for.
  ///   - sampling: which frames of videos are looked at.
  ///   - shouldStop: asked after each question.
  ///   - progress: how many questions are done.
  /// - Returns: the fits, and why questions were left out that cannot be asked; nil where it was stopped.
  /// - Throws: `BudgetError.nothing`, with the first reason where there are; `CompressionError` for a layer that the model has not; as `LLaVAModel.generate`.
  public static func fits(
    _ pipeline: LLaVAPipeline, _ benchmarks: [Benchmark], layer: Int, rules: [BudgetRule] = BudgetRule.allCases, seed: UInt64 = 0,
    sampling: FrameSampling = FrameSampling(), shouldStop: () -> Bool = { false }, progress: (Int) -> Void = { _ in }
  ) throws -> (fits: BudgetFits, leftOut: [String])? {
    let meter = BudgetMeter(rules)
    var options = GenerationOptions()
    options.maximumNewTokens = 1
    options.compression = try CompressionPlan(stages: [.init(meter, at: .decoder(layer: layer), .keep(1))])
    _ = try pipeline.model.configuration.tokens(of: options.compression)
    let reader = QuestionReader(pipeline: pipeline, maximumNewTokens: 1, seed: seed, sampling: sampling)
    var (done, leftOut) = (0, [String]())
    for question in benchmarks.flatMap(\.questions) {
      if shouldStop() { return nil }
      done += 1
      guard let image = question.image else { continue }
      let request: AnswerRequest
      do {
        request = try reader.request(question, reader.picture(image))
      } catch {
        leftOut.append("\(question.id): \(error)")
        continue
      }
      let pictures = request.picture.map { [$0.pixels] } ?? []
      _ = try pipeline.model.generate([GenerationRequest(ids: request.ids, pictures: pictures)], options)
      progress(done)
    }
    guard rules.allSatisfy({ !meter.measured($0).isEmpty }) else { throw BudgetError.nothing(leftOut.first) }
    return (BudgetFits(try rules.map { try BudgetFit($0, layer: layer, measured: meter.measured($0)) }), leftOut)
  }
}
