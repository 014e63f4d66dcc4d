/// How some weights lie end to end in one row of elements, and which of these each of several processes holds.
///
/// Each weight begins at a multiple of 64 elements, and so does each process's part; parts are equally long, and the end is filled up. At
/// multiples of 64 a row can be cut without changing a bit of what the optimizer computes, whose vectors are shorter.
struct FlatLayout: Sendable, Equatable {
  /// Some elements of a weight, within a process's part.
  struct Piece: Sendable, Equatable {
    /// The weight, by number.
    let weight: Int
    /// Its elements, in row-major order.
    let range: Range<Int>
    /// Where they begin in the part.
    let place: Int
  }

  /// What weights, parts and pieces begin at multiples of.
  static let alignment = GradientNorm.block

  /// Where each weight begins, and how many elements it has.
  let starts: [Int], counts: [Int]
  /// Elements of a process's part.
  let length: Int

  /// Weights of so many elements each, for so many processes.
  init(_ counts: [Int], processes: Int) {
    func blocks(_ count: Int) -> Int { (count + Self.alignment - 1) / Self.alignment }
    var end = 0
    starts = counts.map { count in
      defer { end += blocks(count) }
      return end * Self.alignment
    }
    self.counts = counts
    length = (end + processes - 1) / processes * Self.alignment
  }

  /// What a process's part holds, ascending.
  func pieces(of rank: Int) -> [Piece] {
    let part = rank * length..<(rank + 1) * length
    return counts.indices.compactMap { weight in
      let found = (starts[weight]..<starts[weight] + counts[weight]).clamped(to: part)
      if found.isEmpty { return nil }
      return Piece(
        weight: weight, range: found.lowerBound - starts[weight]..<found.upperBound - starts[weight],
        place: found.lowerBound - part.lowerBound)
    }
  }
}
