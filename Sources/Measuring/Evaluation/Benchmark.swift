import OrderedCollections

/// A benchmark as it was read: its questions, and how answers to them are scored.
public struct Benchmark: Sendable {
  /// What is known of it without its files.
  public let definition: BenchmarkDefinition
  /// The part of the data.
  public let split: String
  /// The way of asking.
  public let prompt: String
  /// The questions, in the files' order.
  public let questions: [Question]
  /// Records that are no questions; they are in no count.
  public let faults: [RecordFault]
  /// What a report should say beside a score.
  public let notes: [String]

  let tally: @Sendable ([Question], _ answers: [String: String], _ scorer: String) throws -> Tally
  private let files: @Sendable ([Question], _ answers: [String: String]) throws -> [ExportedFile]

  /// A benchmark out of questions with references, a scorer, and what its server or its official scorer takes.
  init<Reference: Sendable>(
    _ source: BenchmarkSource, _ list: QuestionList<Reference>,
    tally: @escaping @Sendable ([Answered<Reference>], _ scorer: String) throws -> Tally,
    files: @escaping @Sendable ([Answered<Reference>]) throws -> [ExportedFile] = { _ in [] }
  ) {
    definition = source.definition
    split = source.split
    prompt = source.prompt
    questions = list.questions
    faults = list.faults
    notes = list.notes
    let references = list.references
    let answered = { @Sendable (questions: [Question], answers: [String: String]) in
      questions.compactMap { question in
        references[question.id].map { Answered(question: question, reference: $0, given: answers[question.id]) }
      }
    }
    self.tally = { try tally(answered($0, $1), $2) }
    self.files = { try files(answered($0, $1)) }
  }

  private init(_ other: Benchmark, questions: [Question], note: String) {
    (definition, split, prompt, faults) = (other.definition, other.split, other.prompt, other.faults)
    (tally, files) = (other.tally, other.files)
    self.questions = questions
    notes = other.notes + [note]
  }

  /// The questions by picture, pictures in the order of their first question; each question without one is alone.
  public var questionsByImage: [[Question]] {
    var places: [QuestionImage: Int] = [:]
    var groups: [[Question]] = []
    for question in questions {
      if let image = question.image, let place = places[image] {
        groups[place].append(question)
      } else {
        if let image = question.image { places[image] = groups.count }
        groups.append([question])
      }
    }
    return groups
  }

  /// A part of at least `count` questions, spread evenly over the whole.
  ///
  /// Questions that count only together stay together, and no split or subtask is left out that has its share.
  public func limited(to count: Int) -> Benchmark {
    if count >= questions.count { return self }
    let groups = OrderedDictionary(grouping: questions, by: \.group).mapValues(\.count)
    let wanted = min(groups.count, max(1, (count * groups.count + questions.count - 1) / questions.count))
    var kept = Set((0..<wanted).map { groups.keys[$0 * groups.count / wanted] })
    // Groups differ in size, so their share may fall short.
    var total = kept.reduce(0) { $0 + (groups[$1] ?? 0) }
    for (group, size) in groups where total < count && kept.insert(group).inserted { total += size }
    let part = questions.filter { kept.contains($0.group) }
    return Benchmark(self, questions: part, note: "\(part.count) of \(questions.count) questions")
  }

  /// The part of some questions.
  ///
  /// - Parameter note: what is said of it beside scores.
  public func restricted(to ids: Set<String>, note: String) -> Benchmark {
    Benchmark(self, questions: questions.filter { ids.contains($0.id) }, note: note)
  }

  /// Scores answers.
  ///
  /// - Parameters:
  ///   - answers: by question id, as the model gave them, outer whitespace stripped.
  ///   - scorer: one of ``BenchmarkDefinition/scorers``; the first unless given.
  ///   - missing: what to do about questions without an answer; with all but `refuse`, answers to other questions are ignored.
  /// - Throws: `EvaluationError`: an unknown scorer, missing or extra answers, or a split whose references are not public.
  public func score(
    _ answers: [String: String], scorer: String? = nil, missing: MissingAnswers = .refuse
  ) throws -> BenchmarkScore {
    let scorer = try definition.choose(scorer, "scorer", from: definition.scorers)
    var asked = questions
    switch missing {
    case .refuse:
      try requireAll(answers, "give them, or choose what to do about missing answers")
      let known = Set(questions.map(\.id))
      let extra = answers.keys.filter { !known.contains($0) }.sorted()
      if let first = extra.first {
        throw EvaluationError.extraAnswers(benchmark: definition.name, count: extra.count, first: first)
      }
    case .leaveOut: asked = questions.filter { answers[$0.id] != nil }
    case .original:
      switch definition.originalMissing {
      case .aborts: try requireAll(answers, "the original scorer stops at them")
      case .leavesOut: asked = questions.filter { answers[$0.id] != nil }
      case .handled: break
      }
    }
    if !asked.contains(where: { answers[$0.id] != nil }) {
      throw EvaluationError.missingAnswers(
        benchmark: definition.name, count: questions.count, first: questions.first?.id ?? "", reason: "give at least one answer")
    }
    let tally = try tally(asked, answers, scorer)
    let left = questions.count - asked.count
    return BenchmarkScore(
      benchmark: definition.name, split: split, prompt: prompt, scorer: scorer, tally,
      notes: notes + tally.notes + (left > 0 ? ["\(left) questions without an answer left out"] : []))
  }

  /// What servers or official scorers take: the upload file of VQAv2, VizWiz and MMBench, the prediction files of GQA and MME.
  ///
  /// - Throws: `EvaluationError.missingAnswers` where the file must hold an answer to each question.
  public func exportedFiles(_ answers: [String: String]) throws -> [ExportedFile] { try files(questions, answers) }

  private func requireAll(_ answers: [String: String], _ reason: String) throws {
    let missing = questions.filter { answers[$0.id] == nil }
    if let first = missing.first {
      throw EvaluationError.missingAnswers(benchmark: definition.name, count: missing.count, first: first.id, reason: reason)
    }
  }
}

/// What scoring does about questions that have no answer.
public enum MissingAnswers: String, Sendable, CaseIterable {
  /// Throw; also for answers that belong to no question.
  case refuse
  /// Score as if they had not been asked.
  case leaveOut = "leave-out"
  /// What the original does: stop, leave out, or what the benchmark's file says (POPE shifts, ScienceQA counts them half).
  case original
}

/// A question with its reference and the answer to it.
struct Answered<Reference: Sendable>: Sendable {
  let question: Question
  let reference: Reference
  /// The answer; nil where there is none.
  let given: String?

  /// The answer, empty where there is none.
  var answer: String { given ?? "" }

  func sample(_ value: Double, parsed: String) -> BenchmarkScore.Sample {
    BenchmarkScore.Sample(id: question.id, value: value, parsed: parsed, image: question.image?.key)
  }
}
