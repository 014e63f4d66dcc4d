import Foundation

/// OCRBench: 1,000 questions about text in pictures; the score is the number of right answers.
enum OCRBench {
  static let definition = BenchmarkDefinition(
    name: "ocrbench", title: "OCRBench", splits: ["v1"], prompts: ["llava", "bare"], scorers: ["multimodal-ocr"], fullScore: 1000,
    originalMissing: .leavesOut
  ) { source in
    let origin = "https://github.com/Yuliang-Liu/MultimodalOCR"
    let images = try source.images(
      BenchmarkFile("ocrbench/OCRBench_Images", "OCRBench/OCRBench_Images", origin: "\(origin) (OCRBench_Images)"))
    let file = BenchmarkFile(
      "ocrbench/OCRBench.json", "OCRBench/OCRBench.json", "OCRBench/OCRBench/OCRBench.json", origin: origin)
    var list = QuestionList<Reference>()
    list.notes = [
      source.prompt == "bare" ? "the bare question" : "\"Answer the question using a single word or phrase.\" appended"
    ]
    list.faults = try RecordFile(source.locate(file)).records { record in
      let dataset = try record.text("dataset_name")
      let type = try record.text("type")
      let answers: [String]
      if let single = record["answers"]?.text { answers = [single] } else { answers = try record.texts("answers") }
      // Ids are unique in their data set only.
      let id = "\(dataset)/\(try record.id("id"))"
      let question = Question(
        id: id, fileID: .text(id), image: QuestionImage(file: images.appending(path: try record.text("image_path"))),
        prompt: try record.text("question") + (source.prompt == "bare" ? "" : PromptSuffix.shortAnswer), category: type)
      try list.add(question, Reference(answers: answers, dataset: dataset), at: record)
    }
    return Benchmark(source, list) { answered, _ in tally(answered) }
  }

  struct Reference: Sendable {
    var answers: [String]
    var dataset: String
  }

  /// Whether any reference is a part of the answer.
  ///
  /// Both in lower case and stripped, line breaks as spaces; formulas (HME100k) without any space and case-sensitive instead.
  static func isRight(_ answer: String, _ reference: Reference) -> Bool {
    func plain(_ text: String) -> String {
      if reference.dataset == "HME100k" { return text.pythonStripped.replacingScalars("\n", " ").replacingScalars(" ", "") }
      return text.lowercased().pythonStripped.replacingScalars("\n", " ")
    }
    let text = plain(answer)
    return reference.answers.contains { text.holds(plain($0)) }
  }

  /// The first six types, which sum to "Text Recognition"; formulas are apart.
  private static func isRecognition(_ type: String) -> Bool {
    type.hasSuffix("Recognition") && type != "Handwritten Mathematical Expression Recognition"
  }

  static func tally(_ answered: [Answered<Reference>]) -> Tally {
    let samples = answered.map { $0.sample(isRight($0.answer, $0.reference) ? 1 : 0, parsed: $0.answer) }
    var counts: [String: Double] = [:]
    for (item, sample) in zip(answered, samples) {
      counts["\(item.question.category) (count)", default: 0] += sample.value
      if isRecognition(item.question.category) { counts["Text Recognition (count)", default: 0] += sample.value }
    }
    return Tally(
      meanOf: samples, weight: Double(samples.count), figures: counts.sorted { $0.key < $1.key }.map { ($0.key, $0.value) },
      notes: samples.count == 1000 ? [] : ["\(samples.count) of 1000 questions: the score is no OCRBench score"])
  }
}
