/// Why processes cannot work together.
public enum CommunicatorError: Error, Sendable, Equatable, CustomStringConvertible {
  /// A variable of whoever started the process makes no sense.
  case variable(name: String, value: String, expected: String)
  /// The others did not come.
  case notJoined(rank: Int, count: Int, host: String, port: Int, reason: String)
  /// A rank is late or gone in the middle of the work.
  case lost(rank: Int, count: Int, reason: String)
  /// Ranks do not call the same functions in the same order.
  case mismatched(rank: Int, count: Int, reason: String)
  /// Another rank failed, and says why itself.
  case otherFailed(rank: Int)
  /// What ranks were given differs.
  case unequal(what: String, rank: Int)

  /// One sentence for people.
  public var description: String {
    switch self {
    case .variable(let name, let value, let expected): "the variable \(name) is \(value), expected \(expected)"
    case .notJoined(let rank, let count, let host, let port, let reason):
      "rank \(rank) of \(count): not all processes met at \(host):\(port) (\(reason)); start all of them, and let that port through"
    case .lost(let rank, let count, let reason):
      "rank \(rank) of \(count): another process is late or gone, or does something else (\(reason)); its own last line says why"
    case .mismatched(let rank, let count, let reason):
      "rank \(rank) of \(count): the processes do not do the same (\(reason)); start the same version everywhere"
    case .otherFailed(let rank): "rank \(rank) failed, and says why itself"
    case .unequal(let what, let rank): "rank \(rank) has another \(what) than rank 0; give all processes the same"
    }
  }
}
