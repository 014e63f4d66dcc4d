import Foundation

/// Text of an SVG image, element by element.
struct SVG {
  private(set) var text = ""

  /// Appends an element with attributes in their order, and those that its class stands for; a nil body closes it at once.
  mutating func add(_ name: String, _ attributes: [(String, String)], _ body: String? = nil) {
    let styled = attributes.first { $0.0 == "class" }.map { Style.attributes(of: $0.1) } ?? []
    let list = (attributes + styled.filter { own in !attributes.contains { $0.0 == own.name } }.map { ($0.name, $0.value) }).map {
      " \($0.0)=\"\(Self.escaped($0.1))\""
    }.joined()
    text += body.map { "<\(name)\(list)>\(Self.escaped($0))</\(name)>\n" } ?? "<\(name)\(list)/>\n"
  }

  /// Appends a piece of text at a place.
  mutating func write(
    _ content: String, x: Double, y: Double, size: Double, style: String, anchor: String = "start", bold: Bool = false
  ) {
    var attributes = [
      ("class", style), ("x", Self.number(x)), ("y", Self.number(y)), ("font-size", Self.number(size)), ("text-anchor", anchor),
    ]
    if bold { attributes.append(("font-weight", "600")) }
    add("text", attributes, content)
  }

  /// Appends a straight line.
  mutating func line(_ style: String, _ from: (Double, Double), _ to: (Double, Double), dashed: Bool = false) {
    var attributes = [
      ("class", style), ("x1", Self.number(from.0)), ("y1", Self.number(from.1)), ("x2", Self.number(to.0)),
      ("y2", Self.number(to.1)),
    ]
    if dashed { attributes.append(Self.dashes) }
    add("line", attributes)
  }

  static let dashes = ("stroke-dasharray", "6 4")

  /// A number of pixels, to a hundredth.
  static func number(_ value: Double) -> String {
    let text = String(format: "%.2f", value)
    guard let end = text.lastIndex(where: { $0 != "0" }) else { return text }
    let short = text[...end].hasSuffix(".") ? text[..<end] : text[...end]
    return short == "-0" ? "0" : String(short)
  }

  /// Text without what means something in XML, and without characters that XML does not allow.
  static func escaped(_ text: String) -> String {
    var out = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": out += "&amp;"
      case "<": out += "&lt;"
      case ">": out += "&gt;"
      case "\"": out += "&quot;"
      case "\t", "\n", "\r": out += " "
      default:
        let allowed = scalar.value >= 0x20 && scalar.value != 0xfffe && scalar.value != 0xffff
        if allowed { out.unicodeScalars.append(scalar) }
      }
    }
    return out
  }
}
