/// Random numbers for orders of samples and for ratios.
///
/// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014), and a shuffle of our own: Swift may
/// change the one of its library, and then no run could be resumed across versions.
struct ShuffleGenerator: RandomNumberGenerator {
  private var state: UInt64

  /// Every pair of seed and epoch has a sequence of its own.
  init(seed: UInt64, epoch: Int) {
    state = seed
    let start = next()
    state = start ^ UInt64(truncatingIfNeeded: epoch) &* 0xd134_2543_de82_ef95
  }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// A number in 0..<bound, each as likely (Lemire: Fast Random Integer Generation in an Interval, 2019).
  mutating func next(below bound: Int) -> Int {
    let bound = UInt64(bound)
    var product = next().multipliedFullWidth(by: bound)
    if product.low < bound {
      let threshold = (0 &- bound) % bound
      while product.low < threshold { product = next().multipliedFullWidth(by: bound) }
    }
    return Int(product.high)
  }

  /// The numbers 0..<count in random order (Fisher and Yates).
  mutating func permutation(_ count: Int) -> [Int] {
    var result = Array(0..<count)
    for last in stride(from: count - 1, to: 0, by: -1) { result.swapAt(last, next(below: last + 1)) }
    return result
  }
}
