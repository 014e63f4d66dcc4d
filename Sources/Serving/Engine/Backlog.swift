import Synchronization

/// What has to be computed before requests that were let in have their first tokens, and how well that is known.
///
/// A request is entered as soon as its budgets are decided on, so that those that come after it reckon with it although the engine has not
/// met it yet. The engine corrects what is left of it, and it is out with its first token.
public final class Backlog: Sendable {
  /// Work that is left.
  public struct Work: Sendable, Equatable {
    /// Rows of the prompt that are still to be read, in rows that all decoder layers see.
    public var rows: Double
    /// Pictures that are still to be encoded.
    public var pictures: Int

    /// Some work.
    public init(rows: Double, pictures: Int) { (self.rows, self.pictures) = (rows, pictures) }
  }

  /// A request without a first token; it is out when this is closed or gone.
  public final class Entry: Sendable {
    private let backlog: Backlog
    private let number: Int

    fileprivate init(_ backlog: Backlog, _ number: Int) { (self.backlog, self.number) = (backlog, number) }

    deinit { backlog.state.withLock { _ = $0.works.removeValue(forKey: number) } }

    /// Corrects what is left.
    func update(_ work: Work) { backlog.state.withLock { if $0.works[number] != nil { $0.works[number]?.left = work } } }

    /// Its first token has come.
    func close() { backlog.close(number) }
  }

  private struct Promise {
    var left: Work
    let expected: Double
    let isTelling: Bool
    let entered = ContinuousClock.now
  }

  private struct State {
    var works: [Int: Promise] = [:]
    var nextNumber = 0
    var lateness = Backlog.firstLateness
  }

  private let state = Mutex(State())
  // A burst on a server that has not been busy yet was expected too soon by about this.
  private static let firstLateness = 1.75
  private static let leastLateness = 1.2
  private static let mostLateness = 4.0

  /// Nobody is waiting.
  public init() {}

  /// Enters a request.
  ///
  /// - Parameters:
  ///   - expected: seconds to its first token, as they were expected without `lateness`.
  ///   - isTelling: whether the expectation is long enough to learn from its error.
  public func enter(_ work: Work, expected: Double, isTelling: Bool) -> Entry {
    let number = state.withLock { state in
      state.nextNumber += 1
      state.works[state.nextNumber] = Promise(left: work, expected: expected, isTelling: isTelling)
      return state.nextNumber
    }
    return Entry(self, number)
  }

  /// All the work, and the requests that it is for.
  public var total: (work: Work, requests: Int) {
    state.withLock { state in
      let work = state.works.values.reduce(into: Work(rows: 0, pictures: 0)) { sum, promise in
        sum.rows += promise.left.rows
        sum.pictures += promise.left.pictures
      }
      return (work, state.works.count)
    }
  }

  /// How many times as late as expected the latest of the recent first tokens came: the largest ratio, which fades from answer to answer.
  public var lateness: Double { state.withLock { $0.lateness } }

  private func close(_ number: Int) {
    state.withLock { state in
      guard let promise = state.works.removeValue(forKey: number), promise.isTelling, promise.expected > 0 else { return }
      let ratio = ((ContinuousClock.now - promise.entered) / .seconds(1)) / promise.expected
      state.lateness = min(Self.mostLateness, max(Self.leastLateness, ratio, 0.99 * state.lateness))
    }
  }
}
