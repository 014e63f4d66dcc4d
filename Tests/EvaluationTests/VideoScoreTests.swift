import EvaluationLayouts
import Foundation
import Testing

@testable import Evaluation

/// Answers about videos, by the rules of the benchmarks' authors.
///
/// Expected values are what their own functions said of the same answers: `check_ans` of OpenGVLab/Ask-Anything's `mvbench.ipynb`, with the
/// bracket in front and cut at the first line as there, `check_ans` of JUNJIE99/MLVU's `choice_bench.py`, and `extract_characters_regex` of
/// Video-MME's `eval_your_results.py`.
@Suite struct VideoScoreTests {
  @Test func answersToMVBench() {
    for (answer, isRight) in [
      ("B) blue", true), ("b) Blue", true), ("B", true), ("B.", true), ("(B) blue", true), ("C) green", false), ("blue", false),
      ("The answer is B", false), ("B\nbecause", true), ("B)blue", true), ("A or B", false), ("B, blue", false), (".B", true),
      (" B) x", true), ("A) blue", false), ("", true), (".", true), ("\n", true),
    ] { #expect(MVBench.isRight(answer, "B") == isRight, "\(answer)") }
  }

  @Test func answersToMLVU() {
    for (answer, isRight) in [
      ("B) blue", true), ("B", true), ("b) blue", false), ("B. blue", false), ("(B) blue", true), (") B", false), ("", false),
      ("A) or B)", false), ("blue (B)", true), ("B ) blue", false),
    ] { #expect((MLVU.option(answer) == "B") == isRight, "\(answer)") }
  }

  @Test func answersToVideoMME() {
    for (answer, letter) in [
      ("B", "B"), ("B. Candles.", "B"), ("The best answer is: C", "C"), ("The best option is B", "B"), ("Answer: D", "D"),
      ("Answer D", "A"), ("The correct answer: C", "C"), ("Best answer: A", "B"), ("Based on the video, D", "B"),
      ("Cannot say", "C"), ("(D)", "D"), ("i do not know", nil), ("d", nil), ("", nil),
      ("it is none of the above as far as one can see in it", nil), ("Option: The answer is A", "A"),
    ] as [(String, String?)] { #expect(VideoMME.letter(answer) == letter, "\(answer)") }
  }

  @Test func answersToCLEVRER() throws {
    for (answer, isRight) in [("blue", true), (" Blue.\n", true), ("blue cube", false), ("", false), ("b", false)] {
      #expect(CLEVRER.isRight(answer, "blue") == isRight, "\(answer)")
    }
    let folder = try DataFolder()
    let answers = try folder.make("clevrer")
    let benchmark = try BenchmarkRegistry.load("clevrer", from: folder.url)
    let score = try benchmark.score(answers.mapValues { $0 == "red" ? "blue" : $0 })
    let right = answers.values.count { $0 != "red" }
    #expect(abs(score.value - 100 * Double(right) / 6) < 1e-9 && score.figures.map(\.name) == ["query_color"])
    let paths = benchmark.questions.compactMap { $0.image?.video?.url.path }
    #expect(paths.count == 6 && paths[5].hasSuffix("video_10000-11000/video_10002.mp4"))
  }

  private func load(_ name: String, _ split: String? = nil) throws -> Benchmark {
    let folder = try DataFolder()
    try folder.make(name)
    return try BenchmarkRegistry.load(name, from: folder.url, BenchmarkOptions(split: split))
  }

  @Test func questionsAreTheAuthors() throws {
    let options = "Options:\n(A) red\n(B) blue\n(C) green\nOnly give the best option."
    let first = try load("mvbench").questions[0]
    #expect(
      first.prompt
        == "Carefully watch the video and pay attention to the cause and sequence of events, the detail and movement of objects, and "
        + "the action and pose of persons. Based on your observations, select the best option that accurately addresses the question.\n"
        + "Question: What happened 0?\n\(options)")
    #expect(first.answerPrefix == "Best option: (" && first.category == "Action Sequence")
    let video = try #require(first.image?.video)
    #expect(video.clip == 0...0.5 && video.framesPerSecond == nil)
    #expect(video.url.path.hasSuffix("mvbench/video/star/Charades_v1_480/v.mp4"))
    let frames = try load("mvbench", "episodic_reasoning").questions
    #expect(frames.count == 2 && frames[1].image?.video?.framesPerSecond == 3 && frames[1].image?.video?.clip == 0.25...1)
    #expect(Set(MVBench.tasks.map(\.name)).count == 20)

    let long = try load("mlvu").questions[0]
    #expect(
      long.prompt
        == "Carefully watch this video and pay attention to every detail. Based on your observations, select the best option that "
        + "accurately addresses the question.\nQuestion: What colour is 0?\n\(options)")
    #expect(long.answerPrefix == "Best Option: (" && long.category == "plotQA")

    let medium = try load("videomme", "medium").questions
    #expect(medium.count == 2 && medium[0].answerPrefix == "")
    #expect(
      medium[0].prompt
        == "Select the best answer to the following multiple-choice question based on the video. Respond with only the letter (A, B, C, "
        + "or D) of the correct option.\nHow many 0?\nA. One.\nB. Two.\nC. Three.\nD. Four.\nThe best answer is:")
    #expect(medium[0].image?.video?.url.lastPathComponent == "abc_1.MP4")
  }

