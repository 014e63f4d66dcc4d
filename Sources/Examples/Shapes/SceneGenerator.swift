import Basics

/// What scenes and questions are drawn by: random numbers that follow from a seed on every machine.
public struct SceneGenerator: RandomNumberGenerator, Sendable {
  private var numbers: SplitMix64

  /// Numbers that follow from `seed` alone.
  public init(seed: UInt64) { numbers = SplitMix64(seed: seed) }

  /// One of many independent sequences of a seed.
  public init(seed: UInt64, stream: UInt64) {
    var start = SplitMix64(seed: seed, stream: stream)
    numbers = SplitMix64(seed: start.next())
  }

  /// The next 64 bits.
  public mutating func next() -> UInt64 { numbers.next() }

  /// A number of 0..<count, by the upper half of a product; `count` is small, so that no number is noticeably likelier.
  mutating func below(_ count: Int) -> Int { Int(((next() >> 32) * UInt64(count)) >> 32) }

  /// A number of a range, ends included.
  mutating func within(_ range: ClosedRange<Int>) -> Int { range.lowerBound + below(range.count) }

  /// True in `percent` of a hundred cases.
  mutating func chance(_ percent: Int) -> Bool { below(100) < percent }

  /// One of the elements; nil of none.
  mutating func pick<C: RandomAccessCollection>(_ elements: C) -> C.Element? where C.Index == Int {
    elements.isEmpty ? nil : elements[elements.startIndex + below(elements.count)]
  }

  /// The elements in random order.
  mutating func shuffled<Element>(_ elements: [Element]) -> [Element] {
    var elements = elements
    for index in elements.indices.dropFirst().reversed() { elements.swapAt(index, below(index + 1)) }
    return elements
  }
}
