import Basics
import Compression
import Foundation
import LLaVA
import Torch
import Training

/// What an adaptation is told.
public struct AdaptationOptions: Sendable {
  /// The checkpoint folder of a finished model.
  public var model: URL
  /// The folder of pictures, and of everything that is made.
  public var images: URL, output: URL
  /// The file of questions; nil asks `AdaptationQuestion.templates`.
  public var questions: URL?
  /// The first so many questions alone.
  public var limit: Int?
  /// Share of the pictures that is set apart to look at the result, and the most questions about them.
  public var heldOut = 0.1, heldOutQuestions = 200
  /// Longest answer, in tokens.
  public var maximumTokens = 64
  /// Most questions about a picture that one sample trains on, one after the other; a run that has begun keeps its samples.
  public var turns = 10
  /// Budgets to look at; nil for all tokens, 4/9, a quarter, a ninth and a sixteenth of them.
  public var budgets: [Int]?
  /// Who drops tokens, and after how many decoder layers.
  public var compressor = "dart", layer = 2
  /// Changes of the training's configuration, as `epic train --set` takes them.
  public var changes: [String] = []
  /// Precision, device and threads.
  public var dtype = DType.bfloat16, device = "cpu", threads: Int?
  /// In how many bits the decoder's matrices are held; as they are stored unless given.
  public var quantization: QuantizationOptions?

  /// A model, pictures, and a folder.
  public init(model: URL, images: URL, output: URL) { (self.model, self.images, self.output) = (model, images, output) }
}

/// Makes a finished model serve few tokens without labels: it answers questions with all of its tokens, and then learns to predict the
/// same with fewer.
///
/// Training is a `TrainingRun` of curriculum `nested` on these answers, with the model as it was as its teacher and no cross entropy: the
/// answers are but the sequences at which distributions are compared. What is done is kept: answers in `answers.jsonl`, the run in `run`.
public final class Adaptation {
  private let options: AdaptationOptions
  private let pipeline: LLaVAPipeline
  private let questions: [AdaptationQuestion]
  /// Numbers of the questions that are trained on, and of those that are set apart.
  public let training: [Int], heldOut: [Int]
  /// Budgets to look at, from large to small.
  public let budgets: [Int]
  private let reducer: any TokenReducer

  /// Reads the model and the questions.
  ///
  /// - Throws: `AdaptationError`, `CompressionError`, `FileError`; what reading a checkpoint throws.
  public init(_ options: AdaptationOptions) throws {
    self.options = options
    var found = try options.questions.map(AdaptationQuestion.read) ?? AdaptationQuestion.templates(about: options.images)
    if let limit = options.limit { found = Array(found.prefix(limit)) }
    let compressor = try ReducerRegistry.standard.reducer(options.compressor)
    let sides = try Self.sides(of: found, options.heldOut)
    if let threads = options.threads { Runtime.threads = threads }
    let loaded = try LLaVAPipeline.load(
      from: options.model, dtype: options.dtype, device: Device(name: options.device), quantization: options.quantization)
    let all = loaded.model.pictureLayout.count
    let wanted = options.budgets ?? [all, all * 4 / 9, all / 4, all / 9, all / 16].filter { $0 > 0 }
    for budget in wanted {
      _ = try loaded.model.resolve(CompressionPlan(compressor, layer: options.layer, .keep(budget)), images: [1])
    }
    (questions, reducer, pipeline) = (found, compressor, loaded)
    budgets = wanted.sorted(by: >)
    (training, heldOut) = (sides.training, Array(sides.heldOut.prefix(options.heldOutQuestions)))
  }

  /// Questions by number, by picture so that none is on both sides; those that are set apart are spread over the file.
  private static func sides(of questions: [AdaptationQuestion], _ share: Double) throws -> (training: [Int], heldOut: [Int]) {
    var places: [String: Int] = [:]
    for question in questions where places[question.image] == nil { places[question.image] = places.count }
    if places.count < 2 { throw AdaptationError.tooFew(pictures: places.count) }
    let count = min(places.count - 1, max(1, Int(Double(places.count) * share)))
    let every = places.count / count
    let apart = questions.indices.filter { index in
      guard let place = places[questions[index].image] else { return false }
      return place % every == every - 1 && place / every < count
    }
    let isApart = Set(apart)
    return (questions.indices.filter { !isApart.contains($0) }, apart)
  }

  private func path(_ name: String) -> URL { options.output.appending(path: name) }
  private var answering: GreedyAnswers {
    GreedyAnswers(pipeline: pipeline, images: options.images, maximumTokens: options.maximumTokens)
  }

  // MARK: - Answers

  /// What the answers follow from.
  private struct Origin: Codable, Equatable {
    let model: ModelFingerprint
    let questions: String
    let maximumTokens: Int
  }

  /// Answers all questions that are not answered yet, and writes `train.json`, in LLaVA's instruction format.
  ///
  /// - Parameter progress: is told how many are answered; returns false to end there, with what is done kept.
  /// - Returns: nil where it was ended, else the questions that have no answer.
  /// - Throws: `AdaptationError.otherOptions`, `FileError`, and what the model throws.
  public func answer(progress: (Int) throws -> Bool) throws -> [UnansweredQuestion]? {
    try FileManager.default.createDirectory(at: options.output, withIntermediateDirectories: true)
    try checkOrigin()
    let journal = try Journal(path("answers.jsonl"))
    var found = Dictionary(try journal.records(GreedyAnswers.Found.self).map { ($0.index, $0) }) { $1 }
    let open = questions.indices.filter { found[$0] == nil }
    var goesOn = try progress(questions.count - open.count)
    if goesOn {
      try answering.answer(questions, numbers: open, nil) { batch in
        try journal.append(batch)
        for one in batch { found[one.index] = one }
        goesOn = try progress(found.count)
        return goesOn
      }
    }
    if !goesOn { return nil }
    // A run that has begun goes on with what it began with.
    let isBegun = FileManager.default.fileExists(atPath: path("run").path)
    if !isBegun { try write(training, found, to: "train.json") }
    return questions.indices.filter { found[$0]?.answer == nil }.map {
      UnansweredQuestion(index: $0, reason: found[$0]?.fault ?? "it was not asked")
    }
  }

