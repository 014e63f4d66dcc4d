import Foundation
import LLaVA
import TestModels
import TestSupport
import Testing

@testable import Training

/// `epic plan`, and the estimate beside what a step really leaves in memory.
@Suite struct PlanCommandTests {
  private struct Report: Decodable {
    struct Row: Decodable {
      let sharding: MemorySetting.Sharding
      let recompute, fits: Bool
      let microBatch, bytes, freeBytes: Int
      let parts: [MemoryEstimate.Part: Int]
    }
    struct Recommendation: Decodable {
      let row: Row
      let accumulation: Int
      let yaml: String
    }
    let parameters, trainedParameters, gpus, gpuMemoryBytes, visualTokens, textTokens: Int
    let rows: [Row]
    let recommended: Recommendation?
    let remedies: [String]
  }

  private func plan(_ arguments: [String], code: Int32 = 0) async throws -> Report {
    let outcome = try await EpicCommand.run(["plan", "--json"] + arguments)
    #expect(outcome.code == code && outcome.err == "", "\(outcome.err)")
    return try JSONDecoder().decode(Report.self, from: Data(outcome.out.utf8))
  }

  /// 13B with float32 masters: 208 GB on one GPU, which fits nowhere; divided over eight it does.
  @Test func thirteenBillionOnEight() async throws {
    let found = try await plan(["--preset", "llava-1.5-13b", "--gpus", "8", "--gpu-memory", "80"])
    #expect(found.parameters == 13_351_494_656 && found.gpus == 8 && found.gpuMemoryBytes == 80_000_000_000)
    #expect(found.visualTokens == 576 && found.textTokens == 2048 - 576)
    #expect(found.rows.map(\.sharding) == [.none, .optimizer, .none, .optimizer, .full])
    #expect(found.rows.filter { $0.sharding != .full }.allSatisfy { !$0.fits && $0.freeBytes < 0 })
    let full = try #require(found.recommended)
    #expect(full.row.sharding == .full && full.row.recompute && full.row.fits && full.row.bytes <= 80_000_000_000)
    #expect(full.row.microBatch * full.accumulation * 8 == 128)
    for row in found.rows { #expect(row.parts.values.reduce(0, +) == row.bytes && row.bytes + row.freeBytes == 80_000_000_000) }
    let text = try await EpicCommand.run(["plan", "--preset", "llava-1.5-13b"])
    #expect(text.code == 0 && text.out.contains("lacks") && text.out.contains("distributed:\n  shard: full"), "\(text.out)")
  }

  /// Lines that are recommended are lines of a run's file, and say the same there.
  @Test func whatIsRecommendedCanBePasted() async throws {
    let found = try await plan([
      "--preset", "llava-1.5-7b", "--gpus", "8", "--gpu-memory", "80", "--lora-rank", "64", "--keep", "64", "--max-length",
      "1024",
    ])
    let best = try #require(found.recommended)
    #expect(best.row.sharding == .none && !best.row.recompute)
    let scratch = try Scratch()
    let file = scratch.url.appending(path: "run.yaml")
    try Data("model: m\noutput: o\n\(best.yaml)\n".utf8).write(to: file)
    let configuration = try TrainingConfiguration(contentsOf: file)
    #expect(configuration.batch.samples == best.row.microBatch && configuration.batch.accumulation == best.accumulation)
    #expect(configuration.lora.rank == 64 && configuration.compression.reduce == "dart:64@2")
    #expect(configuration.data.maximumLength == 1024 && configuration.distributed.shard.rawValue == "none")
    // The same run by its file, whose model is a folder with nothing but a configuration, on one small GPU.
    let place = try EpicCommand.workplace()
    try FileManager.default.removeItem(at: place.url.appending(path: "model/model.safetensors"))
    try Data("model: \(place.url.path)/model\nbatch: {samples: 4, accumulation: 2}\n".utf8).write(to: file)
    let tiny = try await plan(["--config", file.path, "--gpus", "1", "--gpu-memory", "1.5"])
    #expect(tiny.rows.map(\.sharding) == [.none, .none] && tiny.recommended?.row.microBatch == 8)
    let given = try await plan(["--config", file.path, "--gpus", "2", "--gpu-memory", "1.5", "--micro-batch", "3"])
    #expect(given.rows.allSatisfy { $0.microBatch == 3 } && given.recommended?.accumulation == 2)
  }

  @Test func whereNothingFitsItSaysWhatWould() async throws {
    let found = try await plan(["--preset", "llava-1.5-13b", "--gpus", "1", "--gpu-memory", "80"], code: 1)
    #expect(found.recommended == nil && found.rows.allSatisfy { !$0.fits })
    #expect(found.remedies.contains { $0.contains("such GPUs") } && found.remedies.contains { $0.contains("--lora-rank") })
    // What is said to help does.
    let more = try #require(found.remedies.lazy.compactMap { Int($0.prefix { $0.isNumber }) }.first)
    #expect(try await plan(["--preset", "llava-1.5-13b", "--gpus", "\(more)", "--gpu-memory", "80"]).recommended != nil)
    let adapted = try await plan(["--preset", "llava-1.5-13b", "--gpus", "1", "--gpu-memory", "80", "--lora-rank", "128"])
    #expect(adapted.recommended != nil)
    let text = try await EpicCommand.run(["plan", "--preset", "llava-1.5-13b", "--gpus", "1"])
    #expect(text.code == 1 && text.out.contains("nothing fits") && text.err == "")
  }

  @Test(arguments: [
    (["--gpus", "0"], 2, "--gpus is 0"), (["--gpu-memory", "-5"], 2, "--gpu-memory is -5"),
    (["--gpu-memory", "nan"], 2, "gpu-memory"),
    (["--preset", "llava-9"], 2, "llava-9"), (["--max-length", "0"], 2, "--max-length is 0"),
    (["--max-length", "99999999999"], 2, "--max-length"),
    (["--micro-batch", "999999999"], 2, "--micro-batch"), (["--gpus", "99999999999999999999"], 2, "gpus"),
    (["--lora-rank", "0"], 2, "--lora-rank is 0"), (["--batch", "-1"], 2, "--batch is -1"), (["--keep", "0"], 2, "--keep is 0"),
    (["--layer", "3"], 2, "--keep"), (["--keep", "64", "--curriculum", "nested"], 2, "--curriculum"),
    (["--preset", "tiny", "--model", "m"], 2, "one of them"), (["--model", "./absent"], 1, "absent"),
    (["--config", "absent.yaml"], 1, "absent.yaml"),
    (["--curriculum", "steep"], 1, "steep"), (["--keep", "600"], 1, "600"), (["--max-length", "500"], 1, "576"),
    (["--max-length", "5000"], 1, "4096"),
    (["--set", "batch.size=1"], 1, "batch.size"),
  ])
  func badInputIsOneLine(_ arguments: [String], _ code: Int, _ says: String) async throws {
    let outcome = try await EpicCommand.run(["plan"] + arguments)
    #expect(outcome.code == Int32(code) && outcome.out == "", "\(arguments): \(outcome.out)")
    #expect(outcome.err.split(separator: "\n").count == 1 && outcome.err.contains(says), "\(arguments): \(outcome.err)")
  }

  /// As large as options allow: a number, not a trap.
  @Test func hugeNumbersAreNumbers() async throws {
    let outcome = try await EpicCommand.run([
      "plan", "--preset", "llava-1.5-13b", "--gpus", "4096", "--gpu-memory", "1000000", "--micro-batch", "65536", "--batch",
      "16777216",
    ])
    #expect(outcome.code == 0 || outcome.code == 1, "\(outcome.err)")
    #expect(outcome.err == "" && outcome.out.contains("model "))
  }

  /// What a real forward pass keeps for each further token of text, by the allocator of a program of its own, is what the estimate says.
  ///
  /// What does not grow with the rows, the nodes of the graph among it, is some hundred kilobytes.
  @Test(arguments: [("f32", false, false), ("bf16", true, false), ("f32", true, true)])
  func aForwardPassKeepsWhatIsEstimated(_ dtype: String, _ isNested: Bool, _ recompute: Bool) async throws {
    struct Bench: Decodable { let activationBytes: Int }
    let model = try LLaVAConfiguration.preset("tiny")
    var found: [(measured: Int, estimated: Int)] = []
    for text in [64, 192] {
      let outcome = try await EpicCommand.run(
        [
          "bench", "train", "--preset", "tiny", "--json", "--dtype", dtype, "--budgets", isNested ? "9,4" : "none", "--batch",
          "16",
          "--text-tokens", "\(text)", "--layer", "2", "--steps", "1",
        ] + (recompute ? ["--recompute"] : []))
      #expect(outcome.code == 0, "\(outcome.err)")
      let nested = ["curriculum.name=nested", "curriculum.smallest=4", "curriculum.ladder=[9]", "curriculum.layer=2"]
      let configuration = try TrainingConfiguration(
        contentsOf: nil,
        changes: ["model=m", "output=o", "data.file=d", "dtype=\(dtype)", "steps=4", "distillation.recompute=\(recompute)"]
          + (isNested ? nested : ["curriculum.name=none"])
      ).resolved(for: model)
      let setting = try MemorySetting(
        configuration, for: model, batch: .init(samples: 16, text: text, supervised: text / 2), machine: .cpu(program: 0))
      let parts = try MemoryEstimate(setting).moments[.forward] ?? [:]
      found.append(
        (
          try JSONDecoder().decode(Bench.self, from: Data(outcome.out.utf8)).activationBytes,
          (parts[.activations] ?? 0) + (parts[.gradients] ?? 0)
        ))
    }
    let (measured, estimated) = (found[1].measured - found[0].measured, found[1].estimated - found[0].estimated)
    #expect(abs(Double(measured) / Double(estimated) - 1) < 0.03, "measured \(measured), estimated \(estimated)")
    #expect(abs(found[0].measured - found[0].estimated) < 2_000_000, "\(found[0])")
  }
}
