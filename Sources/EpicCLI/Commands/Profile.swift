import ArgumentParser
import Compression
import Efficiency
import Foundation
import LLaVA
import Torch

/// What dropping visual tokens saves.
struct Profile: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Count what reading a prompt with one picture costs at several budgets, and time it.",
    discussion: """
      Two accountings stand side by side. `true` counts every matrix product of tower, projector, decoder and head, text tokens kept in
      all layers, and the cache as it is. `paper` is the formula that reproduces the published figures of EPIC: the decoder alone, text
      shrunk with the image, the cache equally short in all layers. A multiplication with an addition counts as two FLOPs, MB are
      10^6 bytes, the cache's elements have two bytes.

      Example: epic profile --preset base --keep 576,128,64 --measure
      """)

  @Option(help: "Size of the model: \(LLaVAConfiguration.presetNames.joined(separator: ", ")).")
  var preset = "llava-1.5-7b"

  @Option(help: .model("Profile this in place of a preset"))
  var model: ModelSource?

  @Option(help: ArgumentHelp("Visual tokens to keep: a list, 576,128,64; the paper's budgets unless given.", valueName: "n,n"))
  var keep: CommaList<Int>?

  @Option(
    help: ArgumentHelp(
      "Compressors, a list; they differ in what is measured, and pool in what is counted.", valueName: "name,name"))
  var compressor: CommaList<String>?

  @OptionGroup var place: CutOptions

  @Option(parsing: .singleValue, help: .reduce)
  var reduce: [String] = []

  @Option(help: "Text tokens beside the picture's; 63 for `true` and 124.4 for `paper` unless given.")
  var textTokens: Int?

  @Flag(help: "Time the decoder's prefill here as well; with a preset, on random weights.")
  var measure = false

  @Option(help: "Rounds in which each budget is timed once, after one that is not counted.")
  var rounds = 5

  @Option(help: "Where random weights and token ids start.")
  var seed: UInt64 = 0

  @OptionGroup var compute: ComputeOptions

  @Flag(help: "Print one JSON object.")
  var json = false

  func validate() throws {
    _ = try checkOption("--preset") { try LLaVAConfiguration.preset(preset) }
    for (name, value, low) in [("text-tokens", textTokens ?? 1, 1), ("rounds", rounds, 1)] where value < low || value > 1 << 20 {
      throw ValidationError("--\(name) is \(value), expected \(low)...\(1 << 20)")
    }
    for name in compressor?.values ?? [] { _ = try place.plan(name, .ratio(0)) }
    for text in reduce { _ = try checkOption("--reduce") { try CompressionPlan(text) } }
  }

  func run() async throws {
    let folder = try await model?.folder()
    let configuration = try LLaVAConfiguration.of(preset: preset, checkpoint: folder)
    let budgets = keep?.values ?? Self.budgets(configuration.pictureLayout.count)
    // Plans in full stand for themselves unless compressors or budgets are named beside them.
    let compressors = compressor?.values ?? (reduce.isEmpty || keep != nil ? ["dart"] : [])
    var plans = try compressors.flatMap { name in
      try budgets.map { keep in
        let plan = try place.plan(name, .keep(keep))
        try place.check(plan, configuration)
        return (name: name, keep: keep, plan: plan)
      }
    }
    plans += try reduce.map { text in
      let plan = try CompressionPlan(text)
      return (name: text, keep: try checkOption("--reduce") { try configuration.tokens(of: plan).last }, plan: plan)
    }
    let costs = CostModel(configuration)
    var report = try ProfileReport(model: model?.text ?? preset, configuration, place, text: textTokens.map(Double.init))
    for (name, keep, plan) in plans { try report.add(name, keep, plan, costs) }
    if measure { try waiting(for: "measuring") { try time(plans.map(\.plan), folder, configuration, &report) } }
    if json { try printJSON(report) } else { try printLine(report.table) }
  }

  /// The paper's budgets, as parts of the picture where the model sees it with another number of tokens.
  static func budgets(_ tokens: Int) -> [Int] {
    var found: [Int] = []
    for budget in [576, 256, 192, 128, 64, 36, 18, 9, 2] {
      let keep = Int((Double(budget * tokens) / 576).rounded())
      if keep > 0, keep != found.last { found.append(keep) }
    }
    return found
  }

  private func time(
    _ plans: [CompressionPlan], _ folder: URL?, _ configuration: LLaVAConfiguration, _ report: inout ProfileReport
  ) throws {
    let device = try compute.prepare()
    let dtype = compute.dtype ?? .bfloat16
    let llava =
      try folder.map { try LLaVAModel.load(from: $0, dtype: dtype, device: device, quantization: compute.quantization) }
      ?? LLaVAModel.random(configuration, seed: seed, dtype: dtype, device: device, quantization: compute.quantization)
    let request = try GenerationRequest.random(configuration, text: textTokens ?? Int(CostModel.popeText), images: 1, seed: seed)
    let (full, timings) = try PrefillTiming.measure(llava, request, plans, rounds: rounds, seed: seed)
    report.add(full, timings, dtype: dtype, device: device)
  }
}

/// Values of an option, with commas between them.
struct CommaList<Value: ExpressibleByArgument & Sendable>: ExpressibleByArgument, Sendable {
  let values: [Value]

  init(_ values: [Value]) { self.values = values }

  init?(argument: String) {
    let found = argument.split(separator: ",", omittingEmptySubsequences: false).map { Value(argument: String($0)) }
    values = found.compactMap(\.self)
    if values.count < found.count { return nil }
  }

  var defaultValueDescription: String { values.map(\.defaultValueDescription).joined(separator: ",") }
}
