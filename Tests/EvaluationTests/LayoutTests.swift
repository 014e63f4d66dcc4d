import EvaluationLayouts
import Foundation
import Imaging
import TestSupport
import Testing

@testable import Evaluation

/// Miniatures of all layouts from their files to scores and answer files.
@Suite struct LayoutTests {
  static let sizes = [
    "vqav2": 20, "gqa": 23, "vizwiz": 12, "scienceqa": 10, "textvqa": 12, "pope": 34, "mme": 24, "mmbench": 15, "mmbench-cn": 15,
    "ocrbench": 15, "refcoco": 8, "mvbench": 40, "mlvu": 14, "videomme": 6, "clevrer": 6,
  ]

  @Test(arguments: BenchmarkRegistry.names)
  func rightAnswersScoreTheMost(name: String) throws {
    let folder = try DataFolder()
    let answers = try folder.make(name)
    let benchmark = try BenchmarkRegistry.load(name, from: folder.url)
    #expect(benchmark.faults == [])
    #expect(benchmark.questions.count == Self.sizes[name])
    #expect(Set(benchmark.questions.map(\.id)) == Set(answers.keys))
    for question in benchmark.questions {
      let image = try #require(question.image)
      let isFilm = image.video != nil && image.video?.framesPerSecond == nil
      #expect(try image.decoded().width == (isFilm ? 32 : 6))
      #expect((image.video != nil) == benchmark.definition.isAboutVideos)
    }
    #expect(benchmark.questionsByImage.flatMap { $0 }.count == benchmark.questions.count)
    for group in benchmark.questionsByImage { #expect(Set(group.map(\.image)).count == 1) }

    for scorer in benchmark.definition.scorers {
      let score = try benchmark.score(answers, scorer: scorer)
      #expect(score.scorer == scorer && score.samples.map(\.id) == benchmark.questions.map(\.id))
      // Strict scorers do not take every answer that LLaVA's takes.
      if scorer == benchmark.definition.scorers[0] {
        #expect(abs(score.value - score.maximum) < 1e-9)
        #expect(abs(score.percentage - 100) < 1e-9)
        #expect(score.samples.allSatisfy { $0.value == 1 })
      }
    }
  }

  @Test(arguments: BenchmarkRegistry.names)
  func answerFilesComeBack(name: String) throws {
    let folder = try DataFolder()
    let answers = try folder.make(name).mapValues { $0 + " \"ü\"\n\t答" }
    let benchmark = try BenchmarkRegistry.load(name, from: folder.url)
    let file = folder.url.appending(path: "answers/llava/all.jsonl")
    try AnswerFile.write(answers, to: benchmark, model: "tiny", at: file)
    let back = try AnswerFile.read(file, for: benchmark)
    #expect(back.answers == answers)
    #expect(back.faults == [])

    let lines = try folder.read("answers/llava/all.jsonl").split(separator: "\n")
    #expect(lines.count == benchmark.questions.count)
    for (line, question) in zip(lines, benchmark.questions) {
      let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
      var keys: Set = ["question_id", "prompt", "text", "answer_id", "model_id", "metadata"]
      if name.hasPrefix("mmbench") { keys.formUnion(["round_id", "options", "option_char"]) }
      #expect(Set(object.keys) == keys)
      switch question.fileID {
      case .number(let id): #expect(object["question_id"] as? Int == id)
      case .text(let id): #expect(object["question_id"] as? String == id)
      }
    }
    // Order in the file makes no difference, but among equal ids and prompts.
    try folder.write(lines.reversed().joined(separator: "\n"), "reversed.jsonl")
    #expect(try AnswerFile.read(folder.url.appending(path: "reversed.jsonl"), for: benchmark).answers == answers)
    #expect(
      try AnswerFile.line(benchmark.questions[0], answer: "x", model: "a")
        == AnswerFile.line(benchmark.questions[0], answer: "x", model: "a"))
  }

  /// LLaVA's question file and the annotations alone give the same questions.
  @Test(arguments: [
    ("gqa", ["gqa/llava_gqa_testdev_balanced.jsonl"]), ("scienceqa", ["scienceqa/llava_test_CQM-A.json"]),
    ("textvqa", ["textvqa/llava_textvqa_val_v051_ocr.jsonl"]), ("pope", ["pope/llava_pope_test.jsonl"]),
    ("mme", ["MME/llava_mme.jsonl"]),
  ])
  func questionsWithoutLLaVAsFile(name: String, files: [String]) throws {
    let folder = try DataFolder()
    let answers = try folder.make(name)
    let with = try BenchmarkRegistry.load(name, from: folder.url)
    for file in files { try folder.remove(file) }
    let without = try BenchmarkRegistry.load(name, from: folder.url)
    func sorted(_ benchmark: Benchmark) -> [Question] { benchmark.questions.sorted { $0.id < $1.id } }
    #expect(sorted(with).map(\.id) == sorted(without).map(\.id))
    for (one, other) in zip(sorted(with), sorted(without)) {
      #expect(one.prompt == other.prompt)
      #expect(one.recordedPrompt == other.recordedPrompt)
      #expect(one.image == other.image)
      #expect(one.fileID == other.fileID)
      #expect(one.group == other.group)
    }
    #expect(try with.score(answers).value == without.score(answers).value)
  }

