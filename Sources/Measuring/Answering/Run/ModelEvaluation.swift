import Basics
import Compression
import Efficiency
import Evaluation
import Foundation
import LLaVA
import Results
import Torch
import Video

/// Evaluates one model on benchmarks under many plans, in a folder of its own.
///
/// The folder is called after the model and its fingerprint. In it each benchmark has one with `answers.jsonl`, which a run that goes on
/// reads, and what is made of it: LLaVA's answer files in `answers`, files for servers and official scorers in `upload`.
public final class ModelEvaluation {
  /// What people call the model.
  public let name: String
  /// Where its answers lie.
  public let folder: URL
  /// The ways to answer.
  public let plans: [AnswerPlan]

  private let pipeline: LLaVAPipeline
  private let fingerprint: String
  private let settings: EvaluationSettings
  private var finished: [(run: BenchmarkRun, scorer: String?)] = []
  private var timings: [String: ResultTiming] = [:]

  /// Prepares a model's folder.
  ///
  /// - Parameters:
  ///   - checkpoint: where its tokenizer lies.
  ///   - output: the folder of all models.
  /// - Throws: `FileError`; `TorchError`.
  public init(
    _ pipeline: LLaVAPipeline, name: String, checkpoint: URL, plans: [AnswerPlan], output: URL, _ settings: EvaluationSettings
  ) throws {
    self.pipeline = pipeline
    self.name = name
    self.plans = plans
    self.settings = settings
    fingerprint = try ModelFingerprint(pipeline, tokenizer: checkpoint, .everything).text
    let safe = String(name.map { $0.isLetter || $0.isNumber || "-_.".contains($0) ? $0 : "_" })
    folder = output.appending(path: "\(safe)-\(fingerprint.prefix(8))", directoryHint: .isDirectory)
    do {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    } catch {
      throw FileError.failed(path: folder.relativePath, reason: systemReason(error))
    }
  }

  /// A benchmark's run, to be started.
  ///
  /// - Parameter limit: about how many of its questions are asked; nil for all.
  /// - Throws: `AnsweringError`.
  public func run(of benchmark: Benchmark, limit: Int?) throws -> BenchmarkRun {
    try run(of: limit.map(benchmark.limited) ?? benchmark, in: benchmark)
  }

  /// The run of a part of a benchmark.
  ///
  /// - Parameter history: answers with which conversations of several turns begin, by question.
  /// - Throws: `AnsweringError`.
  func run(of part: Benchmark, in whole: Benchmark, history: [String: String] = [:]) throws -> BenchmarkRun {
    try BenchmarkRun(part, of: whole, pipeline, plans: plans, in: folder, settings, history: history)
  }

  /// Takes over a run that is complete, and writes its answer files.
  ///
  /// - Throws: `EvaluationError.unwritable`.
  public func finish(_ run: BenchmarkRun, scorer: String?) throws {
    finished.append((run, scorer))
    for plan in plans {
      let answers = run.answers(under: plan)
      if answers.isEmpty { continue }
      let file = run.folder.appending(path: "answers/\(plan.id).jsonl")
      try AnswerFile.write(answers, to: run.benchmark, model: "\(name) \(plan.id)", at: file)
      do {
        for file in try run.benchmark.exportedFiles(answers) {
          try file.write(into: run.folder.appending(path: "upload/\(plan.id)"))
        }
      } catch EvaluationError.missingAnswers {
        // Part of the questions makes no file that a server takes.
      }
    }
  }

  /// Times all plans on some questions of the finished benchmarks, unless that has been done.
  ///
  /// - Parameter count: questions; 0 for none.
  /// - Throws: as `LLaVAModel.generate`; `AnsweringError`; `FileError`; `ImagingError` for a picture that could be read before.
  public func time(questions count: Int, progress: (Int) -> Void = { _ in }) throws {
    let file = folder.appending(path: "timings.json")
    if FileManager.default.fileExists(atPath: file.path) {
      do {
        timings = try JSONDecoder().decode([String: ResultTiming].self, from: Data(contentsOf: file))
      } catch {
        throw AnsweringError.unreadable(path: file.relativePath, reason: systemReason(error))
      }
    }
    let all = finished.flatMap { run, _ in
      // Those that every plan answered: others have no picture that can be read.
      run.benchmark.questions.filter { question in
        question.image != nil && plans.allSatisfy { run.journal.isAnswered(question.id, under: $0.recordName) }
      }.map { (run, $0) }
    }
    let wanted = min(count, all.count)
    if plans.allSatisfy({ timings[$0.recordName]?.samples ?? 0 >= wanted }) { return }
    let requests = try (0..<wanted).map { index in
      let (run, question) = all[index * all.count / wanted]
      return try run.request(question)
    }
    timings.merge(try PlanTimer.measure(pipeline, plans, requests, progress: progress)) { _, new in new }
    try WholeFile.write(json: timings, to: file, pretty: true)
  }

