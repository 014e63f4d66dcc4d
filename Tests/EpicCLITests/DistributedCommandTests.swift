import Foundation
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
}
