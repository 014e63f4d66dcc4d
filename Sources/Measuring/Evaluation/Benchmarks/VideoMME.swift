import Foundation

/// Video-MME without subtitles: 2,700 multiple-choice questions about 900 videos, a third each short, medium and long.
///
/// The data come as Parquet, which is not read here; the `datasets` package of Python makes a file of JSON lines of them.
enum VideoMME {
  static let definition = BenchmarkDefinition(
    name: "videomme", title: "Video-MME", splits: ["test"] + durations, prompts: ["videomme"], scorers: ["videomme"],
    maximumNewTokens: 16, isAboutVideos: true, originalMissing: .aborts
  ) { source in
    let folder = "https://huggingface.co/datasets/lmms-lab/Video-MME"
    let videos = try source.images(
      BenchmarkFile("videomme/data", "Video-MME/data", origin: "\(folder) (videos_chunked_*.zip, which unpack to data)"))
    let file = BenchmarkFile(
      "videomme/videomme.jsonl", "Video-MME/videomme.jsonl",
      origin: "\(folder): python3 -c 'from datasets import load_dataset; load_dataset(\"lmms-lab/Video-MME\", split=\"test\")"
        + ".to_json(\"videomme.jsonl\")'")
    var list = QuestionList<Reference>()
    list.faults = try RecordFile(source.locate(file)).records { record in
      let reference = try Reference(record)
      if source.split != "test", source.split != reference.duration { return }
      let id = try record.id("question_id")
      let lines = try [instruction, record.text("question")] + record.texts("options") + ["The best answer is:"]
      let item = Question(
        id: id.description, fileID: id, image: QuestionImage(video: QuestionVideo(file: try video(record, in: videos))),
        prompt: lines.joined(separator: "\n"), category: reference.duration)
      try list.add(item, reference, at: record)
    }
    return Benchmark(source, list) { answered, _ in tally(answered) }
  }

  private static let instruction =
    "Select the best answer to the following multiple-choice question based on the video. Respond with only the letter (A, B, C, or D) "
    + "of the correct option."

  static let durations = ["short", "medium", "long"]

  struct Reference: Sendable {
    var gold, duration, domain, subcategory, task: String

    init(_ record: Record) throws(RecordFault) {
      (gold, duration) = (try record.text("answer"), try record.text("duration"))
      (domain, subcategory, task) = (
        try record.text("domain"), try record.text("sub_category"), try record.text("task_type")
      )
      guard ["A", "B", "C", "D"].contains(gold) else {
        throw record.fault("answer is \"\(gold.prefix(20))\" where a letter A to D belongs")
      }
      guard VideoMME.durations.contains(duration) else {
        throw record.fault("duration is \"\(duration.prefix(20))\" where short, medium or long belongs")
      }
    }
  }

  /// A video's file, by whichever ending it has.
  private static func video(_ record: Record, in folder: URL) throws(RecordFault) -> URL {
    let name = try record.text("videoID")
    let files = ["mp4", "MP4", "mkv", "webm"].map { folder.appending(path: "\(name).\($0)") }
    return files.first { FileManager.default.fileExists(atPath: $0.path) } ?? files[0]
  }

  /// The letter that an answer means; nil where it has none.
  ///
  /// Some beginnings are taken away wherever they stand; the first A, B, C or D of what is left counts, and may be one of a word. The two
  /// beginnings that are joined here are so in the authors' list, and match nothing.
  static func letter(_ answer: String) -> String? {
    var text = answer.pythonStripped
    for beginning in beginnings { text = text.replacingScalars(beginning, "") }
    return text.unicodeScalars.first { "ABCD".unicodeScalars.contains($0) }.map { String($0) }
  }

  private static let beginnings = [
    "The best answer is", "The correct answer is", "The answer is", "The answer", "The best option isThe correct option is",
    "Best answer:Best option:", "Answer:", "Option:", "The correct answer", "The correct option",
  ]

  /// Right answers over answers that have a letter; one without is neither right nor wrong.
  static func tally(_ answered: [Answered<Reference>]) -> Tally {
    let letters = answered.map { letter($0.answer) }
    let samples = zip(answered, letters).map { item, letter in
      item.sample(letter == item.reference.gold ? 1 : 0, parsed: letter ?? "none")
    }
    let pairs = Array(zip(samples, letters.map { $0 != nil }))
    var parts: [String: [(BenchmarkScore.Sample, Bool)]] = [:]
    for (item, pair) in zip(answered, pairs) {
      let reference = item.reference
      for name in [
        reference.duration, "domain/\(reference.domain)", "sub-category/\(reference.subcategory)", "task/\(reference.task)",
      ] { parts[name, default: []].append(pair) }
    }
    let ratios = parts.sorted { $0.key < $1.key }.map { ($0.key, 100 * ratio($0.value)) }
    let unread = letters.count { $0 == nil }
    return Tally(
      samples: samples, strata: [stratum(pairs)], figures: ratios + [("without a letter (count)", Double(unread))],
      notes: unread > 0 ? ["\(unread) answers without a letter left out, as the authors do"] : [])
  }

  private static func ratio(_ pairs: [(BenchmarkScore.Sample, Bool)]) -> Double {
    let read = pairs.count { $0.1 }
    return read == 0 ? 0 : pairs.reduce(0) { $0 + $1.0.value } / Double(read)
  }

  /// A ratio as a mean over all questions: r + (right − r · read) / D for each, where D is the share that is read.
  ///
  /// Linearised as F1 in ``BinaryCounts``, so that plans that leave other questions unread can be compared.
  private static func stratum(_ pairs: [(BenchmarkScore.Sample, Bool)]) -> BenchmarkScore.Stratum {
    let mean = ratio(pairs)
    let share = Double(pairs.count { $0.1 }) / Double(max(1, pairs.count))
    let units = pairs.map { sample, isRead in
      // Where all are read each is itself, to the last bit.
      let value = share == 1 ? sample.value : share == 0 ? 0 : mean + (sample.value - (isRead ? mean : 0)) / share
      return BenchmarkScore.Unit(id: sample.id, value: value, cluster: sample.image ?? sample.id)
    }
    return BenchmarkScore.Stratum(name: "questions", weight: 100, units: units)
  }
}
