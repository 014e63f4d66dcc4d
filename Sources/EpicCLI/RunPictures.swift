import Compression
import Evaluation
import Foundation
import Imaging
import LLaVA
import Language
import Results
import Torch
import Training

/// Questions that a training run shows: what its model sees of their pictures and answers, as it is now.
struct RunPictures {
  /// Questions, and about how long a picture's sides are to be, in pixels.
  private static let (count, side) = (4, 336)
  /// Longest answer, in tokens.
  private static let maximumTokens = 32

  private let choices: [(benchmark: Benchmark, question: Question, image: QuestionImage)]

  /// Chooses the first questions about pictures of each benchmark in turns, each about another picture.
  init(_ benchmarks: [Benchmark]) {
    var found: [(benchmark: Benchmark, question: Question, image: QuestionImage)] = []
    var keys: Set<String> = []
    var rest = benchmarks.map { ($0, $0.questions[...]) }
    while found.count < Self.count, rest.contains(where: { !$0.1.isEmpty }) {
      for place in rest.indices where found.count < Self.count {
        while let question = rest[place].1.popFirst() {
          guard let image = question.image, image.video == nil, question.answerPrefix.isEmpty, keys.insert(image.key).inserted
          else { continue }
          found.append((rest[place].0, question, image))
          break
        }
      }
    }
    choices = found
  }

  /// Asks a run's model with all tokens and under its plans, and writes `pictures.json` with its pictures.
  ///
  /// - Throws: `FileError`; `CompressionError`; `EvaluationError`; what the model throws.
  func write(_ run: TrainingRun, into folder: URL) throws {
    if choices.isEmpty { return }
    let plans = try [("all tokens", nil)] + run.configuration.validation.reduce.map { ($0, try CompressionPlan($0)) }
    var files: [String: Data] = [:]
    var notes = ["Asked after step \(run.step). Dark patches are what the decoder did without."]
    var items: [PictureGallery.Item] = []
    for (number, choice) in choices.enumerated() {
      let picture: RGBImage
      do {
        picture = try choice.image.decoded()
      } catch let error as ImagingError {
        // Training goes on without a picture that is to be looked at alone.
        notes.append("\(error)")
        continue
      }
      let views = try plans.enumerated().map { place, plan in
        let name = "\(number + 1)-\(place).jpg"
        let (answer, data) = try inference { try view(choice.benchmark, choice.question, picture, plan.1, run) }
        files[name] = data
        return PictureGallery.View(title: plan.0, image: name, answers: [answer])
      }
      items.append(
        PictureGallery.Item(
          question: choice.question.prompt.split(separator: "\n").first.map(String.init) ?? "", reference: "",
          note: choice.benchmark.definition.title, views: views))
    }
    try PictureGallery(notes: notes, items: items, files: files).write(into: folder)
  }

  private func view(
    _ benchmark: Benchmark, _ question: Question, _ picture: RGBImage, _ plan: CompressionPlan?, _ run: TrainingRun
  ) throws -> (PictureGallery.Answer, Data) {
    var options = GenerationOptions()
    options.maximumNewTokens = Self.maximumTokens
    options.compression = plan
    let turns = [Turn(.user, LLaVAPipeline.withImageTags(question.prompt, images: 1)), Turn(.assistant, "")]
    let answer = try run.pipeline.answer(run.pipeline.request(turns, images: [picture]), options)
    let score = try benchmark.score([question.id: answer.text], missing: .leaveOut)
    let drawn = try run.pipeline.seen(picture, 0, of: 1, in: answer.result, plan, side: Self.side)
    return (
      PictureGallery.Answer(model: "answer", text: answer.text, isRight: score.samples.first.map { $0.value >= 0.5 } ?? false),
      try drawn.jpegData(quality: 85)
    )
  }
}
