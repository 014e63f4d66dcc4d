/// A place on a picture's way into the decoder where its tokens can become fewer.
///
/// Sites are ordered as a picture passes them: `picture < tower < features < decoder`.
public enum Site: Sendable, Hashable {
  /// The picture itself, before the tower sees it.
  case picture
  /// The tower, after this many of its layers; nil for after the last one that is computed, before the projector.
  case tower(layer: Int?)
  /// The projector's output, before the decoder.
  case features
  /// The decoder, after this many of its layers.
  ///
  /// Tokens are dropped from the input of the layer with this index; the number of layers is after all of them, where nothing depends
  /// on it any more.
  case decoder(layer: Int)

  /// A site without the number of its layer.
  public enum Kind: String, Sendable, CaseIterable {
    /// Before the tower.
    case picture
    /// Between two layers of the tower, or after its last one.
    case tower
    /// Between projector and decoder.
    case features
    /// Between two layers of the decoder.
    case decoder
  }

  /// Which of the four it is.
  public var kind: Kind {
    switch self {
    case .picture: .picture
    case .tower: .tower
    case .features: .features
    case .decoder: .decoder
    }
  }

  /// True between two layers of the tower, false at its end.
  package var isInTower: Bool { if case .tower(.some) = self { true } else { false } }

  /// Decoder layers before the site; nil for sites before the decoder.
  public var decoderLayer: Int? { if case .decoder(let layer) = self { layer } else { nil } }
}

extension Site: Comparable {
  /// True where a picture passes `a` before `b`.
  public static func < (a: Site, b: Site) -> Bool { a.place < b.place }

  private var place: (Int, Int) {
    switch self {
    case .picture: (0, 0)
    case .tower(let layer): (1, layer ?? .max)
    case .features: (2, 0)
    case .decoder(let layer): (3, layer)
    }
  }
}

extension Site: CustomStringConvertible {
  /// As plans spell it: `picture`, `tower`, `tower.12`, `features`, or the number of decoder layers before it.
  public var description: String {
    switch self {
    case .picture: "picture"
    case .tower(nil): "tower"
    case .tower(let layer?): "tower.\(layer)"
    case .features: "features"
    case .decoder(let layer): "\(layer)"
    }
  }

  /// The site of a spelling; nil where it is none.
  public init?(_ text: some StringProtocol) {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    switch (parts.first, parts.count) {
    case ("picture", 1): self = .picture
    case ("tower", 1): self = .tower(layer: nil)
    case ("tower", 2):
      guard let layer = Int(parts[1]), layer >= 0 else { return nil }
      self = .tower(layer: layer)
    case ("features", 1): self = .features
    default:
      guard parts.count == 1, let layer = Int(text), layer >= 0 else { return nil }
      self = .decoder(layer: layer)
    }
  }
}
