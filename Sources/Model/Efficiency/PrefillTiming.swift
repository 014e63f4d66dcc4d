import Basics
import Compression
import LLaVA

/// What the decoder's first pass over a prompt really takes on this machine.
public struct PrefillTiming: Sendable, Hashable {
  /// Seconds, the median of all rounds; tower and projector are not part of it.
  public let seconds: Double
  /// Seconds of the fastest round.
  public let fastest: Double
  /// How many times as fast as without compression, the median of all rounds; machines are noisy, and what stands side by side in
  /// one round is comparable.
  public let speedup: Double
  /// The part of the seconds that went into choosing tokens.
  public let selectionShare: Double

  /// Times plans against no compression, all in turns.
  ///
  /// - Parameters:
  ///   - plans: what to time.
  ///   - rounds: how often each takes its turn, after one round that is not counted.
  /// - Returns: the time without compression, and that of each plan.
  /// - Throws: as `LLaVAModel.generate`.
  public static func measure(
    _ model: LLaVAModel, _ request: GenerationRequest, _ plans: [CompressionPlan], rounds: Int, seed: UInt64 = 0
  ) throws -> (full: PrefillTiming, plans: [PrefillTiming]) {
    let sides = try [nil] + plans.map(TimedPlan.init)
    var seconds = sides.map { _ in [Double]() }
    var choosing = seconds
    var options = GenerationOptions()
    options.maximumNewTokens = 1
    options.stopsAtEnd = false
    options.seed = seed
    for round in 0...max(1, rounds) {
      for (index, side) in sides.enumerated() {
        options.compression = side?.plan
        let before = side?.seconds ?? 0
        let prefill = try model.generate([request], options).timings.prefill
        if round == 0 { continue }
        seconds[index].append(prefill)
        choosing[index].append((side?.seconds ?? 0) - before)
      }
    }
    let found = sides.indices.map { index in
      PrefillTiming(
        seconds: median(seconds[index]), fastest: seconds[index].min() ?? 0,
        speedup: median(zip(seconds[0], seconds[index]).map { $0 / $1 }),
        selectionShare: median(zip(choosing[index], seconds[index]).map { $0 / $1 }))
    }
    return (found[0], Array(found.dropFirst()))
  }

  private struct TimedPlan {
    let plan: CompressionPlan
    private let reducers: [TimedReducer]

    /// Seconds of all choices so far.
    var seconds: Double { reducers.reduce(0) { $0 + $1.seconds } }

    init(_ plan: CompressionPlan) throws {
      var timed: [TimedReducer] = []
      // What is done before the decoder is not part of the time that the choice is a share of.
      let stages = plan.stages.map { stage in
        guard stage.site.decoderLayer != nil else { return stage }
        timed.append(TimedReducer(stage.reducer))
        return CompressionPlan.Stage(timed[timed.count - 1], at: stage.site, stage.amount, name: stage.name)
      }
      reducers = timed
      self.plan = try CompressionPlan(stages: stages)
    }
  }
}
