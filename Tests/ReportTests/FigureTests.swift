import Foundation
import FoundationXML
import Testing

@testable import Report

@Suite struct FigureTests {
  /// Counts elements and collects attributes of a document that must be well-formed.
  private final class Reader: NSObject, XMLParserDelegate {
    var elements: [(name: String, attributes: [String: String])] = []
    var text = ""

    func parser(
      _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
      attributes: [String: String]
    ) {
      elements.append((name, attributes))
    }

    func parser(_ parser: XMLParser, foundCharacters string: String) { text += string }

    static func read(_ document: String) throws -> Reader {
      let reader = Reader()
      let parser = XMLParser(data: Data(document.utf8))
      parser.delegate = reader
      #expect(parser.parse(), "\(String(describing: parser.parserError))")
      return reader
    }

    func paths(_ style: String) -> [String] {
      elements.filter { $0.attributes["class"]?.split(separator: " ").contains(Substring(style)) == true }
        .compactMap { $0.attributes["d"] }
    }
  }

  private func figure(_ series: [Chart.Series], title: String = "A title") -> Figure {
    Figure(
      title: title, charts: [Chart(title: "y", x: .init("x", range: 0...10), y: .init(range: 0...1), series: series)])
  }

  /// The points of a series in pixels from the first one, on a plot of 400 by 100 pixels over 0...10 and 0...1.
  private func outline(_ series: Chart.Series, _ style: String) throws -> [[Double]] {
    let width = 400 + Layout.left + Layout.right
    let path = try #require(try Reader.read(figure([series]).svg(width: width, plotHeight: 100)).paths(style).first)
    let points = path.split { "MLZ".contains($0) }.map { $0.split(separator: " ").compactMap { Double($0) } }
    return points.map { [$0[0] - points[0][0], $0[1] - points[0][1]] }
  }

  @Test func pointsLandWhereTheAxesSay() throws {
    let line = Chart.Series("line", .line([.init(0, 0), .init(5, 0.5), .init(10, 1)]), color: 0)
    #expect(try outline(line, "epic-line0") == [[0, 0], [200, -50], [400, -100]])
  }

  @Test func stepsJumpAtTheNextPoint() throws {
    let steps = Chart.Series("", .steps([.init(0, 1), .init(5, 0), .init(10, 0)]), color: 3)
    #expect(try outline(steps, "epic-line3") == [[0, 0], [200, 0], [200, 100], [400, 100], [400, 100]])
  }

  @Test func bandsCloseAndBrokenNumbersAreLeftOut() throws {
    let band = Chart.Series(
      "b", .band(low: [.init(0, 0), .init(10, .nan)], high: [.init(0, 1), .init(10, 1), .init(.infinity, 0)]), color: 7)
    // Colour 7 is the second of six, as colours begin again.
    #expect(try outline(band, "epic-area1") == [[0, 0], [400, 0], [0, 100]])
    _ = try Reader.read(figure([.init("none", .line([]), color: -1)]).svg())
  }

  /// No two of eighteen series have the same sign, in the plot and in the legend.
  @Test func pointsDifferWhereColoursRepeat() throws {
    let series = (0..<18).map { index in
      Chart.Series("s\(index)", .intervals([.init(.init(1, 0.5), low: 0.4, high: 0.6)]), color: index)
    }
    let signs = try series.map { one in
      try Reader.read(figure([one]).svg()).elements.filter { $0.attributes["class"]?.hasPrefix("epic-bar") ?? false }
        .map { "\($0.name) \($0.attributes["class"] ?? "")" }
    }
    #expect(signs.allSatisfy { $0.count == 2 && $0[0] == $0[1] } && Set(signs.map { $0[0] }).count == series.count, "\(signs)")
  }

  @Test func anythingMayStandInALabel() throws {
    let text = "a < b & \"c\" > d\n\u{0}\u{fffe}"
    let reader = try Reader.read(figure([.init(text, .line([]), color: 0)], title: text).svg())
    #expect(reader.text.contains("a < b & \"c\" > d "))
    #expect(!reader.elements.contains { $0.name == "script" })
  }

  @Test func legendsDoNotOverlap() {
    let labels = (1...9).map { String(repeating: "w", count: 5 * $0) }
    let places = Layout.legend(labels, width: 300)
    #expect(places[0] == (0, 0) && places.allSatisfy { $0.x >= 0 })
    for (index, pair) in zip(places, places.dropFirst()).enumerated() {
      let end = pair.0.x + 36 + Style.width(of: labels[index], size: Style.small)
      #expect(pair.1.row == pair.0.row ? pair.1.x > end : pair.1.row == pair.0.row + 1 && pair.1.x == 0)
    }
  }

  @Test func longSubtitlesAreWrapped() {
    let lines = Layout.wrapped(String(repeating: "word ", count: 60), size: 13, width: 300)
    #expect(lines.joined(separator: " ").split(separator: " ").count == 60)
    #expect(lines.allSatisfy { Style.width(of: $0, size: 13) <= 300 })
  }

  /// Without style sheets lines have their colours and nothing is filled that is not an area; an element has each attribute once.
  @Test func figuresNeedNoStyleSheet() throws {
    let series: [Chart.Series] = [
      .init("a", .line([.init(0, 0), .init(5, 1)]), color: 1), .init("b", .line([.init(0, 1), .init(5, 0)]), color: 2),
    ]
    let text = figure(series).svg()
    let plain = text.replacing(/<style>.*<\/style>/, with: "")
    let lines = plain.matches(of: /<(?:polyline|path)[^>]*epic-line[^>]*>/).map { String($0.0) }
    #expect(!lines.isEmpty && lines.allSatisfy { $0.contains("fill=\"none\"") && $0.contains("stroke=\"#") }, "\(lines)")
    #expect(plain.contains("class=\"epic-paper\" width=\"100%\" height=\"100%\" fill=\"#ffffff\""))
    for element in plain.matches(of: /<[a-z]+ [^>]*>/) {
      let names = element.0.matches(of: /\ ([a-z0-9-]+)="/).map { String($0.1) }
      #expect(Set(names).count == names.count, "\(element.0)")
    }
  }

  /// A narrow page shows all of a long title of a plot, one line above the other, and moves the plot down.
  @Test func longTitlesOfPlotsAreWrapped() {
    let title = "KL divergence of student and teacher, nats per token"
    let chart = Chart(title: title, x: .init("x", range: 0...10), y: .init(range: 0...1), series: [])
    var (wide, narrow) = (SVG(), SVG())
    let ends = (
      chart.draw(into: &wide, top: 0, width: 820, plotHeight: 100), chart.draw(into: &narrow, top: 0, width: 340, plotHeight: 100)
    )
    #expect(wide.text.contains(">\(title)<") && !narrow.text.contains(">\(title)<"))
    for line in Layout.wrapped(title, size: Style.medium, width: 340 - 2 * Layout.side) {
      #expect(narrow.text.contains(">\(line)<"))
    }
    #expect(ends.1 > ends.0)
  }

  @Test func filesAppearWhole() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "epic-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let drawn = figure([])
    try drawn.write(to: folder.appending(path: "a.svg"))
    #expect(try String(contentsOf: folder.appending(path: "a.svg"), encoding: .utf8) == drawn.svg())
    #expect(throws: (any Error).self) { try drawn.write(to: folder.appending(path: "absent/a.svg")) }
    #expect(try FileManager.default.subpathsOfDirectory(atPath: folder.path) == ["a.svg"])
  }
}
