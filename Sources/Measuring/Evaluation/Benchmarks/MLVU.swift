import Foundation

/// MLVU, dev set: seven multiple-choice tasks about videos of three minutes to two hours, 2,174 questions.
///
/// The score is M-Avg, the mean of the tasks' accuracies. The two tasks whose answers a language model judges are not asked.
enum MLVU {
  static let definition = BenchmarkDefinition(
    name: "mlvu", title: "MLVU", splits: ["dev"], prompts: ["mlvu"], scorers: ["mlvu"], maximumNewTokens: 1024,
    isAboutVideos: true, originalMissing: .aborts
  ) { source in
    var list = QuestionList<String>()
    for (number, task) in tasks.enumerated() {
      let name = "\(number + 1)_\(task)"
      let videos = try source.images(file("video/\(name)", "video/\(task)"))
      var place = 0
      list.faults += try RecordFile(source.locate(file("json/\(name).json"))).records { record in
        defer { place += 1 }
        let question = try LetteredQuestion(record)
        let id = "\(task)/\(place)"
        let video = QuestionVideo(file: videos.appending(path: try record.text("video")))
        let item = Question(
          id: id, fileID: .text(id), image: QuestionImage(video: video),
          prompt: "\(instruction)\n\(question.text)\nOnly give the best option.", recordedPrompt: question.text, category: task,
          answerPrefix: "Best Option: (")
        try list.add(item, question.gold, at: record)
      }
    }
    return Benchmark(source, list) { answered, _ in tally(answered) }
  }

  private static let instruction =
    "Carefully watch this video and pay attention to every detail. Based on your observations, select the best option that accurately "
    + "addresses the question."

  static let tasks = ["plotQA", "needle", "ego", "count", "order", "anomaly_reco", "topic_reasoning"]

  private static func file(_ paths: String...) -> BenchmarkFile {
    BenchmarkFile(
      paths: ["mlvu", "MLVU"].flatMap { folder in paths.map { "\(folder)/\($0)" } },
      origin: "https://huggingface.co/datasets/MLVU/MVLU")
  }

  /// What an answer, which goes on behind "Best Option: (", is taken to say: the character before its first closing bracket, else all of it.
  ///
  /// So "A) red" is A, and "A. red" is no option.
  static func option(_ answer: String) -> String {
    let scalars = answer.unicodeScalars
    guard let end = scalars.firstIndex(of: ")") else { return answer }
    return end == scalars.startIndex ? "" : String(scalars[scalars.index(before: end)])
  }

  static func tally(_ answered: [Answered<String>]) -> Tally {
    let samples = answered.map { item in
      let said = option(item.answer)
      return item.sample(said == item.reference ? 1 : 0, parsed: said)
    }
    return Tally(meanOver: tasks, answered.map(\.question.category), samples)
  }
}
