import Evaluation
import Foundation
import Imaging
import LLaVA
import Language
import Torch
import Video

/// What of an evaluation does not depend on the benchmark.
public struct EvaluationSettings: Sendable {
  /// Longest answer in tokens; the benchmark's own unless given.
  public var maximumNewTokens: Int?
  /// Questions that are answered together; unless given chosen by the number of plans, and one where they are about videos.
  public var lanes: Int?
  /// Which frames of a video are looked at.
  public var sampling = FrameSampling()
  /// Where random choices start.
  public var seed: UInt64 = 0
  /// What pictures and frames go through before they are seen; nil for nothing.
  public var perturbation: Perturbation?
  /// Questions about one picture in a conversation, of which the last one counts.
  public var turns = 1
  /// What tells questions that need all tokens from others; nil for no such groups.
  public var difficulty: Difficulty?
  /// A question that cannot be asked ends the run.
  public var isStrict = false
  /// Which of several processes this is that share the questions, picture by picture: its number, from 0, and how many there are.
  public var share = (rank: 0, count: 1)
  /// Threads that decode pictures.
  public var workers = 2

  /// What the benchmarks ask for.
  public init() {}
}

/// Has a model answer a benchmark's questions under many plans, as far as its journal has no answers yet.
public struct BenchmarkRun {
  /// The questions.
  public let benchmark: Benchmark
  /// The ways to answer.
  public let plans: [AnswerPlan]
  /// Answers so far.
  public let journal: AnswerJournal
  /// The folder that holds the journal.
  public let folder: URL

  private let pipeline: LLaVAPipeline
  private let settings: EvaluationSettings
  private let maximumNewTokens: Int
  /// Answers with which conversations begin, by question.
  private let history: [String: String]

  /// Opens the journal; its folder's name changes with questions and settings.
  ///
  /// - Parameters:
  ///   - benchmark: all of it, or a part.
  ///   - whole: all of it, so that a part shares its answers.
  ///   - folder: the model's.
  ///   - history: answers with which conversations of several turns begin, by question.
  /// - Throws: `AnsweringError`, `FileError`.
  public init(
    _ benchmark: Benchmark, of whole: Benchmark, _ pipeline: LLaVAPipeline, plans: [AnswerPlan], in folder: URL,
    _ settings: EvaluationSettings, history: [String: String] = [:]
  ) throws {
    self.benchmark = benchmark
    self.history = history
    self.pipeline = pipeline
    self.plans = plans
    self.settings = settings
    maximumNewTokens = settings.maximumNewTokens ?? benchmark.definition.maximumNewTokens
    let print = try Fingerprint.of(
      whole, maximumNewTokens: maximumNewTokens, seed: settings.seed, settings.sampling, perturbation: settings.perturbation,
      turns: settings.turns)
    self.folder = folder.appending(path: "\(benchmark.definition.name)-\(print.prefix(8))", directoryHint: .isDirectory)
    journal = try AnswerJournal(self.folder, rank: settings.share.rank)
  }

  /// The questions that this process asks, by picture.
  private var ownQuestions: [[Question]] {
    let (rank, count) = settings.share
    return benchmark.questionsByImage.enumerated().filter { $0.offset % count == rank }.map(\.element)
  }

  /// Questions that some plan has not answered.
  public var missing: Int { waves(unanswered).reduce(0) { $0 + $1.count { !isAnswered($0, plans) } } }

  private var unanswered: [AnswerPlan] {
    plans.filter { plan in ownQuestions.joined().contains { !journal.isAnswered($0.id, under: plan.recordName) } }
  }

  private func isAnswered(_ question: Question, _ plans: [AnswerPlan]) -> Bool {
    plans.allSatisfy { journal.isAnswered(question.id, under: $0.recordName) }
  }

  /// How many questions are answered together: a video takes as much memory as dozens of pictures.
  private func lanes(_ plans: [AnswerPlan]) -> Int {
    max(1, settings.lanes ?? (benchmark.definition.isAboutVideos ? 1 : 32 / max(1, plans.count)))
  }

  /// Questions that are answered together, by picture; those that are answered in whole are left out.
  ///
  /// Which questions stand together does not depend on what is answered, so a run that goes on computes what an undisturbed one does.
  private func waves(_ plans: [AnswerPlan]) -> [[Question]] {
    let count = lanes(plans)
    let ordered = ownQuestions.flatMap(\.self)
    return stride(from: 0, to: ordered.count, by: count).map { Array(ordered[$0..<min(ordered.count, $0 + count)]) }
      .filter { wave in wave.contains { !isAnswered($0, plans) } }
  }

