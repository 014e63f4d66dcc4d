extension Engine {
  /// Seconds to the first token of a request that comes now.
  public struct Forecast: Sendable, Equatable {
    /// With all that is there already.
    public var seconds: Double
    /// On an engine with nothing else to do.
    public var alone: Double
  }

  /// How soon a request that comes now has its first token.
  ///
  /// All prompts that are there already are read first. While answers are being written, each piece of `EngineOptions.stall` is followed by a
  /// step that writes a token of all. A request for which there is no turn waits for as many answers to end as it is behind.
  public func forecast(_ work: Backlog.Work) -> Forecast {
    let (times, ahead, load) = (state.times, backlog.total, admission.load)
    func reading(_ work: Backlog.Work) -> Double {
      work.rows * (times.secondsPerRow ?? 0) + Double(work.pictures) * (times.secondsPerPicture ?? 0)
    }
    let alone = reading(work)
    let all = alone + reading(ahead.work)
    let writers = min(options.maximumSequences, load.running)
    let pieces = (all / max(1e-3, options.stall / .seconds(1))).rounded(.up)
    let behind = max(0, load.running + load.waiting + 1 - options.maximumSequences)
    return Forecast(
      seconds: all + pieces * times.writing(writers) + Double(behind) * (times.secondsPerAnswer ?? 0), alone: alone)
  }
}
