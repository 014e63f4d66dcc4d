/// One plot: what its axes mean and what is drawn.
public struct Chart: Sendable {
  /// What the vertical axis counts, written above the plot.
  public var title: String
  /// The horizontal axis.
  public var x: Axis
  /// The vertical axis.
  public var y: Axis
  /// What is drawn, the first at the bottom.
  public var series: [Series]

  /// A plot of series over two axes.
  public init(title: String, x: Axis, y: Axis, series: [Series]) {
    self.title = title
    self.x = x
    self.y = y
    self.series = series
  }

  /// The axis of a plot.
  public struct Axis: Sendable {
    /// What a tick's label looks like.
    public enum Format: Sendable {
      /// As many decimals as the distance of two ticks needs.
      case number
      /// Whole numbers only, for things that are counted.
      case integer
      /// A fraction as percent: 0.5 is 50 %.
      case percent
    }

    /// Name and, where there is one, unit.
    public var label: String
    /// How ticks are written.
    public var format: Format
    /// What the axis spans; what is drawn, and 0 for a vertical axis, unless given.
    public var range: ClosedRange<Double>?
    /// Names that stand at 0, 1, 2 and so on in place of numbers; for a horizontal axis.
    public var categories: [String] = []

    /// An axis of a label.
    public init(_ label: String = "", format: Format = .number, range: ClosedRange<Double>? = nil) {
      self.label = label
      self.format = format
      self.range = range
    }

    /// A horizontal axis of names.
    public init(categories: [String]) {
      self.init(range: -0.5...Double(max(1, categories.count)) - 0.5)
      self.categories = categories
    }
  }

  /// A point of a plot in its own units.
  public struct Point: Sendable, Equatable {
    /// Position along the horizontal axis.
    public var x: Double
    /// Position along the vertical axis.
    public var y: Double

    /// A point at (x, y).
    public init(_ x: Double, _ y: Double) {
      self.x = x
      self.y = y
    }
  }

  /// A point that lies within a range.
  public struct Interval: Sendable, Equatable {
    /// Where it most likely is.
    public var point: Point
    /// The ends of the range along the vertical axis.
    public var low, high: Double

    /// A point and its range.
    public init(_ point: Point, low: Double, high: Double) {
      self.point = point
      self.low = low
      self.high = high
    }
  }

  /// Something drawn in one colour, with its line in the legend.
  public struct Series: Sendable {
    /// What it looks like.
    public enum Shape: Sendable, Equatable {
      /// Points joined by straight lines.
      case line([Point])
      /// Points joined by level lines that jump at each next point.
      case steps([Point])
      /// The area between two lines.
      case band(low: [Point], high: [Point])
      /// Points joined by straight lines, each with a dot and a whisker over its range.
      case intervals([Interval])
      /// A bar from 0 to each point, as wide as said on the horizontal axis, with a whisker over its range.
      case bars([Interval], width: Double)

      var points: [Point] {
        switch self {
        case .line(let points), .steps(let points): points
        case .band(let low, let high): low + high
        case .intervals(let intervals), .bars(let intervals, _):
          intervals.flatMap { [$0.point, Point($0.point.x, $0.low), Point($0.point.x, $0.high)] }
        }
      }
    }

    /// Name in the legend; empty for none.
    public var label: String
    /// What is drawn, without points that are not finite.
    public var shape: Shape
    /// Which colour of the palette; numbers beyond its end begin again.
    public var color: Int
    /// A broken line, so that colours are not the only difference.
    public var dashed: Bool

    /// A series of a colour.
    public init(_ label: String, _ shape: Shape, color: Int, dashed: Bool = false) {
      self.label = label
      self.shape = shape
      self.color = color
      self.dashed = dashed
    }
  }
}

/// Plots one above the other under a common title.
public struct Figure: Sendable {
  /// What the figure shows.
  public var title: String
  /// A sentence beneath the title; empty for none.
  public var subtitle: String
  /// The plots, from top to bottom.
  public var charts: [Chart]

  /// A figure of plots.
  public init(title: String, subtitle: String = "", charts: [Chart]) {
    self.title = title
    self.subtitle = subtitle
    self.charts = charts
  }
}
