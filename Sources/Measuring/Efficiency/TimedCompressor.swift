import Compression
import Synchronization
import Torch

/// A strategy whose choices are timed.
///
/// Whatever a strategy looks at is computed when it asks for it, so the time holds that too. On a GPU the choice is waited for, which
/// costs the model the overlap that it has otherwise.
public final class TimedCompressor: TokenCompressor {
  private let base: any TokenCompressor
  private let total = Mutex(0.0)

  /// Times the choices of `base`.
  public init(_ base: any TokenCompressor) { self.base = base }

  /// Seconds of all choices so far.
  public var seconds: Double { total.withLock { $0 } }

  /// As `base` counts.
  public func count(ratio: Double, of total: Int) -> Int { base.count(ratio: ratio, of: total) }

  /// What `base` keeps, timed.
  public func keep(_ count: Int, of tokens: VisualTokens, generator: Generator) throws -> Tensor {
    func wait(for tensor: Tensor) throws {
      if tensor.device != .cpu { _ = try tensor.reshaped([-1]).narrow(0, from: 0, length: 1).to(.cpu) }
    }
    try wait(for: tokens.sample.hidden)
    let start = ContinuousClock.now
    let found = try base.keep(count, of: tokens, generator: generator)
    try wait(for: found)
    total.withLock { $0 += (ContinuousClock.now - start) / .seconds(1) }
    return found
  }
}
