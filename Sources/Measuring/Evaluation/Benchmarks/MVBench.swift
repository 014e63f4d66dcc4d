import Foundation

/// MVBench: 4,000 multiple-choice questions about short videos, 200 in each of 20 tasks.
///
/// The score is the mean of the tasks' accuracies. The authors' sentence about what to look at stands in front of the question, and the
/// answer's beginning is given, as in their notebook; which frames are looked at is the model's business.
enum MVBench {
  static let definition = BenchmarkDefinition(
    name: "mvbench", title: "MVBench", splits: ["test"] + tasks.map(\.name), prompts: ["mvbench"], scorers: ["mvbench"],
    maximumNewTokens: 100, isAboutVideos: true, originalMissing: .aborts
  ) { source in
    var list = QuestionList<String>()
    let chosen = tasks.filter { source.split == "test" || source.split == $0.name }
    for task in chosen {
      let videos = try source.images(file("video/\(task.folder)", "\(task.folder)", "video/data0613/\(task.folder)"))
      var place = 0
      list.faults += try RecordFile(source.locate(file("json/\(task.name).json"))).records { record in
        defer { place += 1 }
        let question = try LetteredQuestion(record)
        let url = videos.appending(path: try record.text("video"))
        let clip = try task.hasClip ? record.clip() : nil
        let video =
          task.isFrames
          ? QuestionVideo(frames: url, perSecond: 3, clip: clip) : QuestionVideo(file: url, clip: clip)
        let id = "\(task.name)/\(place)"
        let item = Question(
          id: id, fileID: .text(id), image: QuestionImage(video: video),
          prompt: "\(instruction)\n\(question.text)\nOnly give the best option.", recordedPrompt: question.text,
          category: task.title, answerPrefix: "Best option: (")
        try list.add(item, question.gold, at: record)
      }
    }
    return Benchmark(source, list) { answered, _ in tally(answered, tasks: chosen) }
  }

  private static let instruction =
    "Carefully watch the video and pay attention to the cause and sequence of events, the detail and movement of objects, and the "
    + "action and pose of persons. Based on your observations, select the best option that accurately addresses the question."

  /// A task: its file of questions is called as it is, in small letters.
  struct Task: Sendable {
    var title, folder: String
    /// Questions are about a part, from `start` to `end`.
    var hasClip = false
    /// Videos are folders of pictures, three for each second.
    var isFrames = false

    var name: String { title.lowercased().replacingScalars("-", "_").replacingScalars(" ", "_") }
  }

  static let tasks = [
    Task(title: "Action Sequence", folder: "star/Charades_v1_480", hasClip: true),
    Task(title: "Action Prediction", folder: "star/Charades_v1_480", hasClip: true),
    Task(title: "Action Antonym", folder: "ssv2_video"),
    Task(title: "Fine-grained Action", folder: "Moments_in_Time_Raw/videos"),
    Task(title: "Unexpected Action", folder: "FunQA_test/test"),
    Task(title: "Object Existence", folder: "clevrer/video_validation"),
    Task(title: "Object Interaction", folder: "star/Charades_v1_480", hasClip: true),
    Task(title: "Object Shuffle", folder: "perception/videos"),
    Task(title: "Moving Direction", folder: "clevrer/video_validation"),
    Task(title: "Action Localization", folder: "sta/sta_video", hasClip: true),
    Task(title: "Scene Transition", folder: "scene_qa/video"),
    Task(title: "Action Count", folder: "perception/videos"),
    Task(title: "Moving Count", folder: "clevrer/video_validation"),
    Task(title: "Moving Attribute", folder: "clevrer/video_validation"),
    Task(title: "State Change", folder: "perception/videos"),
    Task(title: "Fine-grained Pose", folder: "nturgbd"),
    Task(title: "Character Order", folder: "perception/videos"),
    Task(title: "Egocentric Navigation", folder: "vlnqa"),
    Task(title: "Episodic Reasoning", folder: "tvqa/frames_fps3_hq", hasClip: true, isFrames: true),
    Task(title: "Counterfactual Inference", folder: "clevrer/video_validation"),
  ]

  private static func file(_ paths: String...) -> BenchmarkFile {
    BenchmarkFile(paths: paths.map { "mvbench/\($0)" }, origin: "https://huggingface.co/datasets/OpenGVLab/MVBench")
  }

  /// Whether an answer, which goes on behind "Best option: (", means an option.
  ///
  /// What stands before the first space of the answer's first line, in lower case and without full stops, is a part of "(a)", or "(a)" is
  /// a part of it. So an answer of nothing, or of full stops alone, is right whatever the option is.
  static func isRight(_ answer: String, _ gold: String) -> Bool {
    let line = "(" + (answer.pythonStripped.partsBetween("\n").first ?? "")
    let (said, option) = (line.lowercased().partsBetween(" ").first ?? "", "(\(gold.lowercased()))")
    return option.holds(said.replacingScalars(".", "")) || said.holds(option)
  }

  static func tally(_ answered: [Answered<String>], tasks: [Task]) -> Tally {
    let samples = answered.map {
      $0.sample(isRight($0.answer, $0.reference) ? 1 : 0, parsed: $0.answer.pythonStripped.partsBetween("\n").first ?? "")
    }
    return Tally(meanOver: tasks.map(\.title), answered.map(\.question.category), samples)
  }
}

extension Record {
  /// From `start` to `end`, in seconds.
  func clip() throws(RecordFault) -> ClosedRange<Double> {
    let (start, end) = (try seconds("start"), try seconds("end"))
    guard start <= end else { throw fault("start is \(start), behind end, which is \(end)") }
    return start...end
  }
}
