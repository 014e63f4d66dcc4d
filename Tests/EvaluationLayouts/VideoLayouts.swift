import Evaluation
import Foundation
import MadeVideos
import TestSupport

extension DataFolder {
  /// One second of ten frames, 32 × 16.
  private static let film: Result<Data, any Error> = Result {
    let scratch = try Scratch()
    let file = scratch.url.appending(path: "film.mp4")
    try MadeVideo(frames: 10, fps: 10).write(to: file)
    return try Data(contentsOf: file)
  }

  private func film(_ path: String) throws {
    let place = url.appending(path: path)
    try FileManager.default.createDirectory(at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Self.film.get().write(to: place)
  }

  private static let colours = ["red", "blue", "green"]

  /// MVBench's tasks as the authors' notebook lists them: file, folder, whether questions are about a part.
  private static let tasks: [(name: String, folder: String, hasClip: Bool)] = [
    ("action_sequence", "star/Charades_v1_480", true), ("action_prediction", "star/Charades_v1_480", true),
    ("action_antonym", "ssv2_video", false), ("fine_grained_action", "Moments_in_Time_Raw/videos", false),
    ("unexpected_action", "FunQA_test/test", false), ("object_existence", "clevrer/video_validation", false),
    ("object_interaction", "star/Charades_v1_480", true), ("object_shuffle", "perception/videos", false),
    ("moving_direction", "clevrer/video_validation", false), ("action_localization", "sta/sta_video", true),
    ("scene_transition", "scene_qa/video", false), ("action_count", "perception/videos", false),
    ("moving_count", "clevrer/video_validation", false), ("moving_attribute", "clevrer/video_validation", false),
    ("state_change", "perception/videos", false), ("fine_grained_pose", "nturgbd", false),
    ("character_order", "perception/videos", false), ("egocentric_navigation", "vlnqa", false),
    ("episodic_reasoning", "tvqa/frames_fps3_hq", true), ("counterfactual_inference", "clevrer/video_validation", false),
  ]

  /// Two questions of each task about one video, of which five tasks take parts; one task's video is a folder of six pictures.
  package func mvBench() throws -> Answers {
    var answers: Answers = [:]
    for (place, task) in Self.tasks.enumerated() {
      let isFrames = task.folder.contains("frames")
      let video = isFrames ? "clip_1" : "v.mp4"
      let folder = "mvbench/video/\(task.folder)/\(video)"
      if isFrames {
        for frame in 1...6 { try picture("\(folder)/0000\(frame).jpg", frame) }
      } else {
        try film(folder)
      }
      let records = (0..<2).map { index -> [String: Any] in
        let gold = (place + index) % 3
        answers["\(task.name)/\(index)"] = "\(["A", "B", "C"][gold])) \(Self.colours[gold])"
        var record: [String: Any] = [
          "video": video, "question": "What happened \(index)?", "candidates": Self.colours, "answer": Self.colours[gold],
        ]
        if task.hasClip {
          record["start"] = index == 0 ? 0 : 0.25
          record["end"] = index == 0 ? 0.5 : 1.0
        }
        return record
      }
      try write(json: records, "mvbench/json/\(task.name).json")
    }
    return answers
  }

  package func mlvu() throws -> Answers {
    var answers: Answers = [:]
    let tasks = ["plotQA", "needle", "ego", "count", "order", "anomaly_reco", "topic_reasoning"]
    for (place, task) in tasks.enumerated() {
      let name = "\(place + 1)_\(task)"
      try film("mlvu/video/\(name)/long.mp4")
      let records = (0..<2).map { index -> [String: Any] in
        let gold = (place + index) % 3
        answers["\(task)/\(index)"] = "\(["A", "B", "C"][gold])) \(Self.colours[gold])"
        return [
          "video": "long.mp4", "duration": 60, "question": "What colour is \(index)?", "candidates": Self.colours,
          "answer": Self.colours[gold], "question_type": task,
        ]
      }
      try write(json: records, "mlvu/json/\(name).json")
    }
    return answers
  }

  /// Two questions about a video of each duration, in files of other endings.
  package func videoMME() throws -> Answers {
    var (lines, answers): ([[String: Any]], Answers) = ([], [:])
    for (place, duration) in ["short", "medium", "long"].enumerated() {
      try film("videomme/data/abc_\(place).\(["mp4", "MP4", "mkv"][place])")
      for index in 0..<2 {
        let (id, gold) = ("00\(place)-\(index + 1)", ["A", "B", "C", "D"][(place + index) % 4])
        lines.append([
          "video_id": "00\(place)", "videoID": "abc_\(place)", "duration": duration, "domain": "Knowledge", "sub_category": "Law",
          "task_type": index == 0 ? "OCR Problems" : "Counting Problem", "question_id": id, "question": "How many \(index)?",
          "options": ["A. One.", "B. Two.", "C. Three.", "D. Four."], "answer": gold,
        ])
        answers[id] = gold
      }
    }
    try write(lines: lines, "videomme/videomme.jsonl")
    return answers
  }

  /// Two descriptive questions about each of three videos, one of which lies in the folder of its thousand, among questions with choices.
  package func clevrer() throws -> Answers {
    var answers: Answers = [:]
    let scenes = try (0..<3).map { place -> [String: Any] in
      let name = "video_\(10_000 + place).mp4"
      try film("clevrer/video_validation/\(place == 2 ? "video_10000-11000/" : "")\(name)")
      let questions = (0..<3).map { index -> [String: Any] in
        if index == 1 {
          return [
            "question_id": index, "question": "Which is responsible?", "question_type": "explanatory",
            "choices": [["choice_id": 0, "choice": "The cube", "answer": "wrong"]],
          ]
        }
        let gold = Self.colours[(place + index) % 3]
        answers["video_\(10_000 + place)/\(index)"] = gold
        return [
          "question_id": index, "question": "What color is \(index)?", "question_type": "descriptive",
          "question_subtype": "query_color", "program": ["scene"], "answer": gold,
        ]
      }
      return ["scene_index": 10_000 + place, "video_filename": name, "questions": questions]
    }
    try write(json: scenes, "clevrer/validation.json")
    return answers
  }
}
