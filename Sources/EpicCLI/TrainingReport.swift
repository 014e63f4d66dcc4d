import Basics
import Foundation
import Training

/// What `epic train` prints.
final class TrainingReport {
  private let run: TrainingRun
  private let isTerminal = isatty(STDERR_FILENO) == 1
  private let start = ContinuousClock.now
  private let first: Int
  /// Smoothed seconds of a step.
  private var pace: Double?

  private let memory: [MemoryEstimate]

  /// - Parameter program: bytes that the process had before the run was prepared.
  init(_ run: TrainingRun, program: Int) throws {
    self.run = run
    memory = try run.memory(program: program)
    first = run.step
  }

  /// What is about to be done, and what memory it will take.
  func beginning() -> String {
    var lines = [
      "data        \(formatCount(run.samples)) samples, \(formatCount(run.steps)) steps"
        + (first > 0 ? "; goes on after step \(formatCount(first))" : ""),
      "model       \(formatCount(run.model.parameters.count())) parameters, \(formatCount(run.trainedElements)) of them trained",
    ]
    if let most = memory.max(by: { $0.total < $1.total }) { lines.append("memory      about " + most.text) }
    if memory.count > 1 {
      let totals = memory.enumerated().map { "\($0.offset): \(formatBytes($0.element.total))" }
      lines.append("processes   about \(totals.joined(separator: ", "))")
    }
    if let count = run.validationSamples {
      let every = run.configuration.validation.every.map { "every \(formatCount($0)) steps" } ?? "at the end"
      lines.append("held out    \(formatCount(count)) samples, measured \(every)")
    }
    lines.append("results in  \(run.folder.url.relativePath)")
    return lines.joined(separator: "\n")
  }

  /// A live line on a terminal, else a plain one every so many steps.
  func show(_ record: StepRecord, on line: ProgressLine) throws {
    pace = pace.map { 0.9 * $0 + 0.1 * record.seconds } ?? record.seconds
    let text = description(record)
    if isTerminal {
      line.show { text }
    } else if record.step % run.configuration.log.every == 0 || record.step == run.steps {
      try printLine(text)
    }
    if let held = record.validation {
      line.clear()
      let losses = held.map { String(format: "%@ %.4f", $0.reduce, $0.crossEntropy) }.joined(separator: "  ")
      try printLine("step \(record.step): held out  ce of \(formatCount(held.first?.samples ?? 0)) samples  \(losses)")
    }
    for name in run.configuration.validation.benchmarks {
      let found = (record.benchmarks ?? []).filter { $0.benchmark == name }
      guard let first = found.first else { continue }
      line.clear()
      let scores = found.map { String(format: "%@ %.1f", $0.reduce, $0.score) }.joined(separator: "  ")
      try printLine("step \(record.step): \(name)  percent of \(formatCount(first.questions)) questions  \(scores)")
    }
  }

  private func description(_ record: StepRecord) -> String {
    let left = Double(run.steps - record.step) * (pace ?? 0)
    let rate = String(format: "%.2e", record.learningRate)
    let head = String(format: "step %d of %d  loss %.4f", record.step, run.steps, record.loss)
    let tail = String(format: "lr %@  %.2f samples/s  %@ left", rate, record.samplesPerSecond, formatDuration(left))
    return "\(head)  \(terms(record))  layer \(record.layer)  \(tail)"
  }

  /// Both terms of a step with one student, and its ratios; or tokens and terms of each budget.
  private func terms(_ record: StepRecord) -> String {
    if let budgets = record.budgets, budgets.count > 1 {
      return budgets.map { budget in
        let tokens = budget.tokens.map { String(format: "%.0f tokens ", $0) } ?? ""
        return tokens + String(format: "ce %.4f", budget.crossEntropy)
          + (budget.divergence.map { String(format: " div %.4f", $0) } ?? "")
      }.joined(separator: "  ")
    }
    let teacher = record.teacherRatio.map { String(format: "/%.3f", $0) } ?? ""
    let divergence = record.teacherRatio == nil ? "" : String(format: "  div %.5f", record.divergence)
    return String(format: "ce %.4f", record.crossEntropy) + divergence + String(format: "  ratio %.3f", record.studentRatio)
      + teacher
  }

  /// What became of the run, and how it goes on.
  func end(_ ending: TrainingRun.Ending, command: String) -> String {
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    var lines: [String] = []
    let skipped = run.skipped.sorted { $0.key.rawValue < $1.key.rawValue }
    if !skipped.isEmpty {
      let kinds = skipped.map { "\(formatCount($0.value)) \($0.key.rawValue)" }.joined(separator: ", ")
      lines.append("skipped     \(kinds); see \(run.folder.skipped.relativePath)")
    }
    if let best = run.best {
      let loss = best.crossEntropy.map { String(format: "held out ce %.4f", $0) }
      let score = best.score.map { String(format: "%.1f percent", $0) }
      lines.append("best        step \(formatCount(best.step)), \(loss ?? score ?? "") (\(best.name))")
    }
    let done = "\(formatCount(run.step - first)) steps in \(formatDuration(seconds))"
    switch ending {
    case .complete: lines.append("done        \(done), peak memory \(formatBytes(peakMemoryBytes()))")
    case .stoppedEarly:
      let count = run.best?.measurementsSince ?? 0
      let measurements = "\(formatCount(count)) measurement\(count == 1 ? "" : "s")"
      lines.append(
        "ended early \(done), saved after step \(formatCount(run.step)): the held out loss has not improved for \(measurements)")
    case .stopped: lines.append("stopped     \(done), saved after step \(formatCount(run.step)); go on with\n  \(command)")
    }
    return lines.joined(separator: "\n")
  }
}