  /// Answers what is missing.
  ///
  /// - Parameters:
  ///   - shouldStop: asked after each wave of questions; what is answered stays.
  ///   - progress: how many of the missing questions are done.
  /// - Returns: false where it was stopped.
  /// - Throws: `AnsweringError`; `FileError`; `TorchError`.
  public func run(shouldStop: () -> Bool = { false }, progress: (Int) -> Void = { _ in }) throws -> Bool {
    let plans = unanswered
    let waves = waves(plans)
    let lanes = lanes(plans)
    let answerer: any QuestionAnswerer =
      settings.turns > 1
      ? ConversationAnswerer(pipeline: pipeline, plans: plans) : SharedAnswerer(pipeline, plans: plans, lanes: lanes)
    let earlier = earlierQuestions
    let images = waves.flatMap { $0.compactMap(\.image) }
    let distinct = images.enumerated().filter { $0.offset == 0 || images[$0.offset - 1] != $0.element }.map(\.element)
    let questions = questions
    let ahead = benchmark.definition.isAboutVideos ? settings.workers : 2 * settings.workers + lanes
    let reader = ReadAhead(distinct.makeIterator(), workers: settings.workers, ahead: ahead) {
      image -> Result<PreparedPicture, SampleReason> in
      do { return .success(try questions.picture(image)) } catch { return .failure(SampleReason(text: "\(error)")) }
    }
    defer { reader.cancel() }
    var current: (image: QuestionImage, picture: Result<PreparedPicture, SampleReason>)?
    var done = 0
    for wave in waves {
      if shouldStop() { return false }
      var asked: [(Question, AnswerRequest)] = []
      var entries: [AnswerJournal.Entry] = []
      for question in wave {
        if let image = question.image, current?.image != image {
          guard let picture = try reader.next() else { break }
          current = (image, picture)
        }
        do {
          let picture = try question.image == nil ? nil : current?.picture.get()
          let before = try earlier[question.id, default: []].map { ($0, try answer(to: $0)) }
          asked.append((question, try questions.request(question, picture, after: before)))
        } catch {
          entries += try broken(question, error, plans)
        }
      }
      let open = wave.count { !isAnswered($0, plans) }
      entries += try answer(asked, answerer)
      try journal.append(entries)
      done += open
      progress(done)
    }
    return true
  }

  /// Reads questions as these settings say.
  var questions: QuestionReader {
    QuestionReader(
      pipeline: pipeline, maximumNewTokens: maximumNewTokens, seed: settings.seed, sampling: settings.sampling,
      perturbation: settings.perturbation)
  }

  /// The questions with which the conversation of each begins: those before it about the same picture, the last ones before the first.
  private var earlierQuestions: [String: [Question]] {
    if settings.turns == 1 { return [:] }
    var found: [String: [Question]] = [:]
    for group in benchmark.questionsByImage where group.count >= settings.turns {
      for (index, question) in group.enumerated() {
        found[question.id] = (1..<settings.turns).reversed().map { group[(index + group.count - $0) % group.count] }
      }
    }
    return found
  }

  private func answer(to question: Question) throws -> String {
    if let answer = history[question.id] { return answer }
    throw SampleReason(text: "the question \(question.id) before it has no answer")
  }

  /// Answers of a wave; where one question spoils it, each is asked alone.
  private func answer(_ asked: [(Question, AnswerRequest)], _ answerer: any QuestionAnswerer) throws -> [AnswerJournal.Entry] {
    if asked.isEmpty { return [] }
    do {
      return zip(asked, try answerer.answer(asked.map(\.1))).flatMap { item, answers in
        zip(answerer.plans, answers).map { plan, answer in
          AnswerJournal.Entry(
            plan: plan.recordName, id: item.0.id, text: answer.text, textTokens: answer.textTokens,
            newTokens: answer.tokens.count,
            visualTokens: plan.compression?.rule == nil ? nil : answer.keptIndices?.count)
        }
      }
    } catch let error as TorchError {
      // Memory that is used up, and the like: no question is to blame.
      throw error
    } catch {
      if asked.count == 1 { return try broken(asked[0].0, error, answerer.plans) }
      return try asked.flatMap { try answer([$0], answerer) }
    }
  }

  private func broken(_ question: Question, _ error: any Error, _ plans: [AnswerPlan]) throws -> [AnswerJournal.Entry] {
    let reason = "\(error)"
    if settings.isStrict {
      throw AnsweringError.broken(benchmark: benchmark.definition.name, question: question.id, reason: reason)
    }
    return plans.map { AnswerJournal.Entry(plan: $0.recordName, id: question.id, fault: reason) }
  }
}

/// Why a picture could not be prepared.
struct SampleReason: Error, CustomStringConvertible {
  let text: String
  var description: String { text }
}
