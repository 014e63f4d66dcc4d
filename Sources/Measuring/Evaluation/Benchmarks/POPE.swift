import Foundation

/// POPE on COCO: is there such an object in the picture? Three splits of about 3,000 questions about the same 500 pictures.
///
/// The score is the mean of the splits' F1 scores. LLaVA's version of the data has 8,910 questions, a later one 9,000.
enum POPE {
  static let definition = BenchmarkDefinition(
    name: "pope", title: "POPE", splits: ["coco"], scorers: ["llava", "lmms-eval", "vlmevalkit"], originalMissing: .handled
  ) { source in
    let images = try source.images(
      BenchmarkFile("pope/val2014", "coco/val2014", origin: "http://images.cocodataset.org/zips/val2014.zip"))
    var list = QuestionList<Bool>()
    var labels: [String: [Bool]] = [:]
    let lines = source.find(.llava("pope/llava_pope_test.jsonl"))
    for (offset, split) in [(0, "adversarial"), (10_000_000, "random"), (20_000_000, "popular")] {
      let file = BenchmarkFile(
        "pope/coco/coco_pope_\(split).json", "pope/coco_pope_\(split).json", "pope/output/coco/coco_pope_\(split).json",
        origin: "https://github.com/AoiDragon/POPE/tree/e3e39262c85a6a83f26cf5094022a782cb0df58d/output/coco")
      list.faults += try RecordFile(source.locate(file)).records { record in
        let label = try record.text("label")
        guard label == "yes" || label == "no" else {
          throw record.fault("label is \"\(label.prefix(20))\" where yes or no belongs")
        }
        let (image, text) = (try record.text("image"), try record.text("text"))
        if lines != nil {
          labels["\(split)\n\(image)\n\(text)", default: []].append(label == "yes")
        } else {
          // The ids of LLaVA's file.
          let id = try record.number("question_id") + offset
          let question = Question(
            id: String(id), fileID: .number(id), image: QuestionImage(file: images.appending(path: image)),
            prompt: text + PromptSuffix.shortAnswer, category: split)
          try list.add(question, label == "yes", at: record)
        }
      }
    }
    if let lines {
      // Questions and labels are in the same order; by their words they are found whatever version of the labels is there.
      list.faults += try RecordFile(lines).records { record in
        let line = try QuestionLine(record)
        let key = "\(line.category)\n\(line.image)\n\(line.text.replacingScalars(PromptSuffix.shortAnswer, ""))"
        guard let label = labels[key]?.first else { throw record.fault("coco_pope_\(line.category).json has no such question") }
        labels[key]?.removeFirst()
        try list.add(line.question(images: images), label, at: record)
      }
    }
    return Benchmark(source, list, tally: tally)
  }

  /// Whether an answer says yes; nil for neither.
  ///
  /// - llava: what stands before the first full stop, without commas, split at single spaces; "No", "not" or "no" among the words is
  ///   a no, all else, "none" and nothing included, a yes.
  /// - lmms-eval: the stripped and lower-cased answer is "yes" or "no".
  /// - vlmevalkit: exactly one of the words "yes" and "no" is there.
  static func saysYes(_ answer: String, scorer: String) -> Bool? {
    switch scorer {
    case "lmms-eval":
      let text = answer.pythonStripped.lowercased()
      return text == "yes" ? true : text == "no" ? false : nil
    case "vlmevalkit": return wordPresence(answer)
    default:
      let words = answer.partsBetween(".")[0].replacingScalars(",", "").partsBetween(" ")
      return !words.contains { $0 == "No" || $0 == "not" || $0 == "no" }
    }
  }

  /// VLMEvalKit's rule for all yes-or-no questions.
  static func wordPresence(_ answer: String) -> Bool? {
    let words = AnswerNormalizer.vlmevalkitWords(answer)
    let (yes, no) = (words.contains("yes"), words.contains("no"))
    return yes == no ? nil : yes
  }

  /// One answer beside its label.
  struct Verdict: Sendable {
    var id, image: String
    var label: Bool
    var answer: Bool?
  }

  static func tally(_ answered: [Answered<Bool>], scorer: String) -> Tally {
    let samples = answered.map { item in
      let yes = saysYes(item.answer, scorer: scorer)
      return item.sample(item.given != nil && yes == item.reference ? 1 : 0, parsed: yes.map { $0 ? "yes" : "no" } ?? "other")
    }
    let verdicts = ["random", "popular", "adversarial"].map { split in
      (split, paired(answered.filter { $0.question.category == split }, scorer: scorer))
    }.filter { !$0.1.isEmpty }
    let parts = verdicts.map { ($0, BinaryCounts($1, ignoresOther: scorer == "lmms-eval")) }
    let pooled = BinaryCounts(verdicts.flatMap(\.1), ignoresOther: scorer == "lmms-eval")
    let count = Double(max(1, parts.count))
    let accuracy = parts.reduce(0) { $0 + 100 * $1.1.accuracy } / count
    let figures =
      parts.flatMap { name, counts in counts.figures(name) } + pooled.figures("pooled")
      + [("mean accuracy", accuracy), ("samples (count)", Double(pooled.count))]
    let undefined = parts.filter { $0.1.truePositives == 0 }.map(\.0)
    var notes =
      undefined.isEmpty
      ? [] : ["no true positive in \(undefined.joined(separator: ", ")), where the original divides by zero; F1 is 0 there"]
    if parts.count < 3 { notes.append("only \(parts.map(\.0).joined(separator: ", ")) of the three splits") }
    if scorer != "llava" {
      let all = verdicts.flatMap(\.1)
      return Tally(
        samples: samples, strata: [pooled.stratum("pooled", all, weight: 100)], value: 100 * pooled.f1, figures: figures,
        notes: notes)
    }
    return Tally(
      samples: samples, strata: zip(verdicts, parts).map { $1.1.stratum($0.0, $0.1, weight: 100 / count) },
      value: 100 * parts.reduce(0) { $0 + $1.1.f1 } / count, figures: figures, notes: notes)
  }

  /// Answers beside labels, by order: as in the original, an answer that is missing shifts all behind it, and the last labels go unused.
  private static func paired(_ answered: [Answered<Bool>], scorer: String) -> [Verdict] {
    zip(answered, answered.compactMap(\.given)).map { item, given in
      Verdict(
        id: item.question.id, image: item.question.image?.key ?? item.question.id, label: item.reference,
        answer: saysYes(given, scorer: scorer))
    }
  }
}
