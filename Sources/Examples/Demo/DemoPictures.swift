import Compression
import Evaluation
import Foundation
import Imaging
import Language
import LLaVA
import Report
import Results

/// Eight questions of the test set with what the decoder saw and what two models answered: the folder `pictures`.
struct DemoPictures {
  /// Where an evaluation of one model lies, and the model.
  struct Side {
    let name: String
    let model: URL
    let evaluation: URL
  }

  private struct Choice {
    let benchmark: Benchmark
    let question: Question
    let reference: DemoReferences.Reference
    let reason: String
  }

  private static let count = 8
  private static let repaired = 2

  let before, after: Side
  let data: URL
  let compressors: [String]
  let keep: Int
  let layer: Int

  /// Asks both models, draws, and writes the folder; `pictures.json` comes last.
  func write(to folder: URL, progress: (Int) -> Void) throws {
    let choices = try choose()
    let pipelines = try [before, after].map { try LLaVAPipeline.load(from: $0.model, dtype: .float32) }
    var files: [String: Data] = [:]
    var items: [PictureGallery.Item] = []
    for (index, choice) in choices.enumerated() {
      progress(index)
      var item = PictureGallery.Item(
        question: choice.question.prompt.split(separator: "\n").first.map(String.init) ?? "", reference: choice.reference.answer,
        note: "\(choice.benchmark.definition.title), \(choice.reference.family) · \(choice.reason)", views: [])
      guard let picture = try choice.question.image?.decoded() else { continue }
      // Twice as large as the model sees it, so that lines around patches are thin.
      let preprocessor = pipelines[1].preprocessor
      let shown = try preprocessor.magnified(by: max(1, 192 / preprocessor.imageSize)).resizedPixels(picture)
      for compressor in [nil] + compressors {
        let name = "\(index + 1)-\(compressor ?? "full").jpg"
        let (view, data) = try view(choice, compressor, pipelines, picture, shown, name: name)
        item.views.append(view)
        files[view.image] = data
      }
      items.append(item)
    }
    try PictureGallery(notes: notes(choices), items: items, files: files).write(into: folder)
  }

  private func notes(_ choices: [Choice]) -> [String] {
    let repaired = choices.count { $0.reason.contains("repaired") }
    return [
      "Which questions: the first of each kind in the test set, each about another picture, and then the first \(Self.repaired) "
        + "that \(before.name) answers right with all tokens and wrong with \(keep) (\(compressors[0])) and \(after.name) answers right with \(keep)"
        + (repaired < Self.repaired ? "; there \(repaired == 1 ? "is only one" : "are none")" : "")
        + ". Those last are chosen by their outcome, so they say nothing about how often it happens; the table does.",
      "Dark patches are what the decoder of \(after.name) did without behind layer \(layer). Patches of random are drawn anew here, so an "
        + "answer may differ from the evaluation's.",
    ]
  }

  // MARK: - Which

  private func choose() throws -> [Choice] {
    let references = try DemoReferences(data)
    let evaluations = try [before, after].map { side in
      let results = try EvaluationResults(from: side.evaluation)
      return (results, try ScoredAnswers(of: results, in: side.evaluation, data: data))
    }
    var choices: [Choice] = []
    func add(_ benchmark: Benchmark, _ question: Question, _ reason: String) {
      let isKnown = choices.contains {
        $0.question.id == question.id && $0.benchmark.definition.name == benchmark.definition.name
      }
      guard !isKnown, let reference = references[benchmark.definition.name, question] else { return }
      choices.append(Choice(benchmark: benchmark, question: question, reference: reference, reason: reason))
    }
    let all = evaluations[0].1.benchmarks.flatMap { benchmark in benchmark.questions.map { (benchmark: benchmark, question: $0) }
    }
    for family in DemoReferences.families {
      let fitting = all.filter { references[$0.benchmark.definition.name, $0.question]?.family == family }
      let first = fitting.first { item in !choices.contains { Self.number($0.question) == Self.number(item.question) } }
      if let first = first ?? fitting.first { add(first.benchmark, first.question, "the first of its kind") }
    }
    let plan = "\(compressors[0])-\(keep)-after-\(layer)"
    func isRight(_ side: Int, _ benchmark: Benchmark, _ plan: String) -> [String: Bool] {
      let (results, answers) = evaluations[side]
      let score = results.models.first.flatMap { answers.score(of: $0, on: benchmark.definition.name, under: plan) }
      return Dictionary((score?.samples ?? []).map { ($0.id, $0.value >= 0.5) }) { $1 }
    }
    var found = 0
    for benchmark in evaluations[0].1.benchmarks {
      let (full, few, trained) = (isRight(0, benchmark, "full"), isRight(0, benchmark, plan), isRight(1, benchmark, plan))
      for question in benchmark.questions where found < Self.repaired {
        guard full[question.id] == true, few[question.id] == false, trained[question.id] == true else { continue }
        let count = choices.count
        add(benchmark, question, "broken by dropping tokens, repaired by training")
        found += choices.count - count
      }
    }
    return choices
  }

  /// The number of a question's picture, which has other names in other benchmarks.
  private static func number(_ question: Question) -> Int? {
    question.image?.file.flatMap { Int($0.deletingPathExtension().lastPathComponent.split(separator: "_").last ?? "") }
  }

  // MARK: - What they say

  private func view(
    _ choice: Choice, _ compressor: String?, _ pipelines: [LLaVAPipeline], _ picture: RGBImage, _ shown: RGBImage, name: String
  ) throws -> (PictureGallery.View, Data) {
    var options = GenerationOptions()
    options.maximumNewTokens = 16
    options.compression = try compressor.map {
      try CompressionPlan(ReducerRegistry.standard.reducer($0), cuts: [CompressionPlan.Cut(layer: layer, .keep(keep))])
    }
    let answers = try pipelines.map { pipeline in
      let turns = [Turn(.user, LLaVAPipeline.withImageTags(choice.question.prompt, images: 1)), Turn(.assistant, "")]
      return try pipeline.answer(pipeline.request(turns, images: [picture]), options)
    }
    let said = try zip([before, after], answers).map { side, answer in
      let text = answer.text.trimmingCharacters(in: .whitespacesAndNewlines)
      let score = try choice.benchmark.score([choice.question.id: text], missing: .leaveOut)
      return PictureGallery.Answer(model: side.name, text: text, isRight: score.samples.first?.value ?? 0 >= 0.5)
    }
    let grid = try pipelines[1].model.pictureLayout.grid()
    let overlay = TokenOverlay(grid, keptIndices: answers[1].result.cuts.map { $0.keptIndices[0] })
    let drawn = try overlay.drawn(on: shown)
    let title = compressor.map { "\($0), \(keep) of \(grid.count)" } ?? "all \(grid.count)"
    return (PictureGallery.View(title: title, image: name, answers: said), try drawn.jpegData(quality: 90))
  }
}
