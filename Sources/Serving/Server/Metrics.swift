import Metrics
import Synchronization

/// Metrics of one server, in the text format of Prometheus.
///
/// A factory of its own for each server rather than the process's, as a process may hold several.
final class PrometheusFactory: MetricsFactory {
  private struct Key: Hashable {
    let name: String
    let labels: String
  }

  private struct State {
    var counters: [Key: CounterCell] = [:]
    var gauges: [Key: GaugeCell] = [:]
    var histograms: [Key: HistogramCell] = [:]
  }

  private let state = Mutex(State())
  private let help: [String: String]
  private let bounds: [Double]

  /// - Parameters:
  ///   - help: what a metric is, by name.
  ///   - bounds: upper ends of the histograms' buckets, ascending.
  init(help: [String: String], bounds: [Double] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160]) {
    (self.help, self.bounds) = (help, bounds)
  }

  private static func key(_ name: String, _ labels: [(String, String)]) -> Key {
    func escaped(_ text: String) -> String {
      text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
    }
    return Key(name: name, labels: labels.map { "\($0)=\"\(escaped($1))\"" }.joined(separator: ","))
  }

  func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
    state.withLock { state in
      let key = Self.key(label, dimensions)
      let cell = state.counters[key] ?? CounterCell()
      state.counters[key] = cell
      return cell
    }
  }

  func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
    state.withLock { state in
      let key = Self.key(label, dimensions)
      let cell = state.gauges[key] ?? GaugeCell()
      state.gauges[key] = cell
      return cell
    }
  }

  private func histogram(_ label: String, _ dimensions: [(String, String)]) -> HistogramCell {
    state.withLock { state in
      let key = Self.key(label, dimensions)
      let cell = state.histograms[key] ?? HistogramCell(bounds)
      state.histograms[key] = cell
      return cell
    }
  }

  func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
    histogram(label, dimensions)
  }

  func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler { histogram(label, dimensions) }

  func destroyCounter(_ handler: any CounterHandler) {}
  func destroyMeter(_ handler: any MeterHandler) {}
  func destroyRecorder(_ handler: any RecorderHandler) {}
  func destroyTimer(_ handler: any TimerHandler) {}

  /// All metrics, version 0.0.4 of the format.
  func text() -> String {
    let state = state.withLock { $0 }
    var lines: [String] = []
    func add<Cell>(_ cells: [Key: Cell], _ type: String, _ render: (Key, Cell) -> [String]) {
      for (name, members) in Dictionary(grouping: cells, by: \.key.name).sorted(by: { $0.key < $1.key }) {
        if let text = help[name] { lines.append("# HELP \(name) \(text)") }
        lines.append("# TYPE \(name) \(type)")
        for (key, cell) in members.sorted(by: { $0.key.labels < $1.key.labels }) { lines += render(key, cell) }
      }
    }
    func sample(_ name: String, _ labels: String, _ value: String) -> String {
      labels.isEmpty ? "\(name) \(value)" : "\(name){\(labels)} \(value)"
    }
    add(state.counters, "counter") { [sample($0.name, $0.labels, "\($1.value)")] }
    add(state.gauges, "gauge") { [sample($0.name, $0.labels, "\($1.value)")] }
    add(state.histograms, "histogram") { key, cell in
      let (counts, sum) = cell.values
      var total = 0
      var found: [String] = []
      for (bound, count) in zip(bounds.map { "\($0)" } + ["+Inf"], counts) {
        total += count
        let labels = (key.labels.isEmpty ? "" : key.labels + ",") + "le=\"\(bound)\""
        found.append(sample(key.name + "_bucket", labels, "\(total)"))
      }
      return found + [sample(key.name + "_sum", key.labels, "\(sum)"), sample(key.name + "_count", key.labels, "\(total)")]
    }
    return lines.joined(separator: "\n") + "\n"
  }
}

private final class CounterCell: CounterHandler {
  private let count = Mutex<Int64>(0)
  var value: Int64 { count.withLock { $0 } }
  func increment(by amount: Int64) { count.withLock { $0 &+= amount } }
  func reset() { count.withLock { $0 = 0 } }
}

private final class GaugeCell: MeterHandler {
  private let number = Mutex(0.0)
  var value: Double { number.withLock { $0 } }
  func set(_ value: Int64) { set(Double(value)) }
  func set(_ value: Double) { number.withLock { $0 = value } }
  func increment(by amount: Double) { number.withLock { $0 += amount } }
  func decrement(by amount: Double) { number.withLock { $0 -= amount } }
}

private final class HistogramCell: RecorderHandler, TimerHandler {
  private let bounds: [Double]
  private let state: Mutex<(counts: [Int], sum: Double)>

  init(_ bounds: [Double]) {
    self.bounds = bounds
    state = Mutex((Array(repeating: 0, count: bounds.count + 1), 0))
  }

  /// Values in each bucket, and the sum of all.
  var values: (counts: [Int], sum: Double) { state.withLock { $0 } }

  func record(_ value: Int64) { record(Double(value)) }

  func record(_ value: Double) {
    let bucket = bounds.firstIndex { value <= $0 } ?? bounds.count
    state.withLock { state in
      state.counts[bucket] += 1
      state.sum += value
    }
  }

  /// Prometheus counts in seconds.
  func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }
}