  /// Scores and costs of all that is finished.
  ///
  /// - Throws: `EvaluationError`; `CompressionError`.
  public func results() throws -> ModelResults {
    let scored = try finished.map { run, scorer in try (run: run, scores: scores(run, scorer)) }
    let lengths = finished.flatMap { run, _ in run.textTokens }
    let costs = try plans.map { try cost($0, lengths) }
    let full = plans.first { $0.compression == nil }?.id
    let paper = Set(BenchmarkRegistry.paperNames)
    var refusals: [String: [String]] = [:]
    let rows = try zip(plans, costs).map { plan, cost in
      var cells: [String: ResultScore] = [:]
      var all: [BenchmarkScore] = []
      for (run, scores) in scored {
        guard let score = scores[plan.id] else { continue }
        all.append(score)
        let name = run.benchmark.definition.name
        var difference: Estimate?
        if plan.id != full, let reference = full.flatMap({ scores[$0] }) {
          do {
            difference = try score.difference(to: reference)
          } catch {
            refusals[name, default: []].append("\(plan.id) beside full: \(error)")
          }
        }
        cells[name] = ResultScore(
          estimate: score.estimate(), percentage: score.percentage, difference: difference, figures: score.figures,
          groups: try groups(plan, scores)?.score(score))
      }
      var row = ResultRow(
        plan: plan.id, compressor: plan.compressor, keep: plan.keep, layer: plan.layer,
        averageVisualTokens: try averageVisualTokens(plan), scores: cells,
        average: try paper.isSubset(of: all.map(\.benchmark)) ? PaperAverage.value(of: all) : nil, cost: cost,
        timing: timings[plan.recordName])
      row.share = plan.share
      return row
    }
    return ModelResults(
      name: name, fingerprint: fingerprint, dtype: "\(pipeline.model.dtype)", device: "\(pipeline.model.device)",
      visualTokens: pipeline.model.pictureLayout.count, layers: pipeline.model.configuration.text.layers,
      textTokens: lengths.isEmpty ? 0 : Double(lengths.reduce(0, +)) / Double(lengths.count),
      benchmarks: scored.map { summary($0.run, $0.scores, refusals[$0.run.benchmark.definition.name] ?? []) }, rows: rows)
  }

  /// Hard and easy questions for a plan's budget, where the settings ask for them.
  private func groups(_ plan: AnswerPlan, _ scores: [String: BenchmarkScore]) throws -> DifficultyGroups? {
    guard let difficulty = settings.difficulty,
      let full = plans.first(where: { $0.compression == nil }).flatMap({ scores[$0.id] }),
      let reference = try difficulty.reference(for: plan, pipeline.model.configuration), let smaller = scores[reference.id]
    else { return nil }
    return DifficultyGroups(full: full, smaller: smaller)
  }

  /// Scores of a finished benchmark by plan; none where only a server can tell.
  ///
  /// - Throws: `EvaluationError`.
  func scores(of benchmark: String) throws -> [String: BenchmarkScore] {
    try finished.first { $0.run.benchmark.definition.name == benchmark }.map { try scores($0.run, $0.scorer) } ?? [:]
  }

  /// Scores by plan; none where only a server can tell.
  private func scores(_ run: BenchmarkRun, _ scorer: String?) throws -> [String: BenchmarkScore] {
    do {
      return try run.scores(scorer: scorer)
    } catch EvaluationError.scoredByServer {
      return [:]
    }
  }

  private func summary(_ run: BenchmarkRun, _ scores: [String: BenchmarkScore], _ refusals: [String]) -> BenchmarkSummary {
    let benchmark = run.benchmark
    let score = plans.lazy.compactMap { scores[$0.id] }.first
    let server =
      score == nil ? ["scored by its server alone; the upload files are in \(run.folder.lastPathComponent)/upload"] : []
    return BenchmarkSummary(
      name: benchmark.definition.name, title: benchmark.definition.title, split: benchmark.split, prompt: benchmark.prompt,
      scorer: score?.scorer ?? "server", questions: benchmark.questions.count,
      maximum: score?.maximum ?? benchmark.definition.fullScore, faults: benchmark.faults.map(\.description), broken: run.broken,
      notes: (score?.notes ?? benchmark.notes) + (benchmark.definition.isAboutVideos ? [videoNote] : []) + server + refusals)
  }

