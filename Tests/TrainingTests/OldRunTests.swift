import Foundation
import TestSupport
import Testing

@testable import Training

/// A run that the first version began (`Resources/old-run/make`) and a later one goes on with.
@Suite struct OldRunTests {
  private static let source = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Resources/old-run")

  /// A copy of the run's folder, and its configuration for this place.
  private func place(_ changes: String...) throws -> (scratch: Scratch, configuration: TrainingConfiguration) {
    let scratch = try Scratch()
    let url = scratch.url.appending(path: "old")
    try FileManager.default.copyItem(at: Self.source, to: url)
    let configuration = try TrainingConfiguration(
      contentsOf: url.appending(path: "run/configuration.yaml"),
      changes: [
        "model=\(Fixtures.bundled("model/official").path)", "output=\(url.appending(path: "run").path)",
        "data.file=\(url.appending(path: "data.jsonl").path)",
      ] + changes)
    return (scratch, configuration)
  }

  private func run(_ configuration: TrainingConfiguration) throws -> [StepRecord] {
    let run = try TrainingRun(configuration, resume: true)
    var records: [StepRecord] = []
    _ = try run.run(observe: { if case .step(let record) = $0 { records.append(record) } })
    return records
  }

  private func steps(_ url: URL) throws -> [StepRecord] {
    try Data(contentsOf: url).split(separator: UInt8(ascii: "\n")).map { try JSONDecoder().decode(StepRecord.self, from: $0) }
  }

  /// Changes the state in the run's checkpoint.
  private func change(_ configuration: TrainingConfiguration, _ body: (inout [String: String]) -> Void) throws {
    let folder = RunFolder(URL(filePath: configuration.output))
    let checkpoint = try #require(folder.checkpoints.last)
    var state = try RunState.read(checkpoint)
    body(&state.configuration)
    try JSONEncoder().encode(state).write(to: checkpoint.state)
  }

  @Test func itEndsAsIfItHadNotBeenInterrupted() throws {
    let (scratch, configuration) = try place()
    let records = try run(configuration)
    let whole = try steps(scratch.url.appending(path: "old/whole.jsonl"))
    #expect(records.map(\.step) == [4, 5, 6])
    for (new, old) in zip(records, whole.dropFirst(3)) {
      // The machines may differ, and so the last bits.
      #expect(abs(new.loss - old.loss) < 1e-4 && abs(new.gradientNorm - old.gradientNorm) < 1e-4, "step \(old.step)")
      #expect(new.studentRatio == old.studentRatio && new.rows == old.rows && new.supervisedTokens == old.supervisedTokens)
    }
    // Nothing that was logged is lost.
    let folder = scratch.url.appending(path: "old/run")
    func text(_ url: URL) throws -> [Substring] { try String(contentsOf: url, encoding: .utf8).split(separator: "\n") }
    let (log, before) = (
      try text(folder.appending(path: "metrics.jsonl")), try text(Self.source.appending(path: "run/metrics.jsonl"))
    )
    #expect(Array(log.prefix(3)) == Array(before.prefix(3)) && log.count == 6)
    #expect(try text(folder.appending(path: "metrics.superseded.jsonl")) == Array(before[3...4]))
    let skipped = "run/skipped.jsonl"
    #expect(try text(scratch.url.appending(path: "old/\(skipped)")) == text(Self.source.appending(path: skipped)))
    // From here on the model is known.
    let newest = try #require(RunFolder(folder).checkpoints.last)
    #expect(try newest.step == 6 && RunState.read(newest).model != nil)
  }

  /// A key that came after the run began has its default; another value is another run.
  @Test(arguments: ["optimizer.decay-ratio", "distillation.draws", "compression.semantics", "lora.rank"])
  func aLaterKeyIsNoObstacle(_ key: String) throws {
    let (scratch, configuration) = try place()
    defer { withExtendedLifetime(scratch) {} }
    try change(configuration) { $0[key] = nil }
    let values = [
      "optimizer.decay-ratio": "0.5", "distillation.draws": "nested", "compression.semantics": "reference", "lora.rank": "2",
    ]
    let other = try configuration.changed("\(key)=\(try #require(values[key]))")
      .changed(key == "lora.rank" ? "optimizer.parts=[adapter]" : "seed=0")
    let error = #expect(throws: RunError.self) { try run(other) }
    #expect(error.map { "\($0)".contains(key) } ?? false)
    #expect(try run(configuration).map(\.step) == [4, 5, 6])
  }

  @Test func aKeyThatIsGoneIsNamed() throws {
    let (scratch, configuration) = try place()
    defer { withExtendedLifetime(scratch) {} }
    try change(configuration) { $0["optimizer.gone"] = "3" }
    let error = #expect(throws: RunError.self) { try run(configuration) }
    #expect(error.map { "\($0)".contains("optimizer.gone=3") } ?? false)
  }

  @Test func otherSettingsAreRefusedStill() throws {
    let (scratch, configuration) = try place("optimizer.learning-rate=2e-3", "dtype=bf16")
    defer { withExtendedLifetime(scratch) {} }
    let error = #expect(throws: RunError.self) { try run(configuration) }
    #expect(error.map { "\($0)".contains("another dtype, optimizer.learning-rate") } ?? false)
  }
}
