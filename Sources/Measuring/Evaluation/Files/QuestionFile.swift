import Foundation

/// A line of LLaVA's question files: the prompt is complete, suffix included.
struct QuestionLine {
  let id: FileID
  let image: String
  let text: String
  let category: String

  init(_ record: Record) throws(RecordFault) {
    id = try record.id("question_id")
    image = try record.text("image")
    text = try record.text("text")
    category = record["category"]?.text ?? "default"
  }

  func question(id: String? = nil, images: URL, group: String? = nil) -> Question {
    Question(
      id: id ?? self.id.description, fileID: self.id, image: QuestionImage(file: images.appending(path: image)), prompt: text,
      category: category, group: group)
  }
}

/// The sentences behind the questions of LLaVA's prompts.
package enum PromptSuffix {
  package static let shortAnswer = "\nAnswer the question using a single word or phrase."
  package static let unanswerable = "\nWhen the provided information is insufficient, respond with 'Unanswerable'." + shortAnswer
  package static let optionLetter = "\nAnswer with the option's letter from the given choices directly."
  package static let optionLetterChinese = "\n请直接回答选项字母。"
}
