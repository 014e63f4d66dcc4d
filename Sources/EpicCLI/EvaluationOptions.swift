import Answering
import ArgumentParser
import Compression
import Evaluation
import Foundation
import LLaVA

/// Which benchmarks are asked, and how.
struct BenchmarkChoice: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Benchmarks, a list: \(BenchmarkRegistry.names.joined(separator: ", ")); all is those about pictures.",
      valueName: "name,name"))
  var benchmark: CommaList<String>

  @Option(help: ArgumentHelp("Folder with one folder for each benchmark, as LLaVA's eval.zip unpacks.", valueName: "dir"))
  var data: String

  @Option(
    parsing: .singleValue,
    help: ArgumentHelp(
      "Another part of a benchmark, as in --split vqav2=test-dev; may be given several times.", valueName: "name=split"))
  var split: [String] = []

  @Option(
    parsing: .singleValue,
    help: ArgumentHelp(
      "Another way of asking, as in --prompt ocrbench=bare; may be given several times.", valueName: "name=prompt"))
  var prompt: [String] = []

  @Option(
    parsing: .singleValue,
    help: ArgumentHelp("Another scorer, as in --scorer pope=lmms-eval; may be given several times.", valueName: "name=scorer"))
  var scorer: [String] = []

  @Option(help: ArgumentHelp("Ask about as many questions of each benchmark, spread over the whole.", valueName: "n"))
  var limit: Int?

  func validate() throws {
    for name in names { _ = try checkOption("--benchmark") { try BenchmarkRegistry.definition(name) } }
    if Set(names).count < names.count { throw ValidationError("--benchmark names one twice") }
    if let limit, limit < 1 { throw ValidationError("--limit is \(limit), expected 1 or more") }
    for (option, given) in [("split", split), ("prompt", prompt), ("scorer", scorer)] {
      for (name, value) in try pairs(option, given) {
        let definition = try BenchmarkRegistry.definition(name)
        let known = option == "split" ? definition.splits : option == "prompt" ? definition.prompts : definition.scorers
        if !known.contains(value) {
          let error = EvaluationError.unknownChoice(benchmark: name, kind: option, name: value, known: known)
          throw ValidationError("--\(option): \(error)")
        }
      }
    }
  }

  var names: [String] { benchmark.values == ["all"] ? BenchmarkRegistry.paperNames : benchmark.values }

  /// Refuses benchmarks of videos for a model that takes none.
  func require(_ configuration: LLaVAConfiguration, called model: String) throws {
    if VideoPreparer(configuration) != nil { return }
    for name in names {
      guard try BenchmarkRegistry.definition(name).isAboutVideos else { continue }
      let error = PromptError.noVideos(type: configuration.family.type)
      throw ValidationError("--benchmark \(name) is about videos and --model is \(model): \(error)")
    }
  }

  /// The benchmarks, each with its scorer.
  func load() throws -> [(benchmark: Benchmark, scorer: String?)] {
    let (splits, prompts, scorers) = (try pairs("split", split), try pairs("prompt", prompt), try pairs("scorer", scorer))
    return try names.map { name in
      let options = BenchmarkOptions(split: splits[name], prompt: prompts[name])
      return (try BenchmarkRegistry.load(name, from: URL(fileURLWithPath: data), options), scorers[name])
    }
  }

  private func pairs(_ option: String, _ given: [String]) throws -> [String: String] {
    var found: [String: String] = [:]
    for text in given {
      let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2, names.contains(parts[0]) else {
        throw ValidationError("--\(option) is \"\(text)\", expected name=\(option) with a benchmark of --benchmark")
      }
      if found.updateValue(parts[1], forKey: parts[0]) != nil { throw ValidationError("--\(option) names \(parts[0]) twice") }
    }
    return found
  }
}

/// The ways in which a model is asked.
struct PlanChoice: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Compressors, a list: \(ReducerRegistry.standard.names.joined(separator: ", ")); dart unless given.", valueName: "name,name"
    )
  )
  var compressor: CommaList<String>?

  @Option(
    help: ArgumentHelp(
      "Visual tokens to keep: a list, 192,128,64, 11% for a share, auto:64 for 64 on average; the paper's budgets unless given.",
      valueName: "n,n")
  )
  var keep: CommaList<KeptNumber>?

  @Option(help: ArgumentHelp("Drop after this many decoder layers; pool and downsample work before all.", valueName: "k"))
  var layer = 2

  @OptionGroup var budget: BudgetOptions

  @Option(parsing: .singleValue, help: .reduce)
  var reduce: [String] = []

  @Flag(name: .customLong("no-full"), help: "Leave out the row without compression, and with it all differences to it.")
  var leavesOutFull = false

  func validate() throws {
    for name in compressor?.values ?? [] { _ = try checkOption("--compressor") { try ReducerRegistry.standard.reducer(name) } }
    if let bad = keep?.values.compactMap(\.value).first(where: { $0 < 0 }) {
      throw ValidationError("--keep is \(bad), expected 0 or more")
    }
    for text in reduce { _ = try checkOption("--reduce") { try CompressionPlan(text) } }
    if layer < 1 { throw ValidationError("--layer is \(layer), expected 1 or more") }
  }

  /// The plans, checked against a model.
  ///
  /// - Parameter folder: of the checkpoint.
  func plans(for configuration: LLaVAConfiguration, in folder: URL) throws -> [AnswerPlan] {
    let budgets = keep.map { $0.values.compactMap(\.number) } ?? Profile.budgets(configuration.pictureLayout.count)
    // Plans in full stand for themselves unless compressors or budgets are named beside them.
    let compressors = compressor?.values ?? (reduce.isEmpty || keep != nil ? ["dart"] : [])
    var found: [AnswerPlan]
    do {
      found = try AnswerPlan.all(compressors, keep: budgets, layer: layer, for: configuration, includesFull: !leavesOutFull)
    } catch let error as CompressionError {
      throw ValidationError("--\(error)")
    }
    for share in keep?.values.compactMap(\.share) ?? [] {
      for name in compressors {
        // A compressor that works before the decoder has no place there.
        let isEarly = try checkOption("--compressor") { try ReducerRegistry.standard.reducer(name) }.sites.first != .decoder
        let text = "\(name):\(String(format: "%g", share))%" + (isEarly ? "" : "@\(layer)")
        let plan = try checkOption("--keep") { try AnswerPlan(CompressionPlan(text), for: configuration) }
        if !found.contains(where: { $0.id == plan.id }) { found.append(plan) }
      }
    }
    for average in keep?.values.compactMap(\.average) ?? [] {
      let options = try budget.options(average: average, layer: layer, in: folder, configuration)
      let told = options.sorted { $0.key < $1.key }.map { ":\($0.key)=\($0.value)" }.joined()
      for name in compressors {
        found.append(
          try checkOption("--compressor") {
            try AnswerPlan(CompressionPlan("\(name):\(average)\(told)@\(layer)"), for: configuration)
          })
      }
    }
    for text in reduce {
      let plan = try checkOption("--reduce") { try AnswerPlan(CompressionPlan(text), for: configuration) }
      if !found.contains(where: { $0.id == plan.id }) { found.append(plan) }
    }
    return found
  }
}
