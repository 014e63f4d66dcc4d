import Basics
import Foundation
import LLaVA
import Training

/// What `epic plan` tells.
struct PlanReport: Encodable {
  struct Row: Encodable {
    let sharding: MemorySetting.Sharding
    let recompute: Bool
    let microBatch: Int
    let fits: Bool
    /// Bytes on the process that takes most, when, and of what.
    let bytes, freeBytes: Int
    let moment: MemoryEstimate.Moment
    let parts: [MemoryEstimate.Part: Int]
    /// By part at each moment of a step.
    let moments: [MemoryEstimate.Moment: [MemoryEstimate.Part: Int]]

    init(_ choice: MemoryPlan.Choice) {
      (sharding, recompute, microBatch, fits) = (choice.sharding, choice.recomputes, choice.samples, choice.fits)
      (bytes, freeBytes) = (choice.estimate.total, choice.free)
      (moment, parts, moments) = (choice.estimate.peak, choice.estimate.parts, choice.estimate.moments)
    }
  }

  struct Recommendation: Encodable {
    let row: Row
    let accumulation: Int
    /// Lines of a run's YAML file.
    let yaml: String
  }

  let model: String
  let parameters, trainedParameters: Int
  let gpus, gpuMemoryBytes: Int
  /// Of the longest sample.
  let visualTokens, textTokens: Int
  let rows: [Row]
  let recommended: Recommendation?
  /// Where nothing fits: what would.
  let remedies: [String]

  /// - Parameters:
  ///   - samples: of a micro-batch; the most that fit unless given.
  ///   - batch: samples of a step, over all processes.
  ///   - changed: keys of the configuration that options have changed, and the recommendation repeats.
  init(
    _ shape: LLaVAConfiguration, name: String, _ given: TrainingConfiguration, gpus: Int, memory: Int, samples: Int?, batch: Int,
    changed: [String]
  ) throws {
    let resolved = try given.resolved(for: shape)
    func setting(_ configuration: TrainingConfiguration, weights: ModelWeights? = nil, gpus: Int) throws -> MemorySetting {
      let visual = shape.pictureLayout.count
      let text = configuration.data.maximumLength - visual
      if text < 2 {
        throw InputError(
          description:
            "the longest sample has \(configuration.data.maximumLength) tokens, its picture \(visual); give --max-length (data.max-length) room for text"
        )
      }
      return try MemorySetting(
        configuration, for: shape, weights: weights, batch: .init(samples: samples ?? 1, text: text, supervised: text),
        processes: gpus, machine: .gpu)
    }
    func plan(_ setting: MemorySetting) throws -> MemoryPlan {
      try MemoryPlan(setting, memory: memory, samples: samples, most: max(1, min(512, batch / max(1, setting.processes))))
    }
    let own = try setting(resolved, gpus: gpus)
    let found = try plan(own)
    model = name
    parameters = own.weights.count()
    trainedParameters = own.weights.count(of: Set(resolved.optimizer.parts ?? []))
    (self.gpus, gpuMemoryBytes) = (gpus, memory)
    (visualTokens, textTokens) = (shape.pictureLayout.count, own.batch.text)
    rows = found.choices.map(Row.init)
    recommended = try found.recommended.map { choice in
      let accumulation = max(1, (batch + choice.samples * gpus - 1) / (choice.samples * gpus))
      return Recommendation(
        row: Row(choice), accumulation: accumulation, yaml: try Self.yaml(choice, accumulation: accumulation, given, changed))
    }
    remedies =
      try recommended != nil
      ? []
      : Self.remedies(found, own, memory: memory) { configuration, gpus in
        let weights = configuration.lora.rank == resolved.lora.rank ? own.weights : nil
        return try plan(setting(configuration.resolved(for: shape), weights: weights, gpus: gpus)).recommended != nil
      }
  }

