import Basics
import Foundation

/// Answer files in LLaVA's format: JSON Lines with `question_id`, `prompt`, `text`, `answer_id`, `model_id` and `metadata`.
///
/// MMBench's lines also have `round_id`, `options` and `option_char`, and their prompt lacks the suffix; ScienceQA's prompt begins
/// with the image tag where there is a picture. `answer_id`, random in LLaVA, follows here from model and question.
public enum AnswerFile {
  private struct Line: Encodable {
    var question_id: FileID
    var prompt: String
    var text: String
    var answer_id: String
    var model_id: String
    var metadata: [String: String] = [:]
    var round_id: Int?
    var options: [String]?
    var option_char: [String]?
  }

  /// One line, with its line break, for files that grow by one answer at a time.
  ///
  /// - Throws: never for text; an encoder's error.
  public static func line(_ question: Question, answer: String, model: String) throws -> Data {
    var line = Line(
      question_id: question.fileID, prompt: question.recordedPrompt, text: answer,
      answer_id: StableHash("\(model)\n\(question.id)".utf8).text, model_id: model)
    if !question.options.isEmpty {
      line.round_id = 0
      line.options = question.options
      line.option_char = question.options.indices.map(letter)
    }
    return try line.jsonData() + [UInt8(ascii: "\n")]
  }

  /// Writes the answers that there are, in the order of the questions; the file appears whole or not at all.
  ///
  /// - Throws: `EvaluationError.unwritable`.
  public static func write(_ answers: [String: String], to benchmark: Benchmark, model: String, at url: URL) throws {
    var data = Data()
    for question in benchmark.questions {
      if let answer = answers[question.id] { data += try line(question, answer: answer, model: model) }
    }
    try ExportedFile(name: url.lastPathComponent, contents: data).write(into: url.deletingLastPathComponent())
  }

  /// Reads an answer file, ours or LLaVA's.
  ///
  /// Lines find their question by `question_id`, and among several of the same id (TextVQA, MME) by the prompt. A line that
  /// belongs to no question is kept under its id, so that scoring refuses it.
  ///
  /// - Returns: answers by question id, and the lines that could not be used.
  /// - Throws: `EvaluationError.unreadable`, and `.malformed` for a list that is no JSON.
  public static func read(_ url: URL, for benchmark: Benchmark) throws -> (answers: [String: String], faults: [RecordFault]) {
    let byFileID = Dictionary(grouping: benchmark.questions) { $0.fileID.description }
    var answers: [String: String] = [:]
    let faults = try RecordFile(url).records { record in
      let id = try record.id("question_id").description
      let text = try record.text("text")
      let candidates = byFileID[id] ?? []
      let prompt = record["prompt"]?.text
      let matching = candidates.count > 1 ? candidates.filter { $0.recordedPrompt == prompt } : candidates
      if let first = candidates.first, matching.isEmpty {
        throw record.fault("its prompt is that of no question with the id \(first.fileID)")
      }
      guard let question = matching.first(where: { answers[$0.id] == nil }) else {
        if !matching.isEmpty { throw record.fault("question \(id) has an answer already") }
        answers[id] = text
        return
      }
      answers[question.id] = text
    }
    return (answers, faults)
  }

  /// The letter of an option from 0: A to Z, then AA, AB and so on as columns of a spreadsheet are named.
  static func letter(_ index: Int) -> String {
    (index < 26 ? "" : letter(index / 26 - 1)) + String(UnicodeScalar(UInt8(65 + max(0, index) % 26)))
  }
}
