/// Numbers as bars of characters, for a terminal.
public struct BarChart: Sendable, Equatable {
  /// A number with its name.
  public struct Bar: Sendable, Equatable {
    /// What stands in front of it.
    public let name: String
    /// How long it is.
    public let value: Double
    /// What stands behind it.
    public let text: String

    /// A bar.
    public init(_ name: String, _ value: Double, text: String) { (self.name, self.value, self.text) = (name, value, text) }
  }

  /// What stands above all of them.
  public let title: String
  /// From top to bottom.
  public let bars: [Bar]

  /// Parts of a character's cell, an eighth of it more each.
  private static let parts = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]

  /// A chart.
  public init(title: String, _ bars: [Bar]) { (self.title, self.bars) = (title, bars) }

  /// Lines whose bars begin at 0, the longest as long as there is room; numbers that are not finite, or below 0, have none.
  ///
  /// - Parameter width: of the terminal, in characters. Where it is too narrow for names and numbers, bars are a few characters long.
  public func text(width: Int) -> String {
    let names = bars.map(\.name.count).max() ?? 0
    let texts = bars.map(\.text.count).max() ?? 0
    let room = max(4, width - names - texts - 4)
    let largest = bars.map(\.value).filter(\.isFinite).max() ?? 0
    let lines = bars.map { bar in
      let share = largest > 0 && bar.value.isFinite ? max(0, bar.value) / largest : 0
      let eighths = Int((share * Double(room * 8)).rounded())
      let drawn = String(repeating: "█", count: eighths / 8) + Self.parts[eighths % 8]
      return "\(bar.name.leftAligned(names))  \(drawn)\(drawn.isEmpty ? "" : " ")\(bar.text)"
    }
    return ([title] + lines).joined(separator: "\n")
  }
}