  /// A question whose answer is no option cannot be answered right, and of two options that are alike the last one counts.
  @Test func optionsThatAreOddlyGiven() throws {
    let folder = try DataFolder()
    let right = try folder.make("mlvu")
    let text = try folder.read("mlvu/json/2_needle.json")
    let second = #","duration":60,"question":"What colour is 1?""#
    let changed = text.replacing(#""answer":"blue""#, with: #""answer":"grey""#)
      .replacing(#"["red","blue","green"]"# + second, with: #"["green","red","green"]"# + second)
    try folder.write(changed, "mlvu/json/2_needle.json")
    let benchmark = try BenchmarkRegistry.load("mlvu", from: folder.url)
    #expect(benchmark.questions.first { $0.id == "needle/1" }?.prompt.contains("(A) green\n(B) red\n(C) green") == true)
    let score = try benchmark.score(right.merging(["needle/0": "B) blue", "needle/1": "C) green"]) { $1 })
    #expect(score.samples.filter { $0.value == 0 }.map(\.id) == ["needle/0"])
    #expect(abs(score.value - 100 * 6.5 / 7) < 1e-9 && score.figure("needle") == 50)
  }

  /// Tasks count alike, however many questions of each were asked.
  @Test func theScoreIsTheMeanOverTasks() throws {
    let benchmark = try load("mvbench")
    let answers = ["action_sequence/0": "A", "action_sequence/1": "B", "action_antonym/0": "A"]
    let score = try benchmark.score(answers, missing: .leaveOut)
    #expect(score.value == 50 && score.figure("Action Sequence") == 100 && score.figure("Action Antonym") == 0)
    #expect(score.notes.contains("2 of 20 tasks"))
  }

  /// Answers without a letter are in no share, and scores in which other answers have none are compared all the same.
  @Test func answersWithoutALetterAreLeftOut() throws {
    let benchmark = try load("videomme")
    let ids = benchmark.questions.map(\.id)
    func score(_ answers: [String]) throws -> BenchmarkScore {
      try benchmark.score(Dictionary(uniqueKeysWithValues: zip(ids, answers)))
    }
    // Right are A, B, B, C, C and D.
    let one = try score(["A", "B", "no", "D", "C", "?"])
    #expect(abs(one.value - 75) < 1e-9 && one.figure("short") == 100 && one.figure("medium") == 0 && one.figure("long") == 100)
    #expect(one.figure("task/OCR Problems") == 100 && one.figure("task/Counting Problem") == 50)
    #expect(one.figure("domain/Knowledge") == 75 && one.figure("without a letter (count)") == 2)
    let other = try score(["A", "A", "A", "C", "?", "D"])
    #expect(abs(other.value - 60) < 1e-9)
    #expect(abs(try one.difference(to: other).value - 15) < 1e-9)
    #expect(try score(["?", "?", "?", "?", "?", "?"]).value == 0)
  }
}
