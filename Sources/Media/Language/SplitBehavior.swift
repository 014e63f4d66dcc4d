/// What becomes of the matches at which a text is divided; the names are those of tokenizer.json.
enum SplitBehavior: String, Sendable, CaseIterable {
  /// They are dropped.
  case removed = "Removed"
  /// Each is a word of its own.
  case isolated = "Isolated"
  /// A match, or the first of several in a row, ends the word in front of it.
  case mergedWithPrevious = "MergedWithPrevious"
  /// A match, or the last of several in a row, begins the word behind it.
  case mergedWithNext = "MergedWithNext"
  /// Matches in a row are one word.
  case contiguous = "Contiguous"

  /// The words that pieces make, none of them empty.
  func words(_ pieces: [TextPattern.Piece]) -> [Range<Int>] {
    let words: [Range<Int>] =
      switch self {
      case .removed: pieces.lazy.filter { !$0.isMatch }.map(\.range)
      case .isolated: pieces.map(\.range)
      case .contiguous: Self.joined(pieces) { $0 == $1 }
      case .mergedWithPrevious: Self.joined(pieces) { !$0 && $1 }
      case .mergedWithNext: Self.joined(pieces.reversed()) { !$0 && $1 }.reversed()
      }
    return words.filter { !$0.isEmpty }
  }

  /// Joins each piece with the one before it where `joins`, told which of the two are matches, says so.
  private static func joined(_ pieces: [TextPattern.Piece], where joins: (Bool, Bool) -> Bool) -> [Range<Int>] {
    var words: [Range<Int>] = []
    // Nothing counts as no match, as in the original.
    var previous = false
    for piece in pieces {
      if joins(previous, piece.isMatch), let last = words.popLast() {
        let (low, high) = (min(last.lowerBound, piece.range.lowerBound), max(last.upperBound, piece.range.upperBound))
        words.append(low..<high)
      } else {
        words.append(piece.range)
      }
      previous = piece.isMatch
    }
    return words
  }
}
