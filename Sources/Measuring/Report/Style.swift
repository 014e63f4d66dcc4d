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

  /// Rules for all figures of a page, light and dark by the reader's setting.
  ///
  /// Every colour is written out, as some viewers know no CSS variables.
  static let sheet: String = {
    func rules(_ dark: Bool) -> String {
      let (paper, ink, quiet, grid) =
        dark ? ("#16181c", "#eceff4", "#a3abb8", "#343943") : ("#ffffff", "#1c2128", "#5a6472", "#e3e6ea")
      let fixed = [
        ".epic-paper{fill:\(paper)}", ".epic-ink{fill:\(ink)}", ".epic-quiet{fill:\(quiet)}", ".epic-grid{stroke:\(grid)}",
        ".epic-axis{stroke:\(quiet)}",
      ]
      let series = colors.enumerated().map { index, color in
        let tone = dark ? color.1 : color.0
        return ".epic-line\(index){stroke:\(tone)}.epic-area\(index){fill:\(tone)}"
      }
      return (fixed + series).joined()
    }
    let shapes =
      ".epic-line{fill:none;stroke-width:2;stroke-linejoin:round}.epic-area{fill-opacity:.2}"
      + ".epic-bar{fill-opacity:.85}.epic-whisker{stroke-width:1;stroke-opacity:.7}"
    return shapes + rules(false) + "@media (prefers-color-scheme:dark){" + rules(true) + "}"
  }()

  /// A text's width in pixels, rather too much than too little, as the reader's font is not known.
  static func width(of text: String, size: Double) -> Double { Double(text.count) * size * 0.58 }
}