  /// What would fit, each for itself.
  private static func remedies(
    _ plan: MemoryPlan, _ setting: MemorySetting, memory: Int, fits: (TrainingConfiguration, Int) throws -> Bool
  ) throws -> [String] {
    let least = plan.choices.map(\.estimate.total).min() ?? 0
    var found = ["GPUs with \(gigabytes(least)) each"]
    var gpus = 2 * setting.processes
    while gpus <= 1 << 12 {
      if try fits(setting.configuration, gpus) {
        found.append("\(gpus) such GPUs")
        break
      }
      gpus *= 2
    }
    if setting.configuration.lora.rank == nil, setting.configuration.stage == .tune {
      var adapted = setting.configuration
      adapted.lora.rank = 128
      // What is trained follows from the stage again.
      adapted.optimizer = TrainingConfiguration().optimizer
      if try fits(adapted, setting.processes) { found.append("adapters: --lora-rank 128") }
    }
    let visual = setting.visual
    if setting.batch.text > 256 {
      var shorter = setting.configuration
      shorter.data.maximumLength = visual + 256
      if try fits(shorter, setting.processes) { found.append("shorter samples: --max-length \(visual + 256)") }
    }
    return found
  }

  private static func yaml(
    _ choice: MemoryPlan.Choice, accumulation: Int, _ given: TrainingConfiguration, _ changed: [String]
  ) throws -> String {
    var values = [
      ("batch.samples", "\(choice.samples)"), ("batch.accumulation", "\(accumulation)"),
      ("distributed.shard", choice.sharding.rawValue), ("distillation.recompute", "\(choice.recomputes)"),
    ]
    for key in ConfigurationKey.all where changed.contains(key.path) && !values.contains(where: { $0.0 == key.path }) {
      values.append((key.path, key.value(in: given)))
    }
    var sections: [(String, [String])] = []
    for (path, value) in values {
      let parts = path.split(separator: ".", maxSplits: 1).map(String.init)
      let (section, line) = parts.count == 2 ? (parts[0], "  \(parts[1]): \(value)") : ("", "\(path): \(value)")
      if let place = sections.firstIndex(where: { $0.0 == section }) {
        sections[place].1.append(line)
      } else {
        sections.append((section, [line]))
      }
    }
    return sections.map { ($0.0.isEmpty ? "" : "\($0.0):\n") + $0.1.joined(separator: "\n") }.joined(separator: "\n")
  }

  // MARK: - Text

  /// 15.2 GB.
  private static func gigabytes(_ bytes: Int) -> String { String(format: "%.1f GB", Double(bytes) / 1e9) }

  /// The report for people.
  var text: String {
    let parts = MemoryEstimate.Part.allCases.filter { part in rows.contains { $0.parts[part] != nil } }
    func number(_ bytes: Int) -> String { String(format: "%.1f", Double(bytes) / 1e9) }
    let table = TextTable(
      headings: ["sharding", "recompute", "micro-batch"] + parts.map(\.rawValue) + ["in all", "free", "most"],
      rows: rows.map { row in
        [row.sharding.rawValue, row.recompute ? "yes" : "no", "\(row.microBatch)"] + parts.map { number(row.parts[$0] ?? 0) }
          + [number(row.bytes), row.fits ? number(row.freeBytes) : "lacks \(number(-row.freeBytes))", row.moment.text]
      },
      isText: [true, true, false] + parts.map { _ in false } + [false, false, true], names: 3)
    var lines = [
      "model       \(model): \(formatCount(parameters)) parameters, \(formatCount(trainedParameters)) of them trained",
      "samples     of at most \(formatCount(visualTokens + textTokens)) tokens, \(formatCount(visualTokens)) of them visual",
      "memory      of \(gpus == 1 ? "the GPU" : "each of \(gpus) GPUs"), \(Self.gigabytes(gpuMemoryBytes)); in GB:", "",
      table.text(width: terminalWidth()),
      "",
    ]
    if gpus > 1 {
      lines += ["note: the arithmetic is checked by measurements on CPUs; training on several GPUs has not been run yet", ""]
    }
    if let recommended {
      let row = recommended.row
      let samples = row.microBatch.multipliedReportingOverflow(by: recommended.accumulation * gpus).partialValue
      lines.append(
        "recommended: about \(Self.gigabytes(row.bytes)) of each GPU, steps of \(formatCount(samples)) samples. Lines for the run's file:\n"
      )
      lines.append(recommended.yaml)
    } else {
      let lacks = rows.map { -$0.freeBytes }.min() ?? 0
      lines.append("nothing fits: \(Self.gigabytes(lacks)) are missing on each GPU. What would fit, each for itself:")
      lines += remedies.map { "  \($0)" }
    }
    return lines.joined(separator: "\n")
  }
}