  private func checkOrigin() throws {
    let text = questions.map { "\($0.image)\n\($0.question)" }.joined(separator: "\n\n")
    let origin = Origin(
      model: try ModelFingerprint(pipeline, tokenizer: options.model, .samples),
      questions: String(StableHash(text.utf8).value, radix: 16), maximumTokens: options.maximumTokens)
    let url = path("adaptation.json")
    guard FileManager.default.fileExists(atPath: url.path) else { return try WholeFile.write(json: origin, to: url) }
    let known: Origin
    do {
      known = try JSONDecoder().decode(Origin.self, from: Data(contentsOf: url))
    } catch {
      throw AdaptationError.otherOptions(folder: options.output.relativePath)
    }
    if known != origin { throw AdaptationError.otherOptions(folder: options.output.relativePath) }
  }

  private struct Sample: Encodable {
    struct Turn: Encodable { let from, value: String }
    let id, image: String
    var conversations: [Turn]
  }

  /// Questions about one picture share a sample, as LLaVA's own data have them: a picture is then paid for once.
  private func write(_ numbers: [Int], _ found: [Int: GreedyAnswers.Found], to name: String) throws {
    var samples: [Sample] = []
    /// The sample of a picture that has room for more.
    var open: [String: Int] = [:]
    for number in numbers {
      guard let answer = found[number]?.answer else { continue }
      let (image, question) = (questions[number].image, questions[number].question)
      if let place = open[image], samples[place].conversations.count < 2 * options.turns {
        samples[place].conversations += [.init(from: "human", value: question), .init(from: "gpt", value: answer)]
      } else {
        open[image] = samples.count
        samples.append(
          Sample(
            id: "\(number)", image: image,
            conversations: [.init(from: "human", value: "<image>\n" + question), .init(from: "gpt", value: answer)]))
      }
    }
    if samples.isEmpty { throw AdaptationError.noAnswers(questions: numbers.count) }
    try WholeFile.write(json: samples, to: path(name))
  }

  // MARK: - Training

  /// What the model trains with.
  ///
  /// - Throws: `ConfigurationProblem`.
  public func configuration() throws -> TrainingConfiguration {
    var found = TrainingConfiguration()
    found.model = options.model.path
    found.output = path("run").path
    found.data.file = path("train.json").path
    found.data.images = options.images.path
    found.data.isGrouped = false
    found.dtype = options.dtype
    found.bits = options.quantization?.bits
    (found.device, found.threads) = (options.device, options.threads)
    found.curriculum.name = "nested"
    found.curriculum.teacher = .frozen
    found.curriculum.layer = options.layer
    found.curriculum.smallest = budgets.last
    found.compression.compressor = options.compressor
    // λ = 1 everywhere, all tokens among them: the teacher's word alone.
    found.distillation.divergenceWeight = 1
    found.checkpoints.every = 100
    found.checkpoints.keep = 1
    found.log.tensorboard = false
    for change in options.changes { try found.set(change) }
    return found
  }

  /// The run, or the one that was begun.
  ///
  /// - Throws: as `TrainingRun`.
  public func run() throws -> TrainingRun {
    try TrainingRun(configuration(), resume: FileManager.default.fileExists(atPath: path("run").path))
  }

  // MARK: - Looking at the result

  /// How a model answers the questions that were set apart, at all budgets.
  ///
  /// - Parameters:
  ///   - other: another checkpoint; the model as it was where it is nil.
  ///   - name: what the scores are kept as, so that they are not worked out again.
  ///   - progress: is told how many answers there are.
  /// - Returns: nil where the progress asked for an end.
  /// - Throws: `FileError`, and what the model throws.
  public func scores(of other: URL? = nil, as name: String, progress: (Int) throws -> Bool) throws -> [AdaptationScore]? {
    let url = path("\(name).json")
    if FileManager.default.fileExists(atPath: url.path) {
      return try JSONDecoder().decode([AdaptationScore].self, from: Data(contentsOf: url))
    }
    var answering = answering
    if let other {
      answering = GreedyAnswers(
        pipeline: try LLaVAPipeline.load(
          from: other, dtype: options.dtype, device: Device(name: options.device), quantization: options.quantization),
        images: options.images, maximumTokens: options.maximumTokens)
    }
    let records = try Journal.records(GreedyAnswers.Found.self, in: path("answers.jsonl"))
    let first = Dictionary(records.map { ($0.index, $0.answer) }) { $1 }
    let all = pipeline.model.pictureLayout.count
    var done = 0
    var scores: [AdaptationScore] = []
    for budget in budgets {
      let plan = budget == all ? nil : try CompressionPlan(reducer, layer: options.layer, .keep(budget))
      var found: [Int: String?] = [:]
      var goesOn = true
      try answering.answer(questions, numbers: heldOut, plan) { batch in
        for one in batch { found[one.index] = one.answer }
        done += batch.count
        goesOn = try progress(done)
        return goesOn
      }
      if !goesOn { return nil }
      scores.append(
        AdaptationScore(
          tokens: budget, heldOut.map { found[$0] ?? nil }, reference: heldOut.map { first[$0] ?? nil },
          labels: heldOut.map { questions[$0].label }))
    }
    try WholeFile.write(json: scores, to: url, pretty: true)
    return scores
  }
}
