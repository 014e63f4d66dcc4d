import Foundation

/// GQA, testdev-balanced: 12,578 compositional questions about 398 pictures, one answer each.
enum GQA {
  static let definition = BenchmarkDefinition(
    name: "gqa", title: "GQA", splits: ["testdev-balanced"], scorers: ["llava", "lmms-eval", "vlmevalkit"],
    originalMissing: .aborts
  ) { source in
    let origin = "https://cs.stanford.edu/people/dorarad/gqa/download.html"
    let images = try source.images(BenchmarkFile("gqa/data/images", "gqa/images", origin: "\(origin) (images.zip)"))
    let annotations = try RecordFile(
      source.locate(
        BenchmarkFile(
          "gqa/data/testdev_balanced_questions.json", "gqa/data/questions1.2/testdev_balanced_questions.json",
          "gqa/testdev_balanced_questions.json", origin: "\(origin) (questions1.2.zip)")))
    var list = QuestionList<Reference>()
    var references: [String: Reference] = [:]
    let lines = source.find(.llava("gqa/llava_gqa_testdev_balanced.jsonl"))
    list.faults = try annotations.members { name, record in
      guard let id = name else { throw record.fault("it has no question id; questions are members of an object") }
      // Only balanced questions count.
      if case .bool(false)? = record["isBalanced"] { return }
      let reference = Reference(
        answer: try record.text("answer"),
        structure: record["types"] == nil ? "query" : try record.object("types").text("structural"))
      references[id] = reference
      if lines != nil { return }
      let question = Question(
        id: id, fileID: .text(id), image: QuestionImage(file: images.appending(path: try record.text("imageId") + ".jpg")),
        prompt: try record.text("question") + PromptSuffix.shortAnswer, category: reference.structure)
      try list.add(question, reference, at: record)
    }
    if let lines {
      list.faults += try RecordFile(lines).records { record in
        let line = try QuestionLine(record)
        guard let reference = references[line.id.description] else { throw record.fault("question \(line.id) has no annotation") }
        try list.add(line.question(images: images), reference, at: record)
      }
    }
    return Benchmark(source, list, tally: tally) { [try predictions($0)] }
  }

  struct Reference: Sendable {
    var answer: String
    /// query, choose, verify, logical or compare.
    var structure: String
  }

  /// Whether an answer is right.
  ///
  /// - llava: trailing full stops off, lower case, the same string. Nothing else: no article, number or punctuation.
  /// - lmms-eval: both sides in lower case and without ASCII punctuation.
  /// - vlmevalkit: both sides stripped and in lower case.
  static func judge(_ answer: String, _ gold: String, scorer: String) -> (parsed: String, isRight: Bool) {
    switch scorer {
    case "lmms-eval":
      func plain(_ text: String) -> String {
        String(String.UnicodeScalarView(text.lowercased().unicodeScalars.filter { !asciiPunctuation.contains($0) }))
      }
      return (plain(answer), plain(answer) == plain(gold))
    case "vlmevalkit":
      let parsed = answer.pythonStripped.lowercased()
      return (parsed, parsed == gold.pythonStripped.lowercased())
    default:
      let parsed = prediction(answer)
      return (parsed, parsed == gold)
    }
  }

  static func tally(_ answered: [Answered<Reference>], scorer: String) -> Tally {
    let samples = answered.map { item in
      let verdict = judge(item.answer, item.reference.answer, scorer: scorer)
      return item.sample(verdict.isRight ? 1 : 0, parsed: verdict.parsed)
    }
    let groups = zip(answered, samples).flatMap { item, sample in
      let structure = item.reference.structure
      return [
        (name: structure == "query" ? "open" : "binary", value: sample.value),
        (name: "structural/\(structure)", value: sample.value),
      ]
    }
    return Tally(meanOf: samples, figures: percentages(groups))
  }

  private static let asciiPunctuation = Set("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~".unicodeScalars)

  private static func prediction(_ answer: String) -> String {
    let scalars = answer.unicodeScalars
    let end = scalars.lastIndex { $0 != "." }.map { scalars.index(after: $0) } ?? scalars.startIndex
    return String(scalars[..<end]).lowercased()
  }

  /// What the official scorer reads.
  private static func predictions(_ answered: [Answered<Reference>]) throws -> ExportedFile {
    struct Entry: Encodable { var questionId, prediction: String }
    return try ExportedFile(
      name: "testdev_balanced_predictions.json",
      json: answered.filter { $0.given != nil }.map { Entry(questionId: $0.question.id, prediction: prediction($0.answer)) })
  }
}
