import Basics
import Foundation
import LLaVA
import TestModels
import TestSupport
import Testing
import Torch

@testable import Training

/// What a run does to a folder that is not its own alone, and to a run that it goes on with.
@Suite struct RunFolderTests {
  private func write(_ text: String, _ url: URL) throws {
    try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: url)
  }

  /// An output folder that is a repository, holds another program's checkpoints, and what a killed run left.
  @Test func whatOthersPutThereStays() throws {
    let place = try RunPlace()
    let output = place.url.appending(path: "run")
    let foreign = [
      ".git/HEAD", ".env", "notes.txt", "checkpoint-1/trainer_state.json", "checkpoint-000003.md", "checkpoint-+2/x",
      ".epic-partial-notes/x", ".writing-checkpoint-000009/x", ".removed-1/x",
    ]
    for name in foreign { try write(name, output.appending(path: name)) }
    let left = PartialName.place(beside: output.appending(path: "checkpoint-000002"))
    try write("half", left.appending(path: "model.safetensors"))
    let found = try place.run(place.configuration("run", "checkpoints.every=1", "checkpoints.keep=1"))
    #expect(found.folder.checkpoints.map(\.step) == [4])
    for name in foreign { #expect(try String(contentsOf: output.appending(path: name), encoding: .utf8) == name) }
    #expect(!FileManager.default.fileExists(atPath: left.path))
    let names = try FileManager.default.contentsOfDirectory(atPath: output.path)
    #expect(names.allSatisfy { PartialName.finalName(of: $0) == nil }, "\(names)")
  }

  @Test func whatHasTheNameOfOursIsRefusedAndNotReplaced() throws {
    let place = try RunPlace()
    let (yaml, checkpoint) = (
      place.url.appending(path: "a/configuration.yaml"), place.url.appending(path: "b/checkpoint-000002/x")
    )
    for file in [yaml, checkpoint] { try write("mine", file) }
    let refused = #expect(throws: RunError.self) { try place.run(place.configuration("a")) }
    #expect(refused.map { "\($0)".contains("configuration.yaml: is not of this run") } ?? false)
    let late = #expect(throws: RunError.self) { try place.run(place.configuration("b", "checkpoints.every=2")) }
    #expect(late.map { "\($0)".contains("checkpoint-000002: is not of this run") } ?? false)
    for file in [yaml, checkpoint] { #expect(try String(contentsOf: file, encoding: .utf8) == "mine") }
  }

  @Test func twoRunsDoNotShareAFolder() throws {
    let place = try RunPlace()
    let first = try TrainingRun(place.configuration("run"))
    let error = #expect(throws: FileError.self) { try TrainingRun(place.configuration("run"), resume: true) }
    #expect(error.map { "\($0)".contains("another process is at work") } ?? false)
    #expect(try first.run() == .complete)
  }

  // MARK: - Metrics

  private func record(_ step: Int) -> StepRecord {
    StepRecord(
      step: step, epoch: 0, loss: 1, crossEntropy: 1, divergence: 0, gradientNorm: 1, learningRate: 1, layer: 1, studentRatio: 0,
      teacherRatio: 0, samples: 1, rows: 1, supervisedTokens: 1, seconds: 1, dataSeconds: 0)
  }

  /// The reference lists what a line holds, no more and no less.
  @Test func theFieldsOfALineAreDescribed() {
    let names = Mirror(reflecting: record(1)).children.compactMap(\.label)
    #expect(StepRecord.fields.map(\.name).sorted() == names.sorted())
  }

  /// Lines that cannot be read, of another version or damaged, stay; those that are made again move aside.
  @Test func metricsLoseNothing() throws {
    let scratch = try Scratch()
    let file = scratch.url.appending(path: "metrics.jsonl")
    // A version that wrote other fields, and a line that a loss of power spoilt.
    let old = "{\"step\":1,\"loss\":2}\n{\"step\":2,\"lo\u{0}\n{\"step\":3,\"loss\":2,\"later\":[1]}\n"
    try write(old + "{\"step\":4,\"loss\":2}\n{\"step\":5,\"loss\":2}\n{\"step\":6,", file)
    do {
      let log = try MetricsLog(file, from: 3)
      try log.append(record(4))
    }
    let text = try String(contentsOf: file, encoding: .utf8)
    #expect(text.hasPrefix(old + "{\"crossEntropy\":1,") && text.split(separator: "\n").count == 4)
    let aside = try String(contentsOf: scratch.url.appending(path: "metrics.superseded.jsonl"), encoding: .utf8)
    #expect(aside == "{\"step\":4,\"loss\":2}\n{\"step\":5,\"loss\":2}\n")
  }

  @Test func metricsThatCannotBeReadAreNotReplaced() throws {
    let scratch = try Scratch()
    let file = scratch.url.appending(path: "metrics.jsonl")
    try FileManager.default.createDirectory(at: file, withIntermediateDirectories: true)
    #expect(throws: FileError.self) { try MetricsLog(file, from: 0) }
    try FileManager.default.removeItem(at: file)
    try write("{\"step\":1}\n", file)
    try FileManager.default.setAttributes([.posixPermissions: 0], ofItemAtPath: file.path)
    // A superuser reads it all the same.
    if getuid() != 0 { #expect(throws: FileError.self) { try MetricsLog(file, from: 0) } }
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file.path)
    #expect(try String(contentsOf: file, encoding: .utf8) == "{\"step\":1}\n")
  }

  // MARK: - The model

  @Test func anotherModelIsNoticed() throws {
    let place = try RunPlace()
    let changes = ["checkpoints.every=2", "optimizer.parts=[projector]"]
    func configuration(_ output: String, _ model: String) throws -> TrainingConfiguration {
      try (changes + ["model=\(place.url.appending(path: model).path)"]).reduce(place.configuration(output)) {
        try $0.changed($1)
      }
    }
    func copy(_ name: String, _ change: (URL) throws -> Void) throws {
      let url = place.url.appending(path: name)
      try FileManager.default.copyItem(at: place.url.appending(path: "start"), to: url)
      try change(url)
    }
    #expect(try place.run(configuration("run", "start"), stopAfter: 2).ending == .stopped)
    try TestModel.write(TestModel.tiny(seed: 4), to: place.url.appending(path: "other"))
    try copy("words") { url in
      let file = url.appending(path: "tokenizer_config.json")
      try write(String(contentsOf: file, encoding: .utf8).replacing("}", with: #","note":"x"}"#), file)
    }
    try copy("eyes") { url in
      let file = url.appending(path: "preprocessor_config.json")
      try write(String(contentsOf: file, encoding: .utf8).replacing("\"resample\" : 3", with: "\"resample\" : 2"), file)
    }
    for (model, expected) in [
      ("other", "other weights"), ("run/checkpoint-000002", "other weights"), ("words", "tokenizer"),
      ("eyes", "preparation of pictures"),
    ] {
      let error = #expect(throws: RunError.self, "\(model)") { try place.run(configuration("run", model), resume: true) }
      #expect(error.map { "\($0)".contains(expected) && "\($0)".contains(model) } ?? false, "\(model)")
    }
    // The same model in another place.
    try copy("elsewhere") { _ in }
    #expect(try place.run(configuration("run", "elsewhere"), resume: true).records.map(\.step) == [3, 4])
  }
}
