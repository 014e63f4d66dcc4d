import Foundation

/// TextVQA, validation set of version 0.5.1: 5,000 questions about text in pictures, ten answers each.
///
/// LLaVA's prompt lists OCR tokens, which is worth about 12 points; `no-ocr` leaves the line out.
enum TextVQA {
  static let definition = BenchmarkDefinition(
    name: "textvqa", title: "TextVQA", splits: ["val"], prompts: ["llava", "no-ocr"],
    scorers: [SoftAccuracy.Scorer.m4c, .vlmevalkit].map(\.rawValue), originalMissing: .leavesOut
  ) { source in
    let images = try source.images(
      BenchmarkFile(
        "textvqa/train_images", "textvqa/train_val_images/train_images",
        origin: "https://dl.fbaipublicfiles.com/textvqa/images/train_val_images.zip"))
    let annotations = try annotations(source)
    var list = QuestionList<[String]>()
    list.faults = annotations.faults
    list.notes = ["OCR tokens \(source.prompt == "no-ocr" ? "not " : "")in the prompt"]
    var ids = Occurrences()
    if source.prompt == "llava", let url = source.find(lines) {
      // The original finds the references by picture and lower-cased question; of two alike the last counts.
      let references = Dictionary(annotations.entries.map { ("\($0.image)\n\($0.question.lowercased())", $0.answers) }) { $1 }
      list.faults += try RecordFile(url).records { record in
        let line = try QuestionLine(record)
        guard let question = question(in: line.text) else { throw record.fault("its prompt has none of the known shapes") }
        guard let answers = references["\(line.id)\n\(question.lowercased())"] else {
          throw record.fault("picture \(line.id) has no such question in TextVQA_0.5.1_val.json")
        }
        try list.add(line.question(id: ids.id(line.id.description), images: images), answers, at: record)
      }
    } else {
      let tokens = source.prompt == "llava" ? try ocrTokens(source) : nil
      for entry in annotations.entries {
        let ocr = tokens.map { "\nReference OCR token: " + ($0[entry.image] ?? []).joined(separator: ", ") } ?? ""
        let question = Question(
          id: ids.id(entry.image), fileID: .text(entry.image),
          image: QuestionImage(file: images.appending(path: entry.image + ".jpg")),
          prompt: entry.question.pythonCapitalized + ocr + PromptSuffix.shortAnswer)
        try list.add(question, entry.answers, at: entry.record)
      }
    }
    return Benchmark(source, list) { answered, scorer in
      let rule = SoftAccuracy.Scorer(rawValue: scorer) ?? .m4c
      return Tally(
        meanOf: answered.map { item in
          let result = rule.score(item.answer, item.reference)
          return item.sample(result.score, parsed: result.parsed)
        }, notes: [rule.summary])
    }
  }

  private static let lines = BenchmarkFile.llava("textvqa/llava_textvqa_val_v051_ocr.jsonl")

  private struct Entry {
    var image, question: String
    var answers: [String]
    var record: Record
  }

  private static func annotations(_ source: BenchmarkSource) throws -> (entries: [Entry], faults: [RecordFault]) {
    var entries: [Entry] = []
    let file = BenchmarkFile(
      "textvqa/TextVQA_0.5.1_val.json", origin: "https://dl.fbaipublicfiles.com/textvqa/data/TextVQA_0.5.1_val.json")
    let faults = try RecordFile(source.locate(file)).members(under: "data") { _, record in
      let answers = try record.texts("answers")
      guard answers.count == 10 else { throw record.fault("it has \(answers.count) answers where ten belong") }
      entries.append(
        Entry(image: try record.text("image_id"), question: try record.text("question"), answers: answers, record: record))
    }
    return (entries, faults)
  }

  /// OCR tokens by picture, for prompts without LLaVA's file.
  private static func ocrTokens(_ source: BenchmarkSource) throws -> [String: [String]] {
    let rosetta = BenchmarkFile(
      "textvqa/TextVQA_Rosetta_OCR_v0.2_val.json",
      origin: "https://dl.fbaipublicfiles.com/textvqa/data/TextVQA_Rosetta_OCR_v0.2_val.json")
    guard let url = source.find(rosetta) else {
      // Of the two, LLaVA's file is the one to ask for.
      _ = try source.locate(lines)
      return [:]
    }
    var tokens: [String: [String]] = [:]
    _ = try RecordFile(url).members(under: "data") { tokens[try $1.text("image_id")] = try $1.texts("ocr_tokens") }
    return tokens
  }

  /// The question inside a prompt, by the shapes that the original accepts; a line break inside an OCR token makes another shape.
  static func question(in prompt: String) -> String? {
    let lines = prompt.partsBetween("\n")
    if prompt.hasPrefix("OCR tokens: ") {
      let parts = prompt.partsBetween("Question: ")
      guard parts.count > 1 else { return nil }
      let rest = parts.dropFirst().joined(separator: "Question: ").partsBetween(" Short answer:")
      return rest.count > 1 ? rest[0] : nil
    }
    if prompt.holds("Reference OCR token: "), lines.count == 3 {
      return lines[0].hasPrefix("Reference OCR token:") ? lines[1] : lines[0]
    }
    return lines.count == 2 ? lines[0] : nil
  }
}
