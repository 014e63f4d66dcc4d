import Compression
import Synchronization
import Torch

/// A compressor whose choices are timed, on the way that they take in production: all images of a batch together.
///
/// Whatever a compressor looks at is computed when it asks for it, so the time holds that too. On a GPU the choice is waited for, which
/// costs the model the overlap that it has otherwise.
public final class TimedReducer: TokenReducer {
  private let base: any TokenReducer
  private let total = Mutex(0.0)

  /// Times the choices of `base`.
  public init(_ base: any TokenReducer) { self.base = base }

  /// Seconds of all choices so far.
  public var seconds: Double { total.withLock { $0 } }

  /// As `base`.
  public var sites: [Site.Kind] { base.sites }
  /// As `base`.
  public var needs: ReducerNeeds { base.needs }
  /// As `base`.
  public var readsPrompt: Bool { base.readsPrompt }
  /// As `base`.
  public var keepsPositions: Bool { base.keepsPositions }
  /// As `base`.
  public var weighsBySize: Bool { base.weighsBySize }
  /// As `base`.
  public var drawsAtRandom: Bool { base.drawsAtRandom }
  /// As `base`.
  public var keepsOrder: Bool { base.keepsOrder }

  /// As `base`.
  public var decidesBudgets: Bool { base.decidesBudgets }

  /// As `base` decides; timed with the choices.
  public func budget(_ choice: TokenChoice, later: [PlannedCount]) throws -> [Int: Int] {
    try timed(choice.tokens) { (try base.budget(choice, later: later), nil) }
  }

  /// As `base` counts.
  public func count(ratio: Double, of total: Int) -> Int { base.count(ratio: ratio, of: total) }

  /// What `base` leaves, timed.
  public func reduce(_ choice: TokenChoice) throws -> Reduction { try reduce([choice])[0] }

  /// What `base` leaves, timed.
  public func reduce(_ choices: [TokenChoice]) throws -> [Reduction] {
    guard let first = choices.first else { return [] }
    return try timed(first.tokens) {
      let found = try base.reduce(choices)
      return (found, found.last?.kept)
    }
  }

  /// Times work on tokens that are waited for, and what it leaves to be waited for.
  private func timed<Found>(_ tokens: VisualTokens, _ work: () throws -> (Found, Tensor?)) throws -> Found {
    func wait(for tensor: Tensor?) throws {
      guard let tensor, tensor.device != .cpu else { return }
      _ = try tensor.reshaped([-1]).narrow(0, from: 0, length: 1).to(.cpu)
    }
    try wait(for: tokens.rows.hidden)
    let start = ContinuousClock.now
    let (found, last) = try work()
    try wait(for: last)
    total.withLock { $0 += (ContinuousClock.now - start) / .seconds(1) }
    return found
  }
}
