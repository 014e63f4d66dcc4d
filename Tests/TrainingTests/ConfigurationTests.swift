import Foundation
import LLaVA
import TestSupport
import Testing

@testable import Distillation
@testable import Training

@Suite struct ConfigurationTests {
  private func read(_ yaml: String, _ changes: String...) throws -> TrainingConfiguration {
    let scratch = try Scratch()
    let file = scratch.url.appending(path: "run.yaml")
    try Data(yaml.utf8).write(to: file)
    return try TrainingConfiguration(contentsOf: file, changes: changes)
  }

  private func problems(_ yaml: String, _ changes: String...) -> String {
    let error = #expect(throws: ConfigurationProblem.self) {
      let scratch = try Scratch()
      let file = scratch.url.appending(path: "run.yaml")
      try Data(yaml.utf8).write(to: file)
      _ = try TrainingConfiguration(contentsOf: file, changes: changes)
    }
    return error.map { "\($0)" } ?? ""
  }

  @Test func everythingThatIsWrongIsSaidAtOnce() {
    let found = problems(
      """
      model: start
      batch:
        samples: many
        smaples: 4
      curriculum: {name: token, gap: '2:'}
      optimizer:
        learning-rate: -1
        schedule: cosinus
      distillation:
        positions: predicting
        temperature: 0
      nonsense: {a: 1}
      data: 7
      """, "seed=x", "checkpoints.evry=3", "no sign")
    for fragment in [
      "batch.samples is many, expected a whole number (line 3)", "batch.smaples is no key (line 4); did you mean batch.samples?",
      "curriculum.gap is 2:, expected a ratio", "optimizer.learning-rate is -1, expected 0 or more (line 7)",
      "optimizer.schedule is cosinus, expected cosine, linear, constant, constant-decay (line 8)",
      "distillation.temperature is 0",
      "nonsense is no key",
      "data is no key (line 13)", "seed is x", "checkpoints.evry is no key; did you mean checkpoints.every?",
      "no sign: expected key=value",
    ] { #expect(found.contains(fragment), "\(fragment) in \(found)") }
    #expect(!found.contains("\n") && !found.contains("positions"))
  }

  @Test(arguments: ["", "- a\n- b", "just text", "a: [1", "\u{1}"]) func filesThatAreNoConfigurationAreOneLine(_ yaml: String) {
    let found = problems(yaml)
    #expect(found.contains("run.yaml") && !found.contains("\n"), "\(found)")
  }

  @Test func aMissingFileIsNamed() {
    let error = #expect(throws: ConfigurationProblem.self) {
      try TrainingConfiguration(contentsOf: URL(filePath: "/absent/run.yaml"))
    }
    #expect(error.map { "\($0)".contains("/absent/run.yaml") } ?? false)
  }

  /// What is written is read again, with every key away from its default.
  @Test func yamlComesBack() throws {
    var configuration = try read(
      "model: 'a: b'\noutput: \"null\"\n", "optimizer.parts=[tower, decoder]", "curriculum.gap=0.1:0.3:0.4")
    for change in [
      "steps=7", "dtype=f16", "data.images=x y", "curriculum.teacher-min=0.125", "distillation.scales-by-temperature=true",
      "optimizer.max-grad-norm=1.5", "stage=pretrain", "semantics=reference", "preset=epic-code", "batch.tokens=900", "threads=3",
    ] { try configuration.set(change) }
    #expect(try read(configuration.yaml()) == configuration)
    #expect(configuration.output == "null" && configuration.steps == 7 && configuration.optimizer.parts == [.tower, .decoder])
    for key in ConfigurationKey.all {
      #expect(try configuration.yaml().contains(key.path.split(separator: ".").last.map(String.init) ?? "?"))
    }
    #expect(Set(ConfigurationKey.all.map(\.path)).count == ConfigurationKey.all.count)
  }

  private func resolved(_ changes: String...) throws -> TrainingConfiguration {
    var configuration = try read("model: m\noutput: o\ndata: {file: f}\n")
    for change in changes { try configuration.set(change) }
    return try configuration.resolved(for: .preset("llava-1.5-7b"))
  }

  @Test func presetsAndSemanticsAreKeptApart() throws {
    let paper = try resolved()
    #expect(paper.distillation.divergenceWeight == 0.7 && paper.distillation.scalesByTemperature == false)
    #expect(paper.distillation.positions == .predicting && paper.optimizer.weighting == .tokens && paper.curriculum.layer == 2)
    #expect(
      paper.curriculum.studentMaximum == Ramp("0.05:0.9")
        && paper.optimizerOptions.learningRates == [.projector: 2e-5, .decoder: 2e-5])
    let code = try resolved("preset=epic-code", "semantics=reference")
    #expect(code.distillation.divergenceWeight == 0.5 && code.distillation.scalesByTemperature == true)
    #expect(code.distillation.positions == .holding && code.optimizer.weighting == .batches)
    #expect(code.curriculum.studentMaximum == Ramp("0.1:0.74") && code.compression.semantics == .reference)
    let pretrain = try resolved("stage=pretrain")
    #expect(pretrain.optimizerOptions.learningRates == [.projector: 1e-3] && pretrain.curriculum.name == "none")
    // What is given stands.
    #expect(try resolved("distillation.divergence-weight=0").distillation.divergenceWeight == 0)
    let adapters = try resolved("lora.rank=8")
    #expect(adapters.optimizerOptions.learningRates == [.projector: 2e-5, .adapter: 2e-4] && adapters.lora.alpha == 16)
    // Resolved once more, nothing changes.
    for found in [paper, code, pretrain, adapters] { #expect(try found.resolved(for: .preset("llava-1.5-7b")) == found) }
  }

  @Test func whatDoesNotFitTogetherIsSaidAtOnce() throws {
    let error = #expect(throws: ConfigurationProblem.self) {
      var configuration = TrainingConfiguration()
      for change in [
        "data.template=alpaca", "data.max-length=9000", "batch.tokens=100", "curriculum.name=spiral",
        "compression.compressor=drat",
        "optimizer.tower-learning-rate=1e-6",
      ] { try configuration.set(change) }
      _ = try configuration.resolved(for: .preset("base"))
    }
    let found = error.map { "\($0)" } ?? ""
    for fragment in [
      "model is missing", "output is missing", "data.file is missing", "alpaca",
      "data.max-length is 9000, expected at most the model's 4096",
      "batch.tokens is 100", "steps is missing", "spiral", "drat", "optimizer.tower-learning-rate is given",
    ] { #expect(found.contains(fragment), "\(fragment) in \(found)") }
    #expect(throws: ConfigurationProblem.self) { try resolved("curriculum.name=fixed", "curriculum.stages=3") }
    #expect(throws: ConfigurationProblem.self) { try resolved("curriculum.name=layer", "preset=epic-code") }
  }
}
