import Basics
import Testing

@Suite struct BarChartTests {
  @Test func barsAreAsLongAsTheirNumbers() {
    let chart = BarChart(
      title: "t", [.init("a", 80, text: "80"), .init("long", 20, text: "20"), .init("b", 5, text: "5"), .init("c", 0, text: "0")])
    // 4 of the name, 2 of the longest number, 4 blanks at most: 16 characters are left for 80.
    let expected = [
      "t", "a     " + String(repeating: "█", count: 16) + " 80", "long  ████ 20", "b     █ 5", "c     0",
    ]
    #expect(chart.text(width: 26) == expected.joined(separator: "\n"))
  }

  /// No line is wider than the terminal where it has room for names and numbers, and half of a number is half as long.
  @Test(arguments: 0..<20) func fitsAndKeepsProportions(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    let width = Int.random(in: 30...120, using: &random)
    let value = Double.random(in: 0.1...1e6, using: &random)
    let text = BarChart(title: "", [.init("x", value, text: "n"), .init("y", value / 2, text: "n")]).text(width: width)
    let lines = text.split(separator: "\n")
    let counts = lines.map { $0.filter { "█▏▎▍▌▋▊▉".contains($0) }.count }
    #expect(lines.allSatisfy { $0.count <= width } && abs(counts[0] - 2 * counts[1]) <= 1, "seed \(seed): \(text)")
  }

  @Test func whatIsNoNumberHasNoBar() {
    let chart = BarChart(title: "t", [.init("a", .nan, text: "?"), .init("b", -3, text: "−3"), .init("c", 1, text: "1")])
    #expect(chart.text(width: 0) == "t\na  ?\nb  −3\nc  ████ 1")
    #expect(BarChart(title: "none", []).text(width: 80) == "none")
  }
}
