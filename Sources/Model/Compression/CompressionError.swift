/// What is wrong with a request to compress.
public enum CompressionError: Error, Equatable, CustomStringConvertible {
  /// No compressor has this name.
  case unknownCompressor(String, known: [String])
  /// A cut before the first layer's output, after the last one's, or not after the cut before it.
  case layer(Int, allowed: ClosedRange<Int>)
  /// A layer that the tower has not.
  case towerLayer(Int, allowed: ClosedRange<Int>)
  /// Stages that do not follow one another as a picture passes them.
  case siteOrder(first: Site, second: Site)
  /// A compressor at a site where it does not work.
  case site(Site, compressor: String, allowed: [Site.Kind])
  /// A stage that is not spelled as stages are.
  case spelling(String, reason: String)
  /// A ratio that is no share.
  case ratio(Double)
  /// A share of more than everything, or of less than nothing.
  case share(Double)
  /// More tokens are to be kept than there are, or fewer than none.
  case keep(Int, available: Int)
  /// A later cut keeps more than the cut before it left.
  case keepGrows(first: Int, second: Int)
  /// A compressor that works before the decoder cannot cut in it again.
  case secondCutBeforeDecoder
  /// A rule decides how many tokens are left, and the plan cuts again.
  case ruleBesideCuts
  /// A number that a compressor cannot work with.
  case option(name: String, value: Int, expected: String)
  /// A name that no option of a compressor has.
  case unknownOption(String, compressor: String, known: [String])
  /// A value that an option cannot have.
  case badOption(String, value: String, expected: String)
  /// Something that a compressor looks at and that is not there.
  case unavailable(String, hint: String)
  /// A compressor that knows one grid is to choose among tokens of several.
  case layout(grids: Int, rowEnds: Int)
  /// The rows that a compressor looks at hold NaN or infinite numbers.
  case notFinite
  /// No grid of patches has this number.
  case noGrid(Int, usable: [Int])
  /// A compressor did not do what it promised.
  case badSelection(compressor: String, reason: String)

  /// One sentence for people.
  public var description: String {
    switch self {
    case .unknownCompressor(let name, let known): "there is no compressor \(name); known are \(known.joined(separator: ", "))"
    case .layer(let layer, let allowed):
      "layer is \(layer), expected \(allowed.lowerBound)...\(allowed.upperBound): visual tokens are dropped after that many decoder layers"
    case .towerLayer(let layer, let allowed):
      "tower layer is \(layer), expected \(allowed.lowerBound)...\(allowed.upperBound): tokens become fewer after that many tower layers"
    case .siteOrder(let first, let second):
      if let first = first.decoderLayer, let second = second.decoderLayer {
        "the second cut is at layer \(second), expected a layer after the first cut's \(first)"
      } else {
        "\(second) comes after \(first) in the plan, and before it on a picture's way; put stages in the order picture, tower, features, decoder layers"
      }
    case .site(let site, let compressor, let allowed):
      "compressor \(compressor) does not work at \(site.kind.rawValue), expected \(allowed.map(\.rawValue).joined(separator: " or "))"
    case .spelling(let stage, let reason): "stage \"\(stage)\": \(reason)"
    case .share(let share): "keep is \(share * 100) %, expected 0 % to 100 % of an image's visual tokens"
    case .ratio(let ratio): "ratio is \(ratio), expected 0...1: the share of visual tokens that is dropped"
    case .keep(let keep, let available): "keep is \(keep), expected 0...\(available): an image has \(available) visual tokens"
    case .keepGrows(let first, let second):
      "the second cut keeps \(second) visual tokens, expected at most the \(first) that the first one leaves"
    case .secondCutBeforeDecoder:
      "a compressor that works before the decoder (pool, downsample) has no second cut; leave it out or choose another compressor"
    case .ruleBesideCuts: "a rule that decides how many tokens are left stands alone in the decoder; leave the other cuts out"
    case .option(let name, let value, let expected): "\(name) is \(value), expected \(expected)"
    case .unknownOption(let name, let compressor, let known):
      known.isEmpty
        ? "compressor \(compressor) has no options, found \(name)"
        : "compressor \(compressor) has no option \(name); known are \(known.joined(separator: ", "))"
    case .badOption(let name, let value, let expected): "\(name) is \(value), expected \(expected)"
    case .unavailable(let what, let hint): "a compressor asks for \(what), which is not there; \(hint)"
    case .layout(let grids, let ends):
      "the compressor chooses on one grid of patches, found \(grids) with \(ends) ends of rows; choose another compressor"
    case .notFinite:
      "the decoder's rows at the cut are not finite; use --dtype f32 or check the checkpoint with `epic inspect --verify`"
    case .noGrid(let keep, let usable):
      "keep is \(keep), expected a product of two numbers of which neither is more than twice the other, such as \(usable.map(String.init).joined(separator: " or "))"
    case .badSelection(let compressor, let reason): "compressor \(compressor) \(reason)"
    }
  }
}
