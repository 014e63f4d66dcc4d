import Foundation

/// Maps an axis to pixels and chooses its ticks.
struct Scale: Sendable {
  let range: ClosedRange<Double>
  let ticks: [Double]
  let labels: [String]
  private let pixels: (from: Double, to: Double)

  /// An axis over given values, its ends widened to whole ticks where it has no range of its own.
  init(_ axis: Chart.Axis, over values: [Double], from: Double, to: Double, count: Int) {
    let finite = values.filter(\.isFinite)
    let (low, high) = (axis.range?.lowerBound ?? finite.min() ?? 0, axis.range?.upperBound ?? finite.max() ?? 1)
    // A single value still needs an axis around it.
    let width = high > low ? high - low : max(1, abs(low))
    let step = Self.step(width, count: count, integer: axis.format == .integer)
    if axis.range == nil {
      range = (low / step).rounded(.down) * step...(max(high, low + width) / step).rounded(.up) * step
    } else {
      range = low...max(high, low + width)
    }
    // A billionth of a step: numbers such as 0.3 / 0.1 fall short of whole ones.
    let first = (range.lowerBound / step - 1e-9).rounded(.up)
    let last = (range.upperBound / step + 1e-9).rounded(.down)
    if axis.categories.isEmpty {
      ticks = stride(from: first, through: last, by: 1).map { $0 * step }
      labels = ticks.map { Self.label($0, step: step, axis.format) }
    } else {
      ticks = axis.categories.indices.map(Double.init)
      labels = axis.categories
    }
    pixels = (from, to)
  }

  /// A horizontal axis with as many ticks as its labels leave room for.
  static func readable(_ axis: Chart.Axis, over values: [Double], from: Double, to: Double) -> Scale {
    for count in [10, 5] {
      let scale = Scale(axis, over: values, from: from, to: to, count: count)
      let widest = scale.labels.map { Style.width(of: $0, size: Style.small) }.max() ?? 0
      let places = scale.ticks.map { scale.position($0) }
      if zip(places, places.dropFirst()).allSatisfy({ $0 + widest + 8 <= $1 }) { return scale }
    }
    return Scale(axis, over: values, from: from, to: to, count: 2)
  }

  func position(_ value: Double) -> Double {
    let fraction = (value - range.lowerBound) / (range.upperBound - range.lowerBound)
    return pixels.from + fraction * (pixels.to - pixels.from)
  }

  /// The smallest of 1, 2 and 5 times a power of ten that makes at most `count` steps.
  private static func step(_ width: Double, count: Int, integer: Bool) -> Double {
    let least = width / Double(max(1, count))
    let power = pow(10, log10(least).rounded(.down))
    let step = [1, 2, 5].map { $0 * power }.first { $0 >= least * (1 - 1e-9) } ?? 10 * power
    return integer ? max(1, step) : step
  }

  private static func label(_ value: Double, step: Double, _ format: Chart.Axis.Format) -> String {
    let scaled = format == .percent ? (100 * value, 100 * step) : (value, step)
    let decimals = max(0, Int(-log10(scaled.1).rounded(.down)))
    // Adding 0 turns -0 into 0.
    let number = String(format: "%.\(min(decimals, 12))f", scaled.0 + 0)
    return format == .percent ? number + " %" : number
  }
}
