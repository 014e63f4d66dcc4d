import Basics
import Compression
import LLaVA

/// What reading a prompt really takes on this machine.
///
/// Of plans that work in the decoder alone this is its first pass over the prompt; of plans that work before it, tower and projector too.
public struct PrefillTiming: Sendable, Hashable {
  /// Seconds, the median of all rounds.
  public let seconds: Double
  /// Seconds of the fastest round.
  public let fastest: Double
  /// How many times as fast as the same without compression, the median of all rounds; machines are noisy, and what stands side by side in
  /// one round is comparable.
  public let speedup: Double
  /// The part of the seconds that went into choosing tokens.
  public let selectionShare: Double
  /// True where tower and projector are part of the seconds.
  public let includesVision: Bool

  /// Times plans against no compression, all in turns.
  ///
  /// - Parameters:
  ///   - plans: what to time.
  ///   - rounds: how often each takes its turn, after one round that is not counted.
  /// - Returns: the decoder's time without compression, and that of each plan.
  /// - Throws: as `LLaVAModel.generate`.
  public static func measure(
    _ model: LLaVAModel, _ request: GenerationRequest, _ plans: [CompressionPlan], rounds: Int, seed: UInt64 = 0
  ) throws -> (full: PrefillTiming, plans: [PrefillTiming]) {
    let sides = try [nil] + plans.map(TimedPlan.init)
    var timings = sides.map { _ in [GenerationTimings]() }
    var choosing = sides.map { _ in [Double]() }
    var options = GenerationOptions()
    options.maximumNewTokens = 1
    options.stopsAtEnd = false
    options.seed = seed
    for round in 0...max(1, rounds) {
      for (index, side) in sides.enumerated() {
        options.compression = side?.plan
        let before = side?.seconds ?? 0
        let timing = try model.generate([request], options).timings
        if round == 0 { continue }
        timings[index].append(timing)
        choosing[index].append((side?.seconds ?? 0) - before)
      }
    }
    let found = sides.indices.map { index in
      let includesVision = sides[index]?.worksBeforeDecoder ?? false
      func seconds(_ index: Int) -> [Double] { timings[index].map { $0.prefill + (includesVision ? $0.vision : 0) } }
      let (own, whole) = (seconds(index), seconds(0))
      return PrefillTiming(
        seconds: median(own), fastest: own.min() ?? 0, speedup: median(zip(whole, own).map { $0 / $1 }),
        selectionShare: median(zip(choosing[index], own).map { $0 / $1 }), includesVision: includesVision)
    }
    return (found[0], Array(found.dropFirst()))
  }

  private struct TimedPlan {
    let plan: CompressionPlan
    let worksBeforeDecoder: Bool
    private let reducers: [TimedReducer]

    /// Seconds of all choices so far.
    var seconds: Double { reducers.reduce(0) { $0 + $1.seconds } }

    init(_ plan: CompressionPlan) throws {
      let timed = plan.stages.map { TimedReducer($0.reducer) }
      reducers = timed
      worksBeforeDecoder = plan.stages.contains { $0.site.decoderLayer == nil }
      self.plan = try CompressionPlan(
        stages: zip(plan.stages, timed).map { CompressionPlan.Stage($1, at: $0.site, $0.amount, name: $0.name) })
    }
  }
}
