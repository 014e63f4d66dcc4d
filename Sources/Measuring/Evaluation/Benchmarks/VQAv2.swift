import Foundation

/// VQAv2: open questions about COCO pictures, ten answers each.
///
/// `val` can be scored here; the answers to `test-dev` are with EvalAI. Which of the paper's numbers belong to which is unresolved:
/// its 72.2 for LLaVA-1.5 is no test-dev value (78.5 is), so it is no target for either split.
package enum VQAv2 {
  static let definition = BenchmarkDefinition(
    name: "vqav2", title: "VQAv2", splits: ["val", "test-dev"],
    scorers: [SoftAccuracy.Scorer.m4c, .vqaOfficial, .vqaSubmitted, .lmmsEval].map(\.rawValue), originalMissing: .aborts
  ) { source in
    let list = source.split == "val" ? try validation(source) : try test(source)
    // The server wants all of test2015, in the order of its questions, though it scores test-dev alone.
    let allIDs = source.split == "val" ? [] : try ids(source)
    return Benchmark(source, list) { answered, scorer in
      if source.split != "val" {
        throw EvaluationError.scoredByServer(
          benchmark: "vqav2", split: source.split, server: "https://eval.ai/web/challenges/challenge-page/830")
      }
      return tally(answered, scorer: scorer)
    } files: { answered in
      try source.split == "val" ? [] : [upload(answered, allIDs: allIDs)]
    }
  }

  private static let origin = "https://visualqa.org/download.html"

  /// Ten answers, and what is reported apart.
  struct Reference: Sendable {
    var answers: [String]
    var answerType, questionType: String
  }

  private static func validation(_ source: BenchmarkSource) throws -> QuestionList<Reference> {
    let images = try source.images(
      BenchmarkFile("vqav2/val2014", "coco/val2014", origin: "http://images.cocodataset.org/zips/val2014.zip"))
    var list = QuestionList<Reference>()
    var references: [FileID: Reference] = [:]
    list.faults = try RecordFile(
      source.locate(BenchmarkFile("vqav2/v2_mscoco_val2014_annotations.json", origin: origin))
    ).members(under: "annotations") { _, record in
      references[try record.id("question_id")] = Reference(
        answers: try record.objects("answers").map { try $0.text("answer") }, answerType: record["answer_type"]?.text ?? "other",
        questionType: record["question_type"]?.text ?? "none of the above")
    }
    list.faults += try RecordFile(
      source.locate(BenchmarkFile("vqav2/v2_OpenEnded_mscoco_val2014_questions.json", origin: origin))
    ).members(under: "questions") { _, record in
      let id = try record.id("question_id")
      guard let reference = references[id] else { throw record.fault("question \(id) has no annotation") }
      let name = imageName(try record.number("image_id"), subset: "val2014")
      let question = Question(
        id: id.description, fileID: id, image: QuestionImage(file: images.appending(path: name)),
        prompt: try record.text("question") + PromptSuffix.shortAnswer, category: reference.answerType)
      try list.add(question, reference, at: record)
    }
    return list
  }

  private static func test(_ source: BenchmarkSource) throws -> QuestionList<Reference> {
    let images = try source.images(BenchmarkFile("vqav2/test2015", origin: "http://images.cocodataset.org/zips/test2015.zip"))
    var list = QuestionList<Reference>()
    let nothing = Reference(answers: [], answerType: "other", questionType: "")
    let official = BenchmarkFile("vqav2/v2_OpenEnded_mscoco_test-dev2015_questions.json", origin: origin)
    let ours = BenchmarkFile.llava("vqav2/llava_vqav2_mscoco_test-dev2015.jsonl")
    if source.find(ours) == nil, let url = source.find(official) {
      list.faults = try RecordFile(url).members(under: "questions") { _, record in
        let id = try record.id("question_id")
        let image = QuestionImage(file: images.appending(path: imageName(try record.number("image_id"), subset: "test2015")))
        let prompt = try record.text("question") + PromptSuffix.shortAnswer
        try list.add(Question(id: id.description, fileID: id, image: image, prompt: prompt), nothing, at: record)
      }
    } else {
      list.faults = try RecordFile(source.locate(ours)).records { record in
        try list.add(try QuestionLine(record).question(images: images), nothing, at: record)
      }
    }
    return list
  }

  /// The name of a picture of COCO.
  package static func imageName(_ id: Int, subset: String) -> String {
    let digits = String(id)
    return "COCO_\(subset)_\(String(repeating: "0", count: max(0, 12 - digits.count)))\(digits).jpg"
  }

  static func tally(_ answered: [Answered<Reference>], scorer: String) -> Tally {
    let rule = SoftAccuracy.Scorer(rawValue: scorer) ?? .m4c
    let samples = answered.map { item in
      let result = rule.score(item.answer, item.reference.answers)
      return item.sample(result.score, parsed: result.parsed)
    }
    let types = zip(answered, samples).flatMap { item, sample in
      [
        (name: "answer type/\(item.reference.answerType)", value: sample.value),
        (name: "question type/\(item.reference.questionType)", value: sample.value),
      ]
    }
    return Tally(meanOf: samples, figures: percentages(types), notes: [rule.summary])
  }

  private static func ids(_ source: BenchmarkSource) throws -> [Int] {
    var ids: [Int] = []
    let official = BenchmarkFile("vqav2/v2_OpenEnded_mscoco_test2015_questions.json", origin: origin)
    if let url = source.find(official) {
      _ = try RecordFile(url).members(under: "questions") { ids.append(try $1.number("question_id")) }
    } else if let url = source.find(.llava("vqav2/llava_vqav2_mscoco_test2015.jsonl")) {
      _ = try RecordFile(url).records { ids.append(try $0.number("question_id")) }
    }
    return ids
  }

  /// Empty where test-dev has no question; without test2015's questions, test-dev's alone.
  private static func upload(_ answered: [Answered<Reference>], allIDs: [Int]) throws -> ExportedFile {
    struct Entry: Encodable { var question_id: FileID, answer: String }
    let answers = Dictionary(answered.map { ($0.question.fileID, AnswerNormalizer.m4c($0.answer)) }) { first, _ in first }
    let ids = allIDs.isEmpty ? answered.map(\.question.fileID) : allIDs.map(FileID.number)
    return try ExportedFile(name: "vqav2_test-dev2015.json", json: ids.map { Entry(question_id: $0, answer: answers[$0] ?? "") })
  }
}
