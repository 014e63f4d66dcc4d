import Evaluation
import Foundation

/// The right answers of the embedded test set, out of the benchmarks' own files, and what kind of question each is.
struct DemoReferences {
  /// A question's kind and its right answer.
  struct Reference {
    let family: String
    let answer: String
  }

  /// The kinds, in the order in which they are shown.
  static let families = ["existence", "attribute", "relation", "position", "counting", "reading"]

  private var found: [String: Reference] = [:]

  /// Reads the files that `epic data make shapes` wrote.
  ///
  /// - Throws: `DemoError.unusable`.
  init(_ data: URL) throws {
    struct POPELine: Decodable {
      let question_id: Int
      let label: String
    }
    // As the reader of POPE numbers its splits.
    for (offset, split) in [(0, "adversarial"), (10_000_000, "random"), (20_000_000, "popular")] {
      try demoFile(data.appending(path: "pope/coco/coco_pope_\(split).json")) { url in
        for line in try Data(contentsOf: url).split(separator: UInt8(ascii: "\n")) {
          let line = try JSONDecoder().decode(POPELine.self, from: line)
          note("pope", "\(line.question_id + offset)", "existence", line.label)
        }
      }
    }
    struct GQAItem: Decodable {
      struct Types: Decodable { let semantic: String }
      let answer: String
      let types: Types
    }
    let gqa: [String: GQAItem] = try Self.read(data.appending(path: "gqa/testdev_balanced_questions.json"))
    for (id, item) in gqa { note("gqa", id, item.types.semantic, item.answer) }
    struct VQAFile: Decodable {
      struct Item: Decodable {
        let question_id: Int
        let multiple_choice_answer: String
      }
      let annotations: [Item]
    }
    let vqa: VQAFile = try Self.read(data.appending(path: "vqav2/v2_mscoco_val2014_annotations.json"))
    for item in vqa.annotations { note("vqav2", "\(item.question_id)", "counting", item.multiple_choice_answer) }
    struct TextFile: Decodable {
      struct Item: Decodable {
        let image_id: String
        let answers: [String]
      }
      let data: [Item]
    }
    let text: TextFile = try Self.read(data.appending(path: "textvqa/TextVQA_0.5.1_val.json"))
    for item in text.data { note("textvqa", item.image_id, "reading", item.answers.first ?? "") }
  }

  private static func read<T: Decodable>(_ url: URL) throws -> T {
    try demoFile(url) { try JSONDecoder().decode(T.self, from: Data(contentsOf: $0)) }
  }

  private mutating func note(_ benchmark: String, _ id: String, _ family: String, _ answer: String) {
    found["\(benchmark) \(id)"] = Reference(family: family, answer: answer)
  }

  /// What is known of a question.
  subscript(_ benchmark: String, _ question: Question) -> Reference? { found["\(benchmark) \(question.fileID)"] }
}