  /// What has to be said of a score on videos.
  private var videoNote: String {
    let sampling = settings.sampling
    let fps = String(format: "%g", sampling.fps)
    return "\(fps) frames a second, at most \(sampling.maximumFrames); tokens/layer, TFLOPs and KV MB are those of a picture"
  }

  /// Visual tokens that a layer of the decoder sees on average.
  private func averageVisualTokens(_ plan: AnswerPlan) throws -> Double {
    func average(_ plan: CompressionPlan?) throws -> Double {
      let seen = try CostModel(pipeline.model.configuration).visualTokensOfLayers(plan)
      return Double(seen.reduce(0, +)) / Double(max(1, seen.count))
    }
    guard let compression = plan.compression, let left = tokensLeft(plan) else { return try average(plan.compression) }
    let (fewer, more) = (left.rounded(.down), left.rounded(.up))
    let (low, high) = (try average(compression.leaving(Int(fewer))), try average(compression.leaving(Int(more))))
    return low + (high - low) * (left - fewer)
  }

  /// Tokens that a rule left of a picture, the mean over all questions; nil for plans without a rule.
  private func tokensLeft(_ plan: AnswerPlan) -> Double? {
    if plan.compression?.rule == nil { return nil }
    let counts = finished.flatMap { run, _ in
      run.benchmark.questions.compactMap { run.journal.entries[plan.recordName]?[$0.id]?.visualTokens }
    }
    return counts.isEmpty ? nil : Double(counts.reduce(0, +)) / Double(counts.count)
  }

  /// The mean cost over questions of given lengths.
  private func cost(_ plan: AnswerPlan, _ lengths: [Int]) throws -> ResultCost {
    let compression = try tokensLeft(plan).map { try plan.compression?.leaving(Int($0.rounded())) } ?? plan.compression
    var model = CostModel(pipeline.model.configuration)
    model.elementBytes = Double(pipeline.model.dtype.size)
    var (flops, bytes) = (0.0, 0.0)
    for (length, group) in Dictionary(grouping: lengths, by: \.self).sorted(by: { $0.key < $1.key }) {
      let cost = try model.trueCost(text: Double(length), compression)
      flops += cost.flops * Double(group.count)
      bytes += cost.kvCacheBytes * Double(group.count)
    }
    let paper = try CostModel(pipeline.model.configuration).paperCost(compression)
    let count = Double(max(1, lengths.count))
    return ResultCost(
      prefillTFLOPs: flops / count / 1e12, kvCacheMB: bytes / count / 1e6, paperPrefillTFLOPs: paper.flops / 1e12,
      paperKVCacheMB: paper.kvCacheBytes / 1e6)
  }
}

extension BenchmarkRun {
  /// Answers of a plan to the questions that were asked.
  func answers(under plan: AnswerPlan) -> [String: String] {
    let asked = Set(benchmark.questions.map(\.id))
    return journal.answers(under: plan.recordName).filter { asked.contains($0.key) }
  }

  /// Scores by the plans' ids; questions that could not be asked are left out.
  ///
  /// - Parameter scorer: the benchmark's first unless given.
  /// - Throws: `EvaluationError`; `.scoredByServer` where only a server can tell.
  public func scores(scorer: String? = nil) throws -> [String: BenchmarkScore] {
    var found: [String: BenchmarkScore] = [:]
    for plan in plans {
      let answers = answers(under: plan)
      if answers.isEmpty { continue }
      found[plan.id] = try benchmark.score(answers, scorer: scorer, missing: broken.isEmpty ? .refuse : .leaveOut)
    }
    return found
  }

  /// Questions that could not be asked, by id and reason.
  public var broken: [String] {
    benchmark.questions.compactMap { question in
      for plan in plans {
        if let entry = journal.entries[plan.recordName]?[question.id], entry.text == nil, let fault = entry.fault {
          return "\(question.id): \(fault)"
        }
      }
      return nil
    }
  }

  /// Text tokens of the questions with pictures.
  var textTokens: [Int] {
    guard let plan = plans.first else { return [] }
    return benchmark.questions.filter { $0.image != nil }.compactMap { journal.entries[plan.recordName]?[$0.id]?.textTokens }
  }

  /// A question with its picture.
  ///
  /// - Throws: `ImagingError`, `LanguageError`.
  func request(_ question: Question) throws -> AnswerRequest {
    try questions.request(question, question.image.map { try questions.picture($0) })
  }
}
