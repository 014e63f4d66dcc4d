/// What is wrong with a request to compress.
public enum CompressionError: Error, Equatable, CustomStringConvertible {
  /// No strategy has this name.
  case unknownStrategy(String, known: [String])
  /// A cut before the first layer's output, after the last one's, or not after the cut before it.
  case layer(Int, allowed: ClosedRange<Int>)
  /// Cuts that do not follow one another from shallow to deep.
  case layerOrder(first: Int, second: Int)
  /// A ratio that is no share.
  case ratio(Double)
  /// More tokens are to be kept than there are, or fewer than none.
  case keep(Int, available: Int)
  /// A later cut keeps more than the cut before it left.
  case keepGrows(first: Int, second: Int)
  /// A strategy that pools before the decoder cannot cut in it again.
  case secondCutOfPool
  /// A number that a strategy cannot work with.
  case option(name: String, value: Int, expected: String)
  /// The rows that a strategy looks at hold NaN or infinite numbers.
  case notFinite
  /// No grid of patches has this number.
  case noGrid(Int, usable: [Int])
  /// A strategy did not do what it promised.
  case badSelection(strategy: String, reason: String)

  /// One sentence for people.
  public var description: String {
    switch self {
    case .unknownStrategy(let name, let known): "there is no strategy \(name); known are \(known.joined(separator: ", "))"
    case .layer(let layer, let allowed):
      "layer is \(layer), expected \(allowed.lowerBound)...\(allowed.upperBound): visual tokens are dropped after that many decoder layers"
    case .layerOrder(let first, let second):
      "the second cut is at layer \(second), expected a layer after the first cut's \(first)"
    case .ratio(let ratio): "ratio is \(ratio), expected 0...1: the share of visual tokens that is dropped"
    case .keep(let keep, let available): "keep is \(keep), expected 0...\(available): an image has \(available) visual tokens"
    case .keepGrows(let first, let second):
      "the second cut keeps \(second) visual tokens, expected at most the \(first) that the first one leaves"
    case .secondCutOfPool:
      "a strategy that works before the decoder (pool, downsample) has no second cut; leave it out or choose another strategy"
    case .option(let name, let value, let expected): "\(name) is \(value), expected \(expected)"
    case .notFinite:
      "the decoder's rows at the cut are not finite; use --dtype f32 or check the checkpoint with `epic inspect --verify`"
    case .noGrid(let keep, let usable):
      "keep is \(keep), expected a product of two numbers of which neither is more than twice the other, such as \(usable.map(String.init).joined(separator: " or "))"
    case .badSelection(let strategy, let reason): "strategy \(strategy) \(reason)"
    }
  }
}
