import Basics
import Foundation

extension Figure {
  /// The figure as a complete SVG document, light and dark by the reader's setting and without script.
  ///
  /// Title and subtitle are there for readers who hear it too. It can stand in a file or, from its `<svg` on, in an HTML page.
  ///
  /// - Parameters:
  ///   - width: pixels from left to right.
  ///   - plotHeight: pixels of each plot alone.
  public func svg(width: Double = 820, plotHeight: Double = 240) -> String {
    var body = SVG()
    var y = 36.0
    body.write(title, x: Layout.side, y: y, size: Style.large, style: "epic-ink", bold: true)
    if !subtitle.isEmpty {
      for line in Layout.wrapped(subtitle, size: Style.medium, width: width - 2 * Layout.side) {
        y += 20
        body.write(line, x: Layout.side, y: y, size: Style.medium, style: "epic-quiet")
      }
    }
    for chart in charts { y = chart.draw(into: &body, top: y + 18, width: width, plotHeight: plotHeight) }
    return Self.document(body, title: title, description: subtitle, width: width, height: y + 12)
  }

  /// Each plot as an SVG document of its own, for pages that write title and subtitle themselves.
  func chartDocuments(width: Double, plotHeight: Double) -> [String] {
    charts.map { chart in
      var body = SVG()
      let end = chart.draw(into: &body, top: 6, width: width, plotHeight: plotHeight)
      return Self.document(body, title: chart.title, description: title, width: width, height: end + 12)
    }
  }

  private static func document(_ body: SVG, title: String, description: String, width: Double, height: Double) -> String {
    let size = (SVG.number(width), SVG.number(height))
    var paper = SVG()
    paper.add("rect", [("class", "epic-paper"), ("width", "100%"), ("height", "100%")])
    return """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(size.0) \(size.1)" width="\(size.0)" height="\(size.1)" \
      font-family="system-ui, 'Helvetica Neue', Arial, sans-serif" role="img">
      <title>\(SVG.escaped(title))</title>
      <desc>\(SVG.escaped(description))</desc>
      <style>\(Style.sheet)</style>
      \(paper.text)\(body.text)</svg>

      """
  }

  /// Writes the figure as an SVG file, whole or not at all.
  ///
  /// - Throws: Foundation's error with the file's path.
  public func write(to file: URL, width: Double = 820, plotHeight: Double = 240) throws {
    try WholeFile.write(Data(svg(width: width, plotHeight: plotHeight).utf8), to: file)
  }
}

/// Distances of figures, in pixels.
enum Layout {
  static let side = 24.0
  /// From the left edge to the plot: room for the labels of ticks.
  static let left = 76.0
  static let right = 28.0

  /// Words in lines that are not wider than `width`.
  static func wrapped(_ text: String, size: Double, width: Double) -> [String] {
    var lines: [String] = []
    for word in text.split(separator: " ") {
      if let last = lines.last, Style.width(of: last + " " + word, size: size) <= width {
        lines[lines.count - 1] = last + " " + word
      } else {
        lines.append(String(word))
      }
    }
    return lines
  }

  /// A place for each entry of a legend, left to right in as many rows as are needed: x of its mark, and its row.
  static func legend(_ labels: [String], width: Double) -> [(x: Double, row: Int)] {
    var (x, row) = (0.0, 0)
    return labels.map { label in
      let needed = 36 + Style.width(of: label, size: Style.small) + 22
      if x > 0, x + needed > width { (x, row) = (0, row + 1) }
      defer { x += needed }
      return (x, row)
    }
  }
}