  @Test func promptsAreLLaVAs() throws {
    let folder = try DataFolder()
    for name in BenchmarkRegistry.paperNames { try folder.make(name) }
    func first(_ name: String, _ options: BenchmarkOptions = BenchmarkOptions()) throws -> Question {
      try BenchmarkRegistry.load(name, from: folder.url, options).questions[0]
    }
    let short = "\nAnswer the question using a single word or phrase."
    #expect(try first("vqav2").prompt == "Question 0?" + short)
    #expect(try first("gqa").prompt == "Which is 0?" + short)
    #expect(
      try first("vizwiz").prompt
        == "What is this 0? \nWhen the provided information is insufficient, respond with 'Unanswerable'." + short)
    let options = "\nA. granite\nB. basalt\nC. marble\nAnswer with the option's letter from the given choices directly."
    #expect(try first("scienceqa").prompt == "Context: A hint with spaces.\nWhich rock 0?" + options)
    #expect(try first("scienceqa").recordedPrompt == "<image>\nContext: A hint with spaces.\nWhich rock 0?" + options)
    #expect(try first("textvqa").prompt == "What does sign 0 say?\nReference OCR token: stop, w0" + short)
    #expect(try first("textvqa", BenchmarkOptions(prompt: "no-ocr")).prompt == "What does sign 0 say?" + short)
    let noTokens = try BenchmarkRegistry.load("textvqa", from: folder.url).questions[3].prompt
    #expect(noTokens == "What does sign 3 say?\nReference OCR token: " + short)
    #expect(try first("pope").prompt == "Is there a adversarial 1 in the image?" + short)
    #expect(try first("mme").prompt == "Is this existence 0?" + short)
    let season = "Taken in \"winter\".\nOutside.\nWhat is 0?\nA. summer\nB. winter\nC. spring\nD. autumn"
    #expect(try first("mmbench").prompt == season + "\nAnswer with the option's letter from the given choices directly.")
    #expect(try first("mmbench").recordedPrompt == season)
    #expect(try first("mmbench-cn").prompt == season + "\n请直接回答选项字母。")
    #expect(try first("ocrbench").prompt == "what is written?" + short)
    #expect(try first("ocrbench", BenchmarkOptions(prompt: "bare")).prompt == "what is written?")
  }

  /// All test questions of ScienceQA, of which the score still takes those with a picture.
  @Test func scienceQAWithTextAlone() throws {
    let folder = try DataFolder()
    _ = try folder.scienceQA()
    let all = try BenchmarkRegistry.load("scienceqa", from: folder.url, BenchmarkOptions(split: "test"))
    #expect(all.questions.count == 15)
    let text = try #require(all.questions.first { $0.image == nil })
    #expect(!text.recordedPrompt.contains("<image>"))
    #expect(all.questionsByImage.filter { $0[0].image == nil }.allSatisfy { $0.count == 1 })
    let answers = Dictionary(uniqueKeysWithValues: all.questions.map { ($0.id, $0.image == nil ? "E" : "The answer is A.") })
    let score = try all.score(answers)
    #expect(score.value == 50)
    #expect(abs((score.figure("all questions") ?? 0) - 100 * 5 / 15) < 1e-9)
    // The original counts a missing answer as wrong among all, and not at all among those with a picture.
    let missing = answers.filter { $0.key != all.questions[1].id }
    #expect(all.questions[1].image != nil)
    let lenient = try all.score(missing, missing: .original)
    #expect(lenient.figure("with a picture (count)") == 9)
    #expect(lenient.samples.count == 15)
  }

  @Test func rotatedCopiesShareTheirPicture() throws {
    let folder = try DataFolder()
    _ = try folder.make("mmbench")
    let benchmark = try BenchmarkRegistry.load("mmbench", from: folder.url)
    let groups = benchmark.questionsByImage
    #expect(groups.map { $0.count }.sorted() == [2, 2, 3, 4, 4])
    for group in groups { #expect(Set(group.map(\.group)).count == 1) }
  }

  @Test func aPartIsSpreadAndKeepsGroupsTogether() throws {
    let folder = try DataFolder()
    for (name, count) in [("pope", 6), ("mme", 8), ("mmbench", 5), ("gqa", 1), ("ocrbench", 100)] {
      try folder.make(name)
      let benchmark = try BenchmarkRegistry.load(name, from: folder.url)
      let part = benchmark.limited(to: count)
      let all = benchmark.questions.count
      #expect((min(count, all)...min(count + 4, all)).contains(part.questions.count))
      let kept = Set(part.questions.map(\.group))
      #expect(part.questions == benchmark.questions.filter { kept.contains($0.group) })
      if name == "pope" || name == "mme" {
        #expect(Set(part.questions.map(\.category)) == Set(benchmark.questions.map(\.category)))
      }
      _ = try part.score(Dictionary(uniqueKeysWithValues: part.questions.map { ($0.id, "Yes") }))
    }
  }
}
