/// Colours and letters of figures.
enum Style {
  /// Colours that people with the common kinds of colour blindness tell apart (Okabe and Ito 2008), darkest first, without the
  /// yellow that white hides; with a lighter tone of each for dark backgrounds.
  static let colors = [
    ("#0072b2", "#56b4e9"), ("#d55e00", "#f0803c"), ("#008f68", "#2bc79a"), ("#b2558f", "#dd94bf"), ("#a87400", "#e6a932"),
    ("#555555", "#b4b4b4"),
  ]

  static let small = 12.0
  static let medium = 13.0
  static let large = 17.0

  /// A class, and what it sets.
  private typealias Rule = (name: String, attributes: [(name: String, value: String)])

  private static let shapes: [Rule] = [
    ("epic-line", [("fill", "none"), ("stroke-width", "2"), ("stroke-linejoin", "round")]),
    ("epic-area", [("fill-opacity", ".2")]),
    ("epic-bar", [("fill-opacity", ".85")]), ("epic-whisker", [("stroke-width", "1"), ("stroke-opacity", ".7")]),
  ]

  private static func tones(dark: Bool) -> [Rule] {
    let (paper, ink, quiet, grid) =
      dark ? ("#16181c", "#eceff4", "#a3abb8", "#343943") : ("#ffffff", "#1c2128", "#5a6472", "#e3e6ea")
    let fixed: [Rule] = [
      ("epic-paper", [("fill", paper)]), ("epic-ink", [("fill", ink)]), ("epic-quiet", [("fill", quiet)]),
      ("epic-grid", [("stroke", grid)]), ("epic-axis", [("stroke", quiet)]),
    ]
    return fixed
      + colors.enumerated().flatMap { index, color -> [Rule] in
        let tone = dark ? color.1 : color.0
        return [("epic-line\(index)", [("stroke", tone)]), ("epic-area\(index)", [("fill", tone)])]
      }
  }

  /// Rules for all figures of a page, light and dark by the reader's setting.
  ///
  /// Every colour is written out, as some viewers know no CSS variables.
  static let sheet: String = {
    func text(_ rules: [Rule]) -> String {
      rules.map { rule in ".\(rule.name){" + rule.attributes.map { "\($0.name):\($0.value)" }.joined(separator: ";") + "}" }
        .joined()
    }
    return text(shapes) + text(tones(dark: false)) + "@media (prefers-color-scheme:dark){" + text(tones(dark: true)) + "}"
  }()

  private static let rules = shapes + tones(dark: false)

  /// What classes set, as attributes of an element, for viewers that show no style sheets; the sheet's rules go before them.
  static func attributes(of classes: String) -> [(name: String, value: String)] {
    let names = classes.split(separator: " ")
    var found: [(name: String, value: String)] = []
    for rule in rules where names.contains(where: { $0 == rule.name }) {
      for attribute in rule.attributes {
        found.removeAll { $0.name == attribute.name }
        found.append(attribute)
      }
    }
    return found
  }

  /// A text's width in pixels, rather too much than too little, as the reader's font is not known.
  static func width(of text: String, size: Double) -> Double { Double(text.count) * size * 0.58 }
}
