import Basics
import Foundation
import Training

/// A question about a picture; an answer that somebody knows is looked at for scores alone.
public struct AdaptationQuestion: Sendable, Equatable {
  /// Path of the picture, from the folder of all pictures.
  public var image: String
  /// What is asked, without the picture's tag.
  public var question: String
  /// What is right, where it is known.
  public var label: String?

  /// A question of its parts.
  public init(image: String, question: String, label: String? = nil) {
    (self.image, self.question, self.label) = (image, question, label)
  }

  /// What is asked about pictures that come without questions: from the instructions of LLaVA's own data.
  public static let templates = [
    "Describe the image concisely.", "What is the main object in this picture?", "What colors can be seen in the image?",
    "How many objects are in the image?", "Where was this picture taken?", "What text can be read in the image?",
  ]

  /// The templates about every picture of a folder, in the order of names.
  ///
  /// - Throws: `AdaptationError.noPictures`; `FileError`.
  public static func templates(about folder: URL) throws -> [AdaptationQuestion] {
    let kinds: Set<String> = ["jpg", "jpeg", "png", "webp", "gif"]
    let root = folder.standardizedFileURL.resolvingSymlinksInPath().path
    var found: [String] = []
    guard let walk = FileManager.default.enumerator(atPath: root) else {
      throw AdaptationError.noPictures(folder: folder.relativePath)
    }
    for case let path as String in walk where kinds.contains(URL(fileURLWithPath: path).pathExtension.lowercased()) {
      found.append(path)
    }
    if found.isEmpty { throw AdaptationError.noPictures(folder: folder.relativePath) }
    return found.sorted().flatMap { path in templates.map { AdaptationQuestion(image: path, question: $0) } }
  }

  /// One of the records that a file of questions can hold.
  fileprivate struct Record: Decodable {
    struct Turn: Decodable { let from, value: String }
    let image: String?
    let question, text, answer: String?
    let conversations: [Turn]?
  }

  /// Reads a JSON list, or one object in each line: `image` and `question` (or `text`, as in LLaVA's question files), `answer` where
  /// it is known; or records of LLaVA's instruction format, whose answers are taken as known.
  ///
  /// - Throws: `AdaptationError`, which names the record; `FileError`.
  public static func read(_ url: URL) throws -> [AdaptationQuestion] {
    let data: Data
    do { data = try Data(contentsOf: url) } catch { throw FileError.failed(path: url.relativePath, reason: systemReason(error)) }
    let records: [Record]
    do {
      if data.first(where: { !" \n\r\t".utf8.contains($0) }) == UInt8(ascii: "[") {
        records = try JSONDecoder().decode([Record].self, from: data)
      } else {
        records = try data.split(separator: UInt8(ascii: "\n")).map { try JSONDecoder().decode(Record.self, from: $0) }
      }
    } catch {
      throw AdaptationError.questions(file: url.relativePath, reason: "is neither a JSON list of questions nor one in each line")
    }
    let found = try records.enumerated().flatMap { index, record -> [AdaptationQuestion] in
      guard let found = record.questions, !found.isEmpty else {
        throw AdaptationError.questions(
          file: url.relativePath, reason: "record \(index) has no image with a question; give image and question")
      }
      return found
    }
    if found.isEmpty { throw AdaptationError.questions(file: url.relativePath, reason: "holds no question") }
    return found
  }
}

extension AdaptationQuestion.Record {
  fileprivate var questions: [AdaptationQuestion]? {
    guard let image, !image.isEmpty else { return nil }
    if let text = question ?? text, !text.isEmpty { return [AdaptationQuestion(image: image, question: text, label: answer)] }
    guard let conversations else { return nil }
    var found: [AdaptationQuestion] = []
    for turn in conversations {
      if turn.from == "human" {
        let text = turn.value.replacing("<image>", with: "").trimmingCharacters(in: .whitespacesAndNewlines)
        found.append(AdaptationQuestion(image: image, question: text))
      } else if !found.isEmpty {
        found[found.count - 1].label = turn.value
      }
    }
    return found.filter { !$0.question.isEmpty }
  }
}

/// A question that the model has no answer to.
public struct UnansweredQuestion: Sendable, Equatable {
  /// Its place among all questions.
  public let index: Int
  /// Why, in a few words.
  public let reason: String
}

/// Why a model cannot be adapted.
public enum AdaptationError: Error, Equatable, CustomStringConvertible {
  /// A folder without pictures.
  case noPictures(folder: String)
  /// A file that holds no questions.
  case questions(file: String, reason: String)
  /// Too few pictures to set some apart.
  case tooFew(pictures: Int)
  /// A model that answers nothing.
  case noAnswers(questions: Int)
  /// A folder that holds something else.
  case otherOptions(folder: String)

  /// One sentence for people.
  public var description: String {
    switch self {
    case .noPictures(let folder): "\(folder): holds no picture (jpg, png, webp or gif)"
    case .questions(let file, let reason): "\(file): \(reason)"
    case .tooFew(let pictures):
      "there are questions about \(pictures) picture\(pictures == 1 ? "" : "s"), expected 2 or more: some are set apart to look at the result"
    case .noAnswers(let questions):
      "the model has no answer to any of \(questions) questions; ask it one with epic generate to see why"
    case .otherOptions(let folder):
      "\(folder): holds answers of another model or to other questions; choose another folder, or remove it"
    }
  }
}
