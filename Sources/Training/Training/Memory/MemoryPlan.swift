/// Which settings of a run fit into a memory, and which of them to take.
public struct MemoryPlan: Sendable {
  /// A way to divide and to compute.
  public struct Choice: Sendable {
    /// What is divided.
    public let sharding: MemorySetting.Sharding
    /// Whether activations are computed again.
    public let recomputes: Bool
    /// Samples of a micro-batch: the most that fit, one where not even that does, or those that were asked for.
    public let samples: Int
    /// What they take on the process that takes most.
    public let estimate: MemoryEstimate
    /// Bytes that are left; below 0 those that are missing.
    public let free: Int

    /// Whether it fits.
    public var fits: Bool { free >= 0 }
  }

  /// From the one that computes and sends least to the one that needs least memory.
  public let choices: [Choice]
  /// The one to take; nil where none fits.
  public let recommended: Choice?

  /// Micro-batches of fewer rows leave a GPU idle part of its time, about.
  static let enoughRows = 2048

  /// Tries all ways.
  ///
  /// Of those that fit, the first whose micro-batch has enough rows is recommended, with the largest power of two that fits of samples; else the
  /// one with most rows.
  ///
  /// - Parameters:
  ///   - setting: of the run; sharding, recomputation, micro-batch and accumulation are what is looked for. Steps are taken to have several
  ///     micro-batches, whose gradients wait.
  ///   - memory: bytes of each process.
  ///   - samples: of a micro-batch; the most that fit unless given.
  ///   - most: samples that a micro-batch has at most.
  /// - Throws: `CompressionError`, and what a curriculum's constants throw.
  public init(_ setting: MemorySetting, memory: Int, samples: Int? = nil, most: Int) throws {
    func choice(_ sharding: MemorySetting.Sharding, _ recomputes: Bool, _ samples: Int) throws -> Choice {
      var setting = setting
      (setting.sharding, setting.recomputes, setting.accumulation) = (sharding, recomputes, 2)
      setting.batch.samples = samples
      let estimate = try MemoryEstimate(setting)
      return Choice(
        sharding: sharding, recomputes: recomputes, samples: samples, estimate: estimate, free: memory - estimate.total)
    }
    func largest(_ sharding: MemorySetting.Sharding, _ recomputes: Bool) throws -> Choice {
      if let samples { return try choice(sharding, recomputes, samples) }
      var best = try choice(sharding, recomputes, 1)
      var (low, high) = (1, max(1, most) + 1)
      // The largest that fits lies in low..<high.
      while best.fits, high - low > 1 {
        let middle = (low + high) / 2
        let found = try choice(sharding, recomputes, middle)
        if found.fits { (low, best) = (middle, found) } else { high = middle }
      }
      return best
    }
    let shardings: [MemorySetting.Sharding] = setting.processes > 1 ? [.none, .optimizer] : [.none]
    var all: [Choice] = []
    for recomputes in [false, true] { for sharding in shardings { all.append(try largest(sharding, recomputes)) } }
    // Gathered weights are let go behind each unit, so activations that would keep them are computed again.
    if setting.processes > 1 { all.append(try largest(.full, true)) }
    choices = all

    let row = setting.batch.text + setting.visual
    let fitting = all.filter(\.fits)
    let enough = fitting.first { $0.samples * row >= Self.enoughRows }
    let most = fitting.reduce(nil as Choice?) { best, next in next.samples > best?.samples ?? 0 ? next : best }
    recommended = try (enough ?? most).map { found in
      if samples != nil { return found }
      var power = 1
      while 2 * power <= found.samples { power *= 2 }
      return try choice(found.sharding, found.recomputes, power)
    }
  }
}
