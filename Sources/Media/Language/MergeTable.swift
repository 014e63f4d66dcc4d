import HeapModule

/// Byte-pair merges: which two neighbouring tokens become which one, and which merge comes first.
struct MergeTable: Sendable {
  private struct Merge: Sendable {
    let rank: UInt32
    let result: Int32
  }

  private var merges: [UInt64: Merge] = [:]

  init(capacity: Int) { merges.reserveCapacity(capacity) }

  private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  /// Adds a merge; of two for one pair, the later one holds.
  mutating func add(_ left: Int32, _ right: Int32, result: Int32, rank: UInt32) {
    merges[Self.key(left, right)] = Merge(rank: rank, result: result)
  }

  /// Merges neighbours, lowest rank first and leftmost among equals, until nothing merges.
  ///
  /// Symbols form a linked list and candidates a heap, so a word of n symbols takes O(n log n).
  func apply(to symbols: [Int32]) -> [Int32] {
    guard symbols.count > 1 else { return symbols }
    let count = symbols.count
    // A merge keeps the left slot and marks the right one as gone.
    let gone: Int32 = -1
    var symbols = symbols
    var next = Array(1...count)
    var previous = Array(-1..<count - 1)
    var candidates = Heap<Candidate>()

    func push(_ position: Int) {
      guard position >= 0, next[position] < count,
        let merge = merges[Self.key(symbols[position], symbols[next[position]])]
      else { return }
      candidates.insert(Candidate(rank: merge.rank, position: position, result: merge.result))
    }

    for position in 0..<count - 1 { push(position) }
    while let candidate = candidates.popMin() {
      let position = candidate.position
      guard symbols[position] != gone, next[position] < count else { continue }
      let right = next[position]
      // Either symbol may have been merged with another since the candidate was noted.
      guard merges[Self.key(symbols[position], symbols[right])]?.result == candidate.result else { continue }
      symbols[position] = candidate.result
      symbols[right] = gone
      next[position] = next[right]
      if next[right] < count { previous[next[right]] = position }
      push(previous[position])
      push(position)
    }
    return symbols.filter { $0 != gone }
  }
}

/// A possible merge; the one to do first is the smallest.
private struct Candidate: Comparable {
  let rank: UInt32
  let position: Int
  let result: Int32

  static func < (a: Candidate, b: Candidate) -> Bool { (a.rank, a.position) < (b.rank, b.position) }
  static func == (a: Candidate, b: Candidate) -> Bool { (a.rank, a.position) == (b.rank, b.position) }
}
