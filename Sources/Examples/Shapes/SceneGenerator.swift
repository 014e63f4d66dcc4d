/// Random numbers that are the same on every machine and with every version of the standard library: SplitMix64.
public struct SceneGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64

  /// Numbers that follow from `seed` alone.
  public init(seed: UInt64) { state = seed }

  /// One of many independent sequences of a seed.
  public init(seed: UInt64, stream: UInt64) {
    var mixer = SceneGenerator(seed: seed)
    let start = mixer.next()
    var second = SceneGenerator(seed: start ^ (stream &* 0xd134_2543_de82_ef95))
    state = second.next()
  }

  /// The next 64 bits.
  public mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

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
