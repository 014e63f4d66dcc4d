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
    var candidates = CandidateHeap()

    func push(_ position: Int) {
      guard position >= 0, next[position] < count,
        let merge = merges[Self.key(symbols[position], symbols[next[position]])]
      else { return }
      candidates.push(.init(rank: merge.rank, position: position, result: merge.result))
    }

    for position in 0..<count - 1 { push(position) }
    while let candidate = candidates.popSmallest() {
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

/// A binary heap of possible merges.
private struct CandidateHeap {
  struct Candidate {
    let rank: UInt32
    let position: Int
    let result: Int32

    func precedes(_ other: Candidate) -> Bool { (rank, position) < (other.rank, other.position) }
  }

  private var elements: [Candidate] = []

  mutating func push(_ candidate: Candidate) {
    elements.append(candidate)
    var child = elements.count - 1
    while child > 0, elements[child].precedes(elements[(child - 1) / 2]) {
      elements.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  mutating func popSmallest() -> Candidate? {
    guard let smallest = elements.first, let last = elements.popLast() else { return nil }
    if elements.isEmpty { return smallest }
    elements[0] = last
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2]
      where child < elements.count && elements[child].precedes(elements[least]) {
        least = child
      }
      if least == parent { return smallest }
      elements.swapAt(parent, least)
      parent = least
    }
  }
}
