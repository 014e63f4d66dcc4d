import Basics
import EvaluationLayouts
import Foundation
import LLaVA
import Results
import TestModels
import TestSupport
import Testing
import Torch

/// `epic train` as several processes that find each other by the variables of torchrun.
@Suite(.serialized) struct DistributedCommandTests {
  /// The same bits, in weights, moments and losses, as one process that takes as many micro-batches a step.
  @Test(arguments: [
    ("token", ["dtype=f32"], 2, "none"), ("layer", ["lora.rank=2"], 2, "optimizer"), ("integrated", ["dtype=bf16"], 2, "none"),
    ("nested", ["lora.rank=2"], 2, "none"), ("auto", ["dtype=bf16", "curriculum.teacher=frozen"], 2, "optimizer"),
    ("token", ["lora.rank=2"], 4, "none"),
    ("nested", ["dtype=f32"], 4, "optimizer"),
    ("integrated", ["dtype=bf16"], 2, "full"), ("token", ["lora.rank=2", "optimizer.max-grad-norm=0.01"], 2, "full"),
    ("nested", ["curriculum.cut-layers=[1,2,3]", "curriculum.teacher=full", "curriculum.draws=sample"], 4, "full"),
    ("nested", ["curriculum.teacher=frozen", "optimizer.parts=[projector, decoder, tower]"], 3, "full"), ("auto", [], 2, "full"),
  ]) func processesTrainAsOne(_ curriculum: String, _ more: [String], _ count: Int, _ shard: String) async throws {
    let place = try TrainingPlace()
    let held = ["validation.file=\(place.path("data.jsonl"))", "validation.every=3", "validation.reduce=['dart:3@1']"]
    let keys = ["curriculum.name=\(curriculum)"] + held + more
    try await place.alone("alone", accumulation: count, keys)
    let outcomes = try await place.together(
      (0..<count).map { _ in place.arguments("together", accumulation: 1, keys + ["distributed.shard=\(shard)"]) })
    for outcome in outcomes { #expect(outcome.code == 0, "\(outcome.err)") }
    #expect(outcomes.dropFirst().allSatisfy { $0.out.isEmpty })
    let (one, many) = (try place.result("alone"), try place.result("together"))
    #expect(one.losses.count == 6 && one.losses == many.losses)
    #expect(one.model == many.model && one.optimizer == many.optimizer)
    #expect(one.held.count == 2 && one.held.allSatisfy { $0.count == 2 } && one.held == many.held)
    #expect(one.skipped == 1 && many.skipped == 1)
    let files = try FileManager.default.contentsOfDirectory(atPath: place.path("together/checkpoint-000006/run"))
    #expect(files.count { $0.hasPrefix("optimizer") } == (shard == "none" ? 1 : count))
    if shard == "full" { return }
    // One round of gradients and one of weights, or of sums of gradients.
    let checkpoint = try SafetensorsFile(place.scratch.url.appending(path: "together/checkpoint-000006/model.safetensors"))
    let bytes = checkpoint.entries.values.reduce(0) { $0 + $1.byteCount }
    #expect(try place.lines("alone").allSatisfy { $0.sentBytes == nil })
    let sent = try place.lines("together").map { $0.sentBytes ?? 0 }
    #expect(Set(sent).count == 1 && sent[0] > 0 && sent[0] < 3 * bytes, "\(sent) of \(bytes)")
  }

  /// With all weights divided, what a process sends is what the documents say: N - 1 times its part of each unit that is brought together, and
  /// as much of each that is trained and added up.
  @Test func whatDividedWeightsSendIsAFormula() async throws {
    let place = try TrainingPlace()
    let keys = ["curriculum.name=fixed", "distributed.shard=full"]
    let count = 3
    let accumulation = 2
    let arguments = place.arguments("together", accumulation: accumulation, keys)
    for outcome in try await place.together((0..<count).map { _ in arguments }) { #expect(outcome.code == 0, "\(outcome.err)") }
    let model = try TestModel.tiny(seed: 1)
    // Bytes that a process sends of a part: what it has of it, to each other one.
    func bytes(_ includes: (Parameter) -> Bool) -> Int {
      let elements = model.parameters.parameters.filter(includes).reduce(0) { $0 + ($1.tensor.count + 63) / 64 * 64 }
      return (elements + 64 * count - 1) / (64 * count) * 64 * 4 * (count - 1)
    }
    func layer(_ index: Int) -> Int { bytes { $0.name.hasPrefix("decoder.layers.\(index).") } }
    let (tower, projector) = (bytes { $0.group == .tower }, bytes { $0.group == .projector })
    let embeddings = bytes { $0.name == "decoder.embed_tokens.weight" }
    let (norm, head) = (bytes { $0.name == "decoder.norm.weight" }, bytes { $0.name == "decoder.lm_head.weight" })
    let layers = (0..<model.configuration.text.layers).map(layer)
    // Forward: all once, and what lies behind the cut, here one layer, once more for the teacher. Backward: layers and projector.
    let gathered =
      tower + projector + embeddings + norm + head + layers.reduce(0, +) + layers.dropFirst().reduce(0, +)
      + layers.reduce(0, +) + projector
    let summed = projector + embeddings + norm + head + layers.reduce(0, +)
    let sent = try place.lines("together").map { $0.sentBytes ?? 0 }
    #expect(sent == sent.map { _ in accumulation * (gathered + summed) })
  }

  /// A run goes on with other numbers of processes.
  @Test func processesMayBeOthersAfterAnInterruption() async throws {
    let place = try TrainingPlace()
    let keys = ["checkpoints.every=2"]
    try await place.alone("alone", accumulation: 4, keys)
    func forget(_ steps: Int...) throws {
      for step in steps {
        try FileManager.default.removeItem(at: place.scratch.url.appending(path: "together/checkpoint-00000\(step)"))
      }
    }
    let four = place.arguments("together", accumulation: 1, keys + ["distributed.shard=optimizer"])
    for outcome in try await place.together([four, four, four, four]) {
      #expect(outcome.code == 0, "\(outcome.err)")
    }
    try forget(4, 6)
    let two = place.arguments("together", accumulation: 2, keys) + ["--resume"]
    for outcome in try await place.together([two, two]) { #expect(outcome.code == 0, "\(outcome.err)") }
    try forget(6)
    let one = try await EpicCommand.run(place.arguments("together", accumulation: 4, keys) + ["--resume"])
    #expect(one.code == 0, "\(one.err)")
    let same = try place.result("alone") == place.result("together")
    #expect(same)
    let other = try await EpicCommand.run(place.arguments("together", accumulation: 3, keys) + ["--resume"])
    #expect(other.code == 1 && other.err.contains("batch.accumulation"), "\(other.err)")
  }

  /// Divided weights fit other numbers of processes too, and one that has all of them.
  @Test func dividedWeightsFitOtherProcesses() async throws {
    let place = try TrainingPlace()
    let keys = ["checkpoints.every=2", "distributed.shard=full"]
    try await place.alone("alone", accumulation: 12, keys)
    for (processes, forgotten) in [(4, [4, 6]), (2, [6]), (3, [6]), (1, [])] {
      let arguments =
        place.arguments("together", accumulation: 12 / processes, keys) + (processes == 4 ? [] : ["--resume"])
      let outcomes =
        processes == 1
        ? [try await EpicCommand.run(arguments)]
        : try await place.together((0..<processes).map { _ in arguments })
      for outcome in outcomes { #expect(outcome.code == 0, "\(outcome.err)") }
      for step in forgotten {
        try FileManager.default.removeItem(at: place.scratch.url.appending(path: "together/checkpoint-00000\(step)"))
      }
    }
    let same = try place.result("alone") == place.result("together")
    #expect(same)
  }

  /// Benchmarks are asked of divided weights too: scores and pictures are those of one process, and training is not disturbed.
  @Test func dividedWeightsAnswerBenchmarks() async throws {
    struct Line: Decodable {
      struct Score: Decodable, Equatable {
        let benchmark, reduce: String
        let score: Double
      }
      let benchmarks: [Score]?
    }
    let place = try TrainingPlace()
    let data = try DataFolder()
    for name in ["pope", "gqa"] { try data.make(name) }
    let keys = [
      "validation.benchmarks=[pope, gqa]", "validation.benchmark-data=\(data.url.path)", "validation.every=3",
      "validation.questions=9",
      "validation.reduce=['dart:4@1', 'cdpruner:5@features', 'fastv:6@2']", "data.max-length=400",
    ]
    func scores(_ output: String) throws -> [[Line.Score]] {
      try Data(contentsOf: place.scratch.url.appending(path: "\(output)/metrics.jsonl")).split(separator: UInt8(ascii: "\n"))
        .compactMap { try JSONDecoder().decode(Line.self, from: $0).benchmarks }
    }
    try await place.alone("alone", accumulation: 3, keys)
    let arguments = place.arguments("together", accumulation: 1, keys + ["distributed.shard=full"])
    for outcome in try await place.together([arguments, arguments, arguments]) { #expect(outcome.code == 0, "\(outcome.err)") }
    let (one, many) = (try scores("alone"), try scores("together"))
    #expect(many.count == 2 && many.allSatisfy { $0.count == 8 } && one == many)
    let same = try place.result("alone") == place.result("together")
    #expect(same)
    let galleries = try ["alone", "together"].map {
      try PictureGallery(from: place.scratch.url.appending(path: "\($0)/benchmarks/step-6"))
    }
    #expect(galleries[0].items.count == 4 && galleries[0] == galleries[1])
  }

  /// Processes share the questions; answers and scores are those of one, and what was answered is not asked again by others.
  @Test func processesShareQuestions() async throws {
    let place = try TrainingPlace()
    let data = try DataFolder()
    try data.make("gqa")
    func arguments(_ output: String, _ more: [String] = []) -> [String] {
      [
        "eval", "--model", place.path("model"), "--benchmark", "gqa", "--data", data.url.path, "--output", place.path(output),
        "--compressor", "dart", "--keep", "5", "--layer", "1", "--max-tokens", "3", "--threads", "1", "--timed", "0", "--dtype",
        "f32",
      ] + more
    }
    func results(_ output: String) throws -> EvaluationResults {
      try EvaluationResults(from: place.scratch.url.appending(path: output))
    }
    let alone = try await EpicCommand.run(arguments("alone"))
    #expect(alone.code == 0, "\(alone.err)")
    for outcome in try await place.together([arguments("shared", ["--limit", "6"]), arguments("shared", ["--limit", "6"])]) {
      #expect(outcome.code == 0, "\(outcome.err)")
    }
    let outcomes = try await place.together((0..<3).map { _ in arguments("shared") })
    for outcome in outcomes { #expect(outcome.code == 0, "\(outcome.err)") }
    #expect(outcomes[0].out.contains("dart") && outcomes[1].out.isEmpty && outcomes[2].out.isEmpty)
    #expect(try results("alone") == results("shared"))
    let folder = try #require(
      try FileManager.default.subpathsOfDirectory(atPath: place.path("shared")).first { $0.hasSuffix("answers-2.jsonl") })
    #expect(!folder.isEmpty)
    // All is there, so one process asks nothing.
    let again = try await EpicCommand.run(arguments("shared"))
    #expect(again.code == 0 && again.out.contains("0 questions to ask"), "\(again.out)")
  }

  /// Each process writes what it did in the step that was asked for, and in no other.
  @Test func aStepIsTraced() async throws {
    struct Trace: Decodable {
      struct Event: Decodable {
        let name: String?
      }
      let traceEvents: [Event]
    }
    let place = try TrainingPlace()
    let keys = ["distributed.shard=full", "log.trace=2", "steps=3"]
    try await place.alone("alone", accumulation: 2, keys)
    let arguments = place.arguments("together", accumulation: 1, keys)
    for outcome in try await place.together([arguments, arguments]) {
      #expect(outcome.code == 0 && !outcome.err.contains("ERROR") && !outcome.err.contains("Kineto"), "\(outcome.err)")
    }
    func names(_ path: String) throws -> Set<String> {
      let data = try Data(contentsOf: place.scratch.url.appending(path: path))
      return Set(try JSONDecoder().decode(Trace.self, from: data).traceEvents.compactMap(\.name))
    }
    let own: Set = ["data", "micro-batch", "backward", "gradients of all", "optimizer"]
    #expect(try names("alone/trace-000002.json").isSuperset(of: own.union(["aten::mm"])))
    for file in ["trace-000002.json", "trace-000002-1.json"] {
      let found = try names("together/\(file)")
      #expect(found.isSuperset(of: own) && found.contains { $0.hasPrefix("gloo:") }, "\(found.sorted())")
    }
    let files = try FileManager.default.contentsOfDirectory(atPath: place.path("together"))
    #expect(files.count { $0.contains("trace-") } == 2)
  }

  @Test func whatDoesNotFitTogetherIsSaid() async throws {
    let place = try TrainingPlace()
    let unequal = try await place.together([
      place.arguments("a", accumulation: 1), place.arguments("a", accumulation: 1, ["optimizer.learning-rate=2e-3"]),
    ])
    for outcome in unequal {
      #expect(outcome.code == 1 && outcome.err.contains("another configuration"), "\(outcome.err)")
    }
    let tokens = try await place.together(
      (0..<2).map { _ in place.arguments("b", accumulation: 1, ["batch.tokens=900"]) })
    for outcome in tokens { #expect(outcome.code == 1 && outcome.err.contains("batch.tokens"), "\(outcome.err)") }
    // Nobody else comes.
    let late = try await EpicCommand.run(
      place.arguments("c", accumulation: 1, ["distributed.timeout=2"]),
      environment: ["RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29123"])
    #expect(late.code == 1 && late.err.contains("rank 0 of 2: not all processes met"), "\(late.err)")
    let wrong = try await EpicCommand.run(
      place.arguments("d", accumulation: 1),
      environment: ["RANK": "7", "WORLD_SIZE": "2", "MASTER_ADDR": "a", "MASTER_PORT": "1"])
    #expect(wrong.code == 1 && wrong.err.contains("the variable RANK is 7, expected 0...1"), "\(wrong.err)")
  }
}
