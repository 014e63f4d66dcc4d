import Basics
import Testing

/// Random numbers that orders of data and drawn scenes follow from for good.
@Suite struct SplitMix64Tests {
  /// Published values for the seed 1234567.
  @Test func numbersAreThoseOfSplitMix64() {
    var numbers = SplitMix64(seed: 1_234_567)
    #expect(
      (0..<5).map { _ in numbers.next() } == [
        6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423, 4_593_380_528_125_082_431,
        16_408_922_859_458_223_821,
      ])
  }

  /// Worked out by a Python program from the definitions.
  @Test func streamsBoundsAndPermutationsStayWhatTheyAre() {
    var stream = SplitMix64(seed: 42, stream: 3)
    #expect(
      (0..<3).map { _ in stream.next() } == [18_108_588_618_708_013_459, 14_517_825_784_461_194_815, 11_612_919_730_005_144_944])
    var last = SplitMix64(seed: 7, stream: .max)
    #expect(last.permutation(10) == [0, 4, 1, 6, 9, 7, 5, 8, 3, 2])
    var bounded = SplitMix64(seed: 5)
    // Of a bound of 2⁶³ − 1 about every second number is drawn again.
    #expect(
      (0..<3).map { _ in bounded.next(below: .max) } == [
        3_567_305_580_077_179_308, 6_938_807_493_011_938_171, 2_146_363_211_429_306_531,
      ])
    #expect((0..<12).map { _ in bounded.next(below: 3) } == [0, 0, 1, 2, 1, 1, 1, 1, 0, 2, 1, 2])
  }

  @Test func nothingAndOneHaveOneOrder() {
    var numbers = SplitMix64(seed: 1)
    #expect(numbers.permutation(0) == [] && numbers.permutation(1) == [0])
  }
}
