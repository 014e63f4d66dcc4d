import Foundation

/// ScienceQA: multiple-choice school questions, 2,017 of the 4,241 test questions with a picture.
///
/// The score is the accuracy on questions with a picture, SQA-IMG. The split `test` asks the others as well, as LLaVA's script does;
/// they have no picture, so no visual tokens to drop.
enum ScienceQA {
  static let definition = BenchmarkDefinition(
    name: "scienceqa", title: "SQA-IMG", splits: ["img", "test"], scorers: ["llava", "lmms-eval", "vlmevalkit"],
    maximumNewTokens: 1024, originalMissing: .handled
  ) { source in
    let images = try source.images(BenchmarkFile("scienceqa/images/test", origin: origin))
    let llava = BenchmarkFile.llava("scienceqa/llava_test_CQM-A.json")
    let list =
      try source.find(llava).map { try converted($0, source, images: images) } ?? original(source, images: images)
    return Benchmark(source, list, tally: tally)
  }

  private static let origin = "https://github.com/lupantech/ScienceQA, folder data/scienceqa"

  struct Reference: Sendable {
    /// The right option's letter.
    var gold: String
    /// The options' texts.
    var choices: [String]
  }

  /// LLaVA's file, a list of conversations.
  private static func converted(_ url: URL, _ source: BenchmarkSource, images: URL) throws -> QuestionList<Reference> {
    var list = QuestionList<Reference>()
    list.faults = try RecordFile(url).records { record in
      let turns = try record.objects("conversations")
      guard turns.count == 2 else { throw record.fault("it has \(turns.count) turns where a question and an answer belong") }
      let gold = try turns[1].text("value").pythonStripped
      guard gold.utf8.count == 1, let letter = gold.utf8.first, (65...69).contains(letter) else {
        throw record.fault("its answer is \"\(gold.prefix(20))\" where a letter A to E belongs")
      }
      let text = try turns[0].text("value").replacingScalars("<image>", "").pythonStripped
      try add(
        id: try record.id("id"), text: text, image: record["image"]?.text, gold: gold, to: &list, source, images, at: record)
    }
    return list
  }

  /// The files that LLaVA's was made from, made into the same questions.
  private static func original(_ source: BenchmarkSource, images: URL) throws -> QuestionList<Reference> {
    let splits = try source.locate(BenchmarkFile("scienceqa/pid_splits.json", origin: origin))
    let problems = try source.locate(BenchmarkFile("scienceqa/problems.json", origin: origin))
    var list = QuestionList<Reference>()
    var order: [String] = []
    list.faults = try RecordFile(splits).members(under: "test") { _, record in
      guard let id = record.value.text else { throw record.fault("test holds \(record.value.kind) where text belongs") }
      order.append(id)
    }
    let wanted = Set(order)
    var records: [String: Record] = [:]
    list.faults += try RecordFile(problems).members { name, record in
      if let name, wanted.contains(name) { records[name] = record }
    }
    for id in order {
      do {
        guard let record = records[id] else {
          throw RecordFault(file: problems.relativePath, line: 1, reason: "problem \(id) of the split test is not there")
        }
        let choices = try record.texts("choices")
        let answer = try record.number("answer")
        guard choices.indices.contains(answer) else { throw record.fault("answer \(answer) is none of \(choices.count) choices") }
        let hint = record["hint"]?.text ?? ""
        let lines = choices.enumerated().map { "\n\(AnswerFile.letter($0)). \($1)" }
        var text = (hint.isEmpty ? "" : "Context: \(hint)\n") + (try record.text("question")) + lines.joined()
        while text.holds("  ") { text = text.replacingScalars("  ", " ") }
        try add(
          id: .text(id), text: text.pythonStripped, image: record["image"]?.text.map { "\(id)/\($0)" },
          gold: AnswerFile.letter(answer), to: &list, source, images, at: record)
      } catch let fault as RecordFault {
        list.faults.append(fault)
      }
    }
    return list
  }

  private static func add(
    id: FileID, text: String, image: String?, gold: String, to list: inout QuestionList<Reference>, _ source: BenchmarkSource,
    _ images: URL, at record: Record
  ) throws {
    if image == nil, source.split == "img" { return }
    let prompt = text + PromptSuffix.optionLetter
    let question = Question(
      id: id.description, fileID: id, image: image.map { QuestionImage(file: images.appending(path: $0)) }, prompt: prompt,
      recordedPrompt: (image == nil ? "" : "<image>\n") + prompt)
    let choices = text.partsBetween("\n").compactMap { line -> String? in
      let start = line.prefix(3)
      return start.count == 3 && start.hasSuffix(". ") && "ABCDE".contains(start.prefix(1)) ? String(line.dropFirst(3)) : nil
    }
    try list.add(question, Reference(gold: gold, choices: choices), at: record)
  }

  /// The letter that an answer means, nil where it cannot be told.
  ///
  /// LLaVA's order: the whole text is one letter A to E; it begins with a letter, full stop and space; "The answer is X" and one more
  /// character, whichever (the full stop is a wildcard), occurs once. There is no random guess.
  static func letter(_ answer: String) -> String? {
    let text = Array(answer.unicodeScalars)
    func isOption(_ scalar: Unicode.Scalar) -> Bool { (65...69).contains(scalar.value) }
    if text.count == 1, isOption(text[0]) { return String(text[0]) }
    if text.count >= 3, isOption(text[0]), text[1] == ".", text[2] == " " { return String(text[0]) }
    var found: [String] = []
    for part in answer.partsBetween("The answer is ").dropFirst() {
      let rest = Array(part.unicodeScalars.prefix(2))
      if rest.count == 2, (65...90).contains(rest[0].value), rest[1] != "\n" { found.append(String(rest[0])) }
    }
    return found.count == 1 ? found[0] : nil
  }

  /// lmms-eval since July 2025: the letter in any case, or a capital and a full stop in front.
  private static func lmmsEval(_ answer: String) -> String? {
    let text = Array(answer.pythonStripped.unicodeScalars)
    if text.count == 1 { return String(text[0]).uppercased() }
    return text.count >= 2 && text[0].properties.isUppercase && text[1] == "." ? String(text[0]) : nil
  }

  static func parse(_ answer: String, _ reference: Reference, scorer: String) -> String? {
    switch scorer {
    case "lmms-eval": lmmsEval(answer)
    case "vlmevalkit":
      OptionLetter.vlmevalkit(answer, options: reference.choices.enumerated().map { (AnswerFile.letter($0), $1) })
    default: letter(answer)
    }
  }

  /// A missing answer, where the original's way with them is chosen, is wrong among all questions and left out of those with a picture:
  /// the original tells these by the prompt in the answer file.
  static func tally(_ answered: [Answered<Reference>], scorer: String) -> Tally {
    let samples = answered.map { item in
      let parsed = parse(item.answer, item.reference, scorer: scorer)
      return item.sample(parsed == item.reference.gold ? 1 : 0, parsed: parsed ?? "FAILED")
    }
    let pictured = zip(answered, samples).filter { $0.0.question.image != nil && $0.0.given != nil }.map(\.1)
    let accuracy = Tally(meanOf: pictured)
    let right = samples.reduce(0) { $0 + $1.value }
    return Tally(
      samples: samples, strata: accuracy.strata, value: accuracy.value,
      figures: [
        ("all questions", 100 * right / Double(samples.count)), ("with a picture (count)", Double(pictured.count)),
        ("not parsed (count)", Double(samples.count { $0.parsed == "FAILED" })),
      ],
      notes: pictured.isEmpty ? ["no question with a picture"] : [])
  }
}
