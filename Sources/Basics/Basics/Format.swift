import Foundation

/// A duration for people: 45 s, 12 min, 3 h 20 min.
public func formatDuration(_ seconds: Double) -> String {
  let whole = Int(max(0, min(seconds, 1e9)).rounded(.up))
  if whole < 100 { return "\(whole) s" }
  let minutes = (whole + 30) / 60
  return minutes < 100 ? "\(minutes) min" : "\(minutes / 60) h \(minutes % 60) min"
}

/// A count for people: 6738415616 as 6,738,415,616.
public func formatCount(_ count: Int) -> String {
  var digits = Array(String(count))
  var index = digits.count - 3
  while index > (count < 0 ? 1 : 0) {
    digits.insert(",", at: index)
    index -= 3
  }
  return String(digits)
}

/// A number of bytes for people: 1536 as 1.5 KiB.
public func formatBytes(_ bytes: Int) -> String {
  let units = ["bytes", "KiB", "MiB", "GiB", "TiB"]
  var value = Double(bytes)
  var unit = 0
  while value >= 1024, unit < units.count - 1 {
    value /= 1024
    unit += 1
  }
  return unit == 0 ? "\(bytes) bytes" : String(format: "%.1f %@", value, units[unit])
}

/// How far something has come, and how long it will take.
public struct ProgressRate: Sendable {
  private let total: Int
  private let start = ContinuousClock.now

  /// Begins now.
  ///
  /// - Parameter total: what there is to do.
  public init(total: Int) { self.total = total }

  /// "1,200 of 5,000 (24 %), 310/s, 12 s left".
  public func text(_ done: Int) -> String {
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    let share = "\(formatCount(done)) of \(formatCount(total)) (\(done * 100 / max(1, total)) %)"
    guard seconds > 1, done > 0 else { return share }
    let rate = Double(done) / seconds
    let perSecond = rate < 10 ? String(format: "%.1f", rate) : formatCount(Int(rate))
    return share + ", \(perSecond)/s, \(formatDuration(Double(total - done) / rate)) left"
  }
}
