extension Chart {
  /// Draws title, legend, plot and axes from `top` on, and returns where the next thing may begin.
  func draw(into svg: inout SVG, top: Double, width: Double, plotHeight: Double) -> Double {
    let plotWidth = width - Layout.left - Layout.right
    var y = top + 14
    for (number, line) in Layout.wrapped(title, size: Style.medium, width: width - 2 * Layout.side).enumerated() {
      if number > 0 { y += 18 }
      svg.write(line, x: Layout.side, y: y, size: Style.medium, style: "epic-ink", bold: true)
    }
    let entries = series.filter { !$0.label.isEmpty }
    let places = Layout.legend(entries.map(\.label), width: width - 2 * Layout.side)
    for (entry, place) in zip(entries, places) {
      entry.drawMark(into: &svg, x: Layout.side + place.x, y: y + 22 + 20 * Double(place.row))
    }
    y += places.last.map { 22 + 20 * Double($0.row) } ?? 0
    let plotTop = y + 20
    let bottom = plotTop + plotHeight
    let horizontal = Scale.readable(
      x, over: series.flatMap { $0.shape.points.map(\.x) }, from: Layout.left, to: Layout.left + plotWidth)
    let vertical = Scale(
      self.y, over: [0] + series.flatMap { $0.shape.points.map(\.y) }, from: bottom, to: plotTop, count: 6)
    drawAxes(into: &svg, horizontal, vertical, left: Layout.left, right: Layout.left + plotWidth, bottom: bottom)
    for entry in series { entry.draw(into: &svg, horizontal, vertical) }
    let end = bottom + 22
    if x.label.isEmpty { return end }
    svg.write(
      x.label, x: Layout.left + plotWidth / 2, y: end + 18, size: Style.small, style: "epic-quiet", anchor: "middle")
    return end + 22
  }

  private func drawAxes(
    into svg: inout SVG, _ horizontal: Scale, _ vertical: Scale, left: Double, right: Double, bottom: Double
  ) {
    for (tick, label) in zip(vertical.ticks, vertical.labels) {
      let y = vertical.position(tick)
      svg.line("epic-grid", (left, y), (right, y))
      svg.write(label, x: left - 10, y: y + 4, size: Style.small, style: "epic-quiet", anchor: "end")
    }
    svg.line("epic-axis", (left, bottom), (right, bottom))
    for (tick, label) in zip(horizontal.ticks, horizontal.labels) {
      let x = horizontal.position(tick)
      svg.line("epic-axis", (x, bottom), (x, bottom + 5))
      // A long last label would leave the image.
      let most = right + Layout.right - Style.width(of: label, size: Style.small) / 2
      svg.write(label, x: min(x, most), y: bottom + 19, size: Style.small, style: "epic-quiet", anchor: "middle")
    }
  }
}

extension Chart.Series {
  private var tone: Int { ((color % Style.colors.count) + Style.colors.count) % Style.colors.count }

  /// Its sign in the legend and its label, on a line of text.
  fileprivate func drawMark(into svg: inout SVG, x: Double, y: Double) {
    let isSolid = if case .bars = shape { true } else { false }
    if case .band = shape { fill() } else if isSolid { fill() } else { stroke() }
    svg.write(label, x: x + 34, y: y, size: Style.small, style: "epic-quiet")
    func fill() {
      svg.add(
        "rect",
        [
          ("class", isSolid ? "epic-bar epic-area\(tone)" : "epic-area epic-area\(tone)"), ("x", SVG.number(x)),
          ("y", SVG.number(y - 10)), ("width", "26"),
          ("height", "12"), ("rx", "2"),
        ])
    }
    func stroke() {
      svg.line("epic-line epic-line\(tone)", (x, y - 4), (x + 26, y - 4), dashed: dashed)
      if case .intervals = shape { drawPoint(into: &svg, x: x + 13, y: y - 4) }
    }
  }

  /// A disc; where all colours are taken by series before, a square, and then a diamond.
  private func drawPoint(into svg: inout SVG, x: Double, y: Double) {
    let style = ("class", "epic-bar epic-area\(tone)")
    switch max(0, color) / Style.colors.count % 3 {
    case 0: svg.add("circle", [style, ("cx", SVG.number(x)), ("cy", SVG.number(y)), ("r", "3.5")])
    case 1:
      svg.add("rect", [style, ("x", SVG.number(x - 3.5)), ("y", SVG.number(y - 3.5)), ("width", "7"), ("height", "7")])
    default:
      svg.add("path", [style, ("d", "M\(SVG.number(x)) \(SVG.number(y - 5))l5 5l-5 5l-5 -5Z")])
    }
  }

  fileprivate func draw(into svg: inout SVG, _ horizontal: Scale, _ vertical: Scale) {
    func pixels(_ points: [Chart.Point]) -> [(x: Double, y: Double)] {
      points.filter { $0.x.isFinite && $0.y.isFinite }.map { (horizontal.position($0.x), vertical.position($0.y)) }
    }
    func path(_ points: [(x: Double, y: Double)]) -> String {
      "M" + points.map { "\(SVG.number($0.x)) \(SVG.number($0.y))" }.joined(separator: "L")
    }
    switch shape {
    case .band(let low, let high):
      let outline = pixels(high) + pixels(low).reversed()
      if !outline.isEmpty { svg.add("path", [("class", "epic-area epic-area\(tone)"), ("d", path(outline) + "Z")]) }
    case .intervals(let intervals):
      Chart.Series("", .line(intervals.map(\.point)), color: color, dashed: dashed).draw(into: &svg, horizontal, vertical)
      for interval in intervals where interval.point.x.isFinite && interval.point.y.isFinite {
        whisker(interval, at: horizontal.position(interval.point.x), into: &svg, vertical, style: "epic-whisker epic-line\(tone)")
        let (x, y) = (horizontal.position(interval.point.x), vertical.position(interval.point.y))
        drawPoint(into: &svg, x: x, y: y)
      }
    case .bars(let intervals, let width):
      for interval in intervals where interval.point.x.isFinite && interval.point.y.isFinite {
        let edges = [interval.point.x - width / 2, interval.point.x + width / 2].map { horizontal.position($0) }
        let base = vertical.position(min(max(0, vertical.range.lowerBound), vertical.range.upperBound))
        let top = vertical.position(interval.point.y)
        svg.add(
          "rect",
          [
            ("class", "epic-bar epic-area\(tone)"), ("x", SVG.number(edges[0])), ("y", SVG.number(min(base, top))),
            ("width", SVG.number(edges[1] - edges[0])), ("height", SVG.number(abs(base - top))),
          ])
        whisker(interval, at: (edges[0] + edges[1]) / 2, into: &svg, vertical, style: "epic-axis")
      }
    case .line(let points), .steps(let points):
      var line = pixels(points)
      if case .steps = shape {
        line = zip(line, line.dropFirst()).flatMap { [$0, (x: $1.x, y: $0.y)] } + line.suffix(1)
      }
      if line.isEmpty { return }
      var attributes = [("class", "epic-line epic-line\(tone)"), ("d", path(line))]
      if dashed { attributes.append(SVG.dashes) }
      svg.add("path", attributes)
    }
  }

  private func whisker(
    _ interval: Chart.Interval, at x: Double, into svg: inout SVG, _ vertical: Scale, style: String
  ) {
    guard interval.low.isFinite, interval.high > interval.low else { return }
    let (low, high) = (vertical.position(interval.low), vertical.position(interval.high))
    svg.line(style, (x, low), (x, high))
    for end in [low, high] { svg.line(style, (x - 3, end), (x + 3, end)) }
  }
}
