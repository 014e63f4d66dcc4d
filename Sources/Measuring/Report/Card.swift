import Foundation

/// A question with pictures of it and what was said to each.
public struct Card: Sendable {
  /// What a line says of itself.
  public enum Mark: Sendable {
    /// What was expected.
    case right
    /// Something else.
    case wrong
  }

  /// A name and what belongs to it.
  public struct Line: Sendable {
    /// The name.
    public var label: String
    /// What belongs to it.
    public var text: String
    /// Shown by a sign and a colour; nil for neither.
    public var mark: Mark?

    /// A line.
    public init(label: String, text: String, mark: Mark? = nil) {
      self.label = label
      self.text = text
      self.mark = mark
    }
  }

  /// A picture with lines beneath it.
  public struct Tile: Sendable {
    /// What the picture is.
    public var title: String
    /// The file's bytes, which the page takes in.
    public var picture: Data
    /// Their type: image/png.
    public var mediaType: String
    /// The lines, from top to bottom.
    public var lines: [Line]

    /// A tile.
    public init(title: String, picture: Data, mediaType: String, lines: [Line]) {
      self.title = title
      self.picture = picture
      self.mediaType = mediaType
      self.lines = lines
    }
  }

  /// The question.
  public var title: String
  /// A line beneath it; empty for none.
  public var subtitle: String
  /// The pictures, from left to right.
  public var tiles: [Tile]

  /// A card.
  public init(title: String, subtitle: String, tiles: [Tile]) {
    self.title = title
    self.subtitle = subtitle
    self.tiles = tiles
  }

  /// The card as a part of a page.
  var html: String {
    let parts = tiles.map { tile in
      let address = "data:\(tile.mediaType);base64,\(tile.picture.base64EncodedString())"
      return "<figure><img src=\"\(SVG.escaped(address))\" alt=\"\(SVG.escaped(tile.title))\"/>"
        + "<figcaption><b>\(SVG.escaped(tile.title))</b></figcaption>"
        + "<dl>\(tile.lines.map(\.html).joined())</dl></figure>"
    }
    return "<article class=\"card\"><h3>\(SVG.escaped(title))</h3>"
      + (subtitle.isEmpty ? "" : "<p>\(SVG.escaped(subtitle))</p>")
      + "<div class=\"tiles\">\(parts.joined(separator: "\n"))</div></article>"
  }

  /// Rules for cards: four pictures beside each other, or two where there is little room.
  static let sheet = """
    .cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,560px),1fr));gap:16px}\
    .card{border:1px solid var(--line);border-radius:8px;padding:14px 16px 12px;min-width:0}\
    .card h3{font-size:15.5px;line-height:1.35;margin:0}.card p{margin:2px 0 12px;color:var(--quiet);font-size:13.5px}\
    .tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(112px,1fr));gap:12px}\
    .card figure{margin:0;min-width:0}.card img{display:block;width:100%;border-radius:4px;image-rendering:pixelated}\
    figcaption{font-size:12.5px;margin-top:6px;line-height:1.3}figcaption b{font-weight:600}\
    dl{display:grid;grid-template-columns:auto 1fr;column-gap:8px;margin:3px 0 0;font-size:13px;line-height:1.45}\
    dt{color:var(--quiet)}dd{margin:0;overflow-wrap:anywhere}\
    .right{color:var(--right)}.wrong{color:var(--wrong)}.right,.wrong{font-weight:600}\
    @media(max-width:480px){.tiles{grid-template-columns:1fr 1fr}}
    """
}

extension Card.Line {
  fileprivate var html: String {
    let body = SVG.escaped(text.isEmpty ? "(nothing)" : text)
    return switch mark {
    case nil: "<dt>\(SVG.escaped(label))</dt><dd>\(body)</dd>"
    case .right: "<dt>\(SVG.escaped(label))</dt><dd class=\"right\" title=\"right\">✓ \(body)</dd>"
    case .wrong: "<dt>\(SVG.escaped(label))</dt><dd class=\"wrong\" title=\"wrong\">✗ \(body)</dd>"
    }
  }
}
