/// Watches growing text for strings that end generation, and holds back text that may be the start of one.
///
/// Text is cut where the first complete stop string begins. "First" is the one whose last byte comes first, and of
/// several ending there the longest, so that the result does not depend on how the text was divided into pieces.
public struct StopStrings: Sendable {
  /// Text that is safe to show, and whether a stop string has been seen.
  public struct Output: Sendable, Equatable {
    /// Text in front of any stop string.
    public let text: String
    /// True once a stop string is complete; all later text is dropped.
    public let stopped: Bool
  }

  private let stops: [[UInt8]]
  private let longest: Int
  private var held: [UInt8] = []

  /// Whether a stop string has been seen.
  public private(set) var hasStopped = false

  /// Watches for these strings; empty ones are ignored.
  public init(_ strings: [String]) {
    stops = strings.map { Array($0.utf8) }.filter { !$0.isEmpty }.sorted { $0.count > $1.count }
    longest = stops.first?.count ?? 0
  }

  /// Takes more text and returns what is safe to show.
  public mutating func append(_ piece: String) -> Output {
    guard !hasStopped else { return Output(text: "", stopped: true) }
    for byte in piece.utf8 {
      held.append(byte)
      if let stop = stops.first(where: { held.suffix($0.count) == $0[...] }) {
        let text = String(decoding: held.dropLast(stop.count), as: UTF8.self)
        held = []
        hasStopped = true
        return Output(text: text, stopped: true)
      }
    }
    let safe = held.count - possibleStart()
    defer { held.removeFirst(safe) }
    return Output(text: String(decoding: held.prefix(safe), as: UTF8.self), stopped: false)
  }

  /// The text held back in vain, once no more can come.
  public mutating func finish() -> String {
    defer { held = [] }
    return String(decoding: held, as: UTF8.self)
  }

  /// The length of the longest tail that begins some stop string.
  ///
  /// It starts with a stop string's first byte, hence
  /// never inside a character.
  private func possibleStart() -> Int {
    for length in stride(from: min(held.count, longest - 1), to: 0, by: -1)
    where stops.contains(where: { $0.count > length && held.suffix(length) == $0.prefix(length) }) {
      return length
    }
    return 0
  }
}
