import Foundation

/// CLEVRER, validation set: descriptive questions about five seconds of shapes that move and collide, answered in a word.
///
/// The score is the share of right answers, as its authors count descriptive questions. Their other three kinds have choices of which any
/// number is right, and are not asked.
enum CLEVRER {
  static let definition = BenchmarkDefinition(
    name: "clevrer", title: "CLEVRER", splits: ["validation"], scorers: ["exact"], maximumNewTokens: 16, isAboutVideos: true,
    originalMissing: .aborts
  ) { source in
    let origin = "http://clevrer.csail.mit.edu"
    let videos = try source.images(
      BenchmarkFile("clevrer/video_validation", "CLEVRER/video_validation", origin: "\(origin) (video_validation.zip)"))
    let file = BenchmarkFile("clevrer/validation.json", "CLEVRER/validation.json", origin: "\(origin) (validation.json)")
    var list = QuestionList<String>()
    list.notes = ["descriptive questions alone", "\"Answer the question using a single word or phrase.\" appended"]
    var broken: [RecordFault] = []
    let faults = try RecordFile(source.locate(file)).records { scene in
      let name = try scene.text("video_filename")
      let video = QuestionImage(video: QuestionVideo(file: place(of: name, in: videos)))
      for record in try scene.objects("questions") {
        // A broken question costs itself alone.
        do throws(RecordFault) {
          guard try record.text("question_type") == "descriptive" else { continue }
          let id = "\(name.split(separator: ".").first ?? "")/\(try record.id("question_id"))"
          let question = Question(
            id: id, fileID: .text(id), image: video, prompt: try record.text("question") + PromptSuffix.shortAnswer,
            category: record["question_subtype"]?.text ?? "descriptive")
          try list.add(question, try record.text("answer"), at: record)
        } catch {
          broken.append(error)
        }
      }
    }
    list.faults = faults + broken
    return Benchmark(source, list) { answered, _ in tally(answered) }
  }

  /// A video beside the others, or in the folder of its thousand ("video_10000-11000"), as the archive unpacks.
  static func place(of name: String, in folder: URL) -> URL {
    let flat = folder.appending(path: name)
    // What stands in front of the ending, which may have a digit too.
    let digits = name.prefix { $0 != "." }.unicodeScalars.filter { ("0"..."9").contains($0) }.map(String.init).joined()
    guard !FileManager.default.fileExists(atPath: flat.path), let number = Int(digits), number < 100_000 else { return flat }
    let first = number / 1000 * 1000
    func padded(_ number: Int) -> String { String(repeating: "0", count: max(0, 5 - String(number).count)) + String(number) }
    let deep = folder.appending(path: "video_\(padded(first))-\(padded(first + 1000))/\(name)")
    return FileManager.default.fileExists(atPath: deep.path) ? deep : flat
  }

  /// Whether an answer is the word, in whatever case and with or without a full stop.
  static func isRight(_ answer: String, _ gold: String) -> Bool { plain(answer) == plain(gold) }

  private static func plain(_ text: String) -> String {
    let text = text.lowercased().pythonStripped
    return text.hasSuffix(".") ? String(text.dropLast()) : text
  }

  static func tally(_ answered: [Answered<String>]) -> Tally {
    let samples = answered.map { $0.sample(isRight($0.answer, $0.reference) ? 1 : 0, parsed: plain($0.answer)) }
    return Tally(
      meanOf: samples, figures: percentages(zip(answered, samples).map { (name: $0.question.category, value: $1.value) }))
  }
}
