import Basics
import Foundation
import LLaVA

/// A file of questions for a video, one JSON object in each line: `question`, `seconds`, and `answer` where it is known.
struct WatchQuestions {
  private struct Line: Decodable {
    let question: String
    let seconds: Double
    let answer: String?
  }

  /// The questions in the file's order.
  let questions: [StreamRun.Question]
  /// The known answer of each.
  let answers: [String?]

  /// Questions of a file.
  ///
  /// - Throws: `InputError`, which names file and line; `FileError`.
  init(contentsOf url: URL) throws {
    let data: Data
    do { data = try Data(contentsOf: url) } catch { throw FileError.failed(path: url.relativePath, reason: systemReason(error)) }
    let lines = data.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated()
      .filter { !$0.element.allSatisfy { " \r\t".utf8.contains($0) } }
    let found = try lines.map { number, text in
      let line: Line?
      do { line = try JSONDecoder().decode(Line.self, from: text) } catch is DecodingError { line = nil }
      guard let line, line.seconds.isFinite, line.seconds >= 0 else {
        throw InputError(
          description:
            "\(url.relativePath), line \(number + 1): no question with its time; give {\"question\": \"…\", \"seconds\": 12.5}")
      }
      return line
    }
    if found.isEmpty { throw InputError(description: "\(url.relativePath): no questions; give one JSON object in each line") }
    questions = found.map { StreamRun.Question($0.question, at: $0.seconds) }
    answers = found.map(\.answer)
  }

  /// What is known to be the answer to a question.
  func answer(to question: StreamRun.Question) -> String? { questions.firstIndex(of: question).flatMap { answers[$0] } }
}
