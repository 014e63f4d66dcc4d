/// Random numbers that follow from a seed on every machine and with every version of the standard library.
///
/// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014), and a shuffle of our own: Swift may
/// change the one of its library, and then no run could be resumed across versions.
public struct SplitMix64: RandomNumberGenerator, Sendable {
  private var state: UInt64

  /// Numbers that follow from `seed` alone.
  public init(seed: UInt64) { state = seed }

  /// One of many sequences of a seed: every pair has one of its own.
  public init(seed: UInt64, stream: UInt64) {
    state = seed
    state = next() ^ stream &* 0xd134_2543_de82_ef95
  }

  /// The next 64 bits.
  public mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// A number in 0..<bound, each as likely (Lemire: Fast Random Integer Generation in an Interval, 2019).
  ///
  /// - Parameter bound: at least 1.
  public mutating func next(below bound: Int) -> Int {
    let bound = UInt64(bound)
    var product = next().multipliedFullWidth(by: bound)
    if product.low < bound {
      let threshold = (0 &- bound) % bound
      while product.low < threshold { product = next().multipliedFullWidth(by: bound) }
    }
    return Int(product.high)
  }

  /// The numbers 0..<count in random order (Fisher and Yates).
  public mutating func permutation(_ count: Int) -> [Int] {
    var result = Array(0..<count)
    for last in stride(from: count - 1, to: 0, by: -1) { result.swapAt(last, next(below: last + 1)) }
    return result
  }
}
