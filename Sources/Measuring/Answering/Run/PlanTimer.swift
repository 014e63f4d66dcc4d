import Basics
import Foundation
import LLaVA
import Results

/// What plans really take: each question alone under each plan, all plans in turns.
///
/// The shared computation has no time of one plan, so this is what a person who uses the model with that plan waits.
enum PlanTimer {
  /// Medians over the questions by the plans' record names, after one round that is not counted.
  ///
  /// - Throws: as `LLaVAModel.generate`.
  static func measure(
    _ pipeline: LLaVAPipeline, _ plans: [AnswerPlan], _ requests: [AnswerRequest], progress: (Int) -> Void
  ) throws -> [String: ResultTiming] {
    guard let first = requests.first else { return [:] }
    var found: [String: [GenerationTimings]] = [:]
    for (round, request) in ([first] + requests).enumerated() {
      for plan in plans {
        var options = GenerationOptions()
        options.maximumNewTokens = request.maximumNewTokens
        options.compression = plan.compression
        options.seed = request.picture?.seed ?? 0
        let alone = GenerationRequest(ids: request.ids, pictures: request.picture.map { [$0.pixels] } ?? [])
        let timings = try pipeline.answer(alone, options).timings
        if round > 0 { found[plan.recordName, default: []].append(timings) }
      }
      progress(round)
    }
    return found.mapValues { timings in
      ResultTiming(
        samples: timings.count, vision: median(timings.map(\.vision)), prefill: median(timings.map(\.prefill)),
        decode: median(timings.map(\.decode)))
    }
  }
}
