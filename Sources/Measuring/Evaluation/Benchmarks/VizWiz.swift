import Foundation

/// VizWiz: questions that blind people asked about pictures they took, ten answers each; many cannot be answered.
///
/// `val` can be scored here; the answers to `test`, which LLaVA uses, are with EvalAI. The score depends much on how often a model
/// says "unanswerable", so it may rise as visual tokens are dropped.
enum VizWiz {
  static let definition = BenchmarkDefinition(
    name: "vizwiz", title: "VizWiz", splits: ["val", "test"],
    scorers: [SoftAccuracy.Scorer.vizwizSubmitted, .vizwizOfficial, .m4c, .vlmevalkit].map(\.rawValue), originalMissing: .aborts
  ) { source in
    let images = try source.images(
      BenchmarkFile("vizwiz/\(source.split)", origin: "https://vizwiz.cs.colorado.edu/VizWiz_final/images/\(source.split).zip"))
    var list = QuestionList<VQAv2.Reference>()
    let lines = BenchmarkFile.llava("vizwiz/llava_test.jsonl")
    if source.split == "test", let url = source.find(lines) {
      let nothing = VQAv2.Reference(answers: [], answerType: "other", questionType: "")
      list.faults = try RecordFile(url).records { record in
        let line = try QuestionLine(record)
        try list.add(line.question(images: images), nothing, at: record)
      }
    } else {
      let file = BenchmarkFile(
        "vizwiz/\(source.split).json", "vizwiz/Annotations/\(source.split).json",
        origin: "https://vizwiz.cs.colorado.edu/VizWiz_final/vqa_data/Annotations.zip")
      var number = 0
      list.faults = try RecordFile(source.locate(file)).records { record in
        // The files have no ids; LLaVA's are places in the file.
        defer { number += 1 }
        let isTest = source.split == "test"
        let reference = VQAv2.Reference(
          answers: isTest ? [] : try record.objects("answers").map { try $0.text("answer") },
          answerType: record["answer_type"]?.text ?? "other", questionType: "")
        let question = Question(
          id: String(number), fileID: .number(number),
          image: QuestionImage(file: images.appending(path: try record.text("image"))),
          prompt: try record.text("question").pythonCapitalized + PromptSuffix.unanswerable, category: reference.answerType)
        try list.add(question, reference, at: record)
      }
    }
    return Benchmark(source, list) { answered, scorer in
      if source.split == "test" {
        throw EvaluationError.scoredByServer(
          benchmark: "vizwiz", split: "test", server: "https://eval.ai/web/challenges/challenge-page/2185")
      }
      return tally(answered, scorer: scorer)
    } files: {
      source.split == "test" ? [try upload($0)] : []
    }
  }

  static func tally(_ answered: [Answered<VQAv2.Reference>], scorer: String) -> Tally {
    let rule = SoftAccuracy.Scorer(rawValue: scorer) ?? .vizwizSubmitted
    let samples = answered.map { item in
      let result = rule.score(item.answer, item.reference.answers)
      return item.sample(result.score, parsed: result.parsed)
    }
    let unanswerable = samples.count { $0.parsed == "unanswerable" }
    let types = zip(answered, samples).map { (name: "answer type/\($0.reference.answerType)", value: $1.value) }
    return Tally(
      meanOf: samples,
      figures: percentages(types) + [("answered unanswerable", 100 * Double(unanswerable) / Double(samples.count))],
      notes: [rule.summary])
  }

  private static func upload(_ answered: [Answered<VQAv2.Reference>]) throws -> ExportedFile {
    struct Entry: Encodable { var image, answer: String }
    let missing = answered.filter { $0.given == nil }
    if let first = missing.first {
      throw EvaluationError.missingAnswers(
        benchmark: "vizwiz", count: missing.count, first: first.question.id, reason: "the server wants an answer to each")
    }
    return try ExportedFile(
      name: "vizwiz_test.json",
      json: answered.map {
        Entry(image: $0.question.image?.file?.lastPathComponent ?? "", answer: AnswerNormalizer.m4c($0.answer))
      })
  }
}
