import EvaluationLayouts
import Foundation
import Testing

@testable import Evaluation

/// What is missing or broken is named: which file, which line, where people get it.
@Suite struct FaultTests {
  /// Every file and folder without which a benchmark cannot be read, once LLaVA's question files are gone.
  static let required: [(name: String, path: String, origin: String)] = [
    ("vqav2", "vqav2/val2014", "images.cocodataset.org"), ("vqav2", "vqav2/v2_mscoco_val2014_annotations.json", "visualqa.org"),
    ("vqav2", "vqav2/v2_OpenEnded_mscoco_val2014_questions.json", "visualqa.org"), ("gqa", "gqa/data/images", "stanford.edu"),
    ("gqa", "gqa/data/testdev_balanced_questions.json", "questions1.2.zip"), ("vizwiz", "vizwiz/val.json", "Annotations.zip"),
    ("vizwiz", "vizwiz/val", "images/val.zip"), ("scienceqa", "scienceqa/images/test", "lupantech/ScienceQA"),
    ("scienceqa", "scienceqa/problems.json", "lupantech/ScienceQA"),
    ("scienceqa", "scienceqa/pid_splits.json", "lupantech/ScienceQA"),
    ("textvqa", "textvqa/train_images", "train_val_images.zip"), ("textvqa", "textvqa/TextVQA_0.5.1_val.json", "fbaipublicfiles"),
    ("textvqa", "textvqa/TextVQA_Rosetta_OCR_v0.2_val.json", "eval.zip"), ("pope", "pope/val2014", "cocodataset"),
    ("pope", "pope/coco/coco_pope_random.json", "AoiDragon/POPE/tree/e3e39262"),
    ("pope", "pope/coco/coco_pope_popular.json", "AoiDragon/POPE"), ("mme", "MME/MME_Benchmark_release_version", "BradyFU"),
    ("mmbench", "mmbench/mmbench_dev_20230712.tsv", "openmmlab.com"),
    ("mmbench-cn", "mmbench/mmbench_dev_cn_20231003.tsv", "openmmlab.com"),
    ("ocrbench", "OCRBench/OCRBench.json", "MultimodalOCR"), ("ocrbench", "OCRBench/OCRBench_Images", "MultimodalOCR"),
    ("refcoco", "refcoco/refcoco_val.jsonl", "QwenLM/Qwen-VL"), ("refcoco", "refcoco/train2014", "train2014.zip"),
    ("mvbench", "mvbench/json/moving_count.json", "OpenGVLab/MVBench"), ("mvbench", "mvbench/video/nturgbd", "OpenGVLab/MVBench"),
    ("mlvu", "mlvu/json/4_count.json", "MLVU/MVLU"), ("mlvu", "mlvu/video/4_count", "MLVU/MVLU"),
    ("videomme", "videomme/videomme.jsonl", "load_dataset"), ("videomme", "videomme/data", "videos_chunked"),
    ("clevrer", "clevrer/validation.json", "csail.mit.edu"), ("clevrer", "clevrer/video_validation", "video_validation.zip"),
  ]

  @Test(arguments: required)
  func missingFiles(name: String, path: String, origin: String) throws {
    let folder = try DataFolder()
    try folder.make(name)
    for file in ["scienceqa/llava_test_CQM-A.json", "textvqa/llava_textvqa_val_v051_ocr.jsonl"] { try? folder.remove(file) }
    try folder.remove(path)
    let error = #expect(throws: EvaluationError.self) { try BenchmarkRegistry.load(name, from: folder.url) }
    let text = "\(try #require(error))"
    #expect(text.contains("\(name): missing \(folder.url.path)/") && text.contains(origin), "\(text)")
    if !path.contains("Rosetta") { #expect(text.contains(path.replacing("OCRBench/", with: "")), "\(text)") }
    // Answers can be scored without pictures.
    if !path.contains(".") && name != "mme" {
      #expect(try BenchmarkRegistry.load(name, from: folder.url, BenchmarkOptions(requiresImages: false)).questions.count > 0)
    }
  }

  @Test func unknownNames() throws {
    let folder = try DataFolder()
    #expect(throws: EvaluationError.unknownBenchmark("popo", known: BenchmarkRegistry.names)) {
      try BenchmarkRegistry.load("popo", from: folder.url)
    }
    #expect(throws: EvaluationError.unknownChoice(benchmark: "vqav2", kind: "split", name: "train", known: ["val", "test-dev"])) {
      try BenchmarkRegistry.load("vqav2", from: folder.url, BenchmarkOptions(split: "train"))
    }
    #expect(throws: EvaluationError.unknownChoice(benchmark: "textvqa", kind: "prompt", name: "x", known: ["llava", "no-ocr"])) {
      try BenchmarkRegistry.load("textvqa", from: folder.url, BenchmarkOptions(prompt: "x"))
    }
  }

  /// Broken lines cost themselves alone.
  @Test func brokenLines() throws {
    let folder = try DataFolder()
    _ = try folder.pope()
    try folder.remove("pope/llava_pope_test.jsonl")
    let path = "pope/coco/coco_pope_random.json"
    var lines = try folder.read(path).split(separator: "\n").map(String.init)
    lines[1] = "{\"question_id\": 2, \"image\": \"x"
    lines[2] = lines[2].replacing("\"label\":\"no\"", with: "\"label\":\"maybe\"")
    lines[3] = lines[3].replacing("\"text\"", with: "\"txt\"")
    lines[4] = lines[4].replacing("\"question_id\":5", with: "\"question_id\":\"5\"")
    lines[5] = "[1]"
    lines[6] = lines[7]
    try folder.write(lines.joined(separator: "\n") + "\n\n", path)
    let benchmark = try BenchmarkRegistry.load("pope", from: folder.url)
    #expect(benchmark.questions.count == 34 - 6)
    #expect(benchmark.faults.map(\.line) == [2, 3, 4, 5, 6, 8])
    #expect(benchmark.faults.allSatisfy { $0.file.hasSuffix(path) })
    let reasons = [
      "not valid JSON", "label is \"maybe\"", "no field text", "question_id is a string", "a list where an object",
      "is there twice",
    ]
    for (fault, reason) in zip(benchmark.faults, reasons) { #expect(fault.reason.contains(reason), "\(fault)") }
    #expect(benchmark.faults[0].description.hasPrefix("\(benchmark.faults[0].file):2: "))
  }

  @Test func questionsThatHaveNoReference() throws {
    for (name, path) in [
      ("gqa", "gqa/llava_gqa_testdev_balanced.jsonl"), ("textvqa", "textvqa/llava_textvqa_val_v051_ocr.jsonl"),
      ("pope", "pope/llava_pope_test.jsonl"), ("mme", "MME/llava_mme.jsonl"),
    ] {
      let folder = try DataFolder()
      try folder.make(name)
      let line =
        #"{"question_id":"x","image":"x/y.jpg","text":"Is it?\nAnswer the question using a single word or phrase.","category":"x"}"#
      try folder.write(try folder.read(path) + line + "\n", path)
      let benchmark = try BenchmarkRegistry.load(name, from: folder.url)
      #expect(benchmark.faults.count == 1)
      #expect(benchmark.faults.first?.line == benchmark.questions.count + 1)
    }
  }

  @Test func brokenDocuments() throws {
    let folder = try DataFolder()
    _ = try folder.gqa()
    func failure(_ name: String) throws -> String {
      "\(try #require(#expect(throws: EvaluationError.self) { try BenchmarkRegistry.load(name, from: folder.url) }))"
    }
    try folder.write("{\"a\": {},\n \"b\": {\n", "gqa/data/testdev_balanced_questions.json")
    #expect(try failure("gqa").contains("testdev_balanced_questions.json: not valid JSON at line 3"))
    try folder.write("[3, 4]", "gqa/data/testdev_balanced_questions.json")
    #expect(try failure("gqa").contains("no question could be read"))

    _ = try folder.vqav2()
    try folder.write("{\"questions\": []}", "vqav2/v2_mscoco_val2014_annotations.json")
    #expect(try failure("vqav2").contains("holds no list or object under \"annotations\""))

    _ = try folder.make("mmbench")
    let table = try folder.read("mmbench/mmbench_dev_20230712.tsv")
    try folder.write(table.replacing("answer", with: "ansver"), "mmbench/mmbench_dev_20230712.tsv")
    #expect(try failure("mmbench").contains("no column answer"))
    try folder.write(table + "\"open", "mmbench/mmbench_dev_20230712.tsv")
    #expect(try failure("mmbench").contains("does not end"))
    try folder.write("", "mmbench/mmbench_dev_20230712.tsv")
    #expect(try failure("mmbench").contains("empty"))
  }

  /// Questions about a part of a video say which, and options are a list.
  @Test func brokenQuestionsAboutVideos() throws {
    let folder = try DataFolder()
    for name in ["mvbench", "mlvu", "videomme", "clevrer"] { try folder.make(name) }
    func fault(_ name: String, _ path: String, _ old: String, _ new: String) throws -> RecordFault {
      let text = try folder.read(path)
      let place = try #require(text.range(of: old))
      try folder.write(text.replacingCharacters(in: place, with: new), path)
      let benchmark = try BenchmarkRegistry.load(name, from: folder.url)
      try folder.write(text, path)
      #expect(benchmark.faults.count == 1 && benchmark.questions.count > 1)
      return try #require(benchmark.faults.first)
    }
    let (clips, lines) = ("mvbench/json/action_sequence.json", "videomme/videomme.jsonl")
    for (name, path, old, new, reason) in [
      ("mvbench", clips, #""end":0.5"#, #""end":-1"#, "behind end"),
      ("mvbench", clips, #""end":0.5"#, #""end":"x""#, "end is a string"),
      ("mvbench", clips, #""start":"#, #""begin":"#, "no field start"),
      ("mlvu", "mlvu/json/3_ego.json", #"["red","blue","green"]"#, "[]", "0 candidates"),
      ("videomme", lines, #""answer":"A""#, #""answer":"E""#, "a letter A to D"),
      ("clevrer", "clevrer/validation.json", #""answer":"red""#, #""answer":3"#, "answer is a number"),
      ("clevrer", "clevrer/validation.json", #""question_type":"descriptive""#, #""type":"x""#, "no field question_type"),
      ("videomme", lines, #""duration":"short""#, #""duration":"tiny""#, "short, medium or long"),
    ] { #expect(try fault(name, path, old, new).reason.contains(reason)) }
  }

  /// Rows of a table are named by the line at which they begin, however many lines their cells have.
  @Test func brokenRows() throws {
    let folder = try DataFolder()
    _ = try folder.make("mmbench")
    let path = "mmbench/mmbench_dev_20230712.tsv"
    var text = try folder.read(path)
    text = text.replacing("\n8\tWhat is 1?", with: "\nx\tWhat is 1?")
    try folder.write(text.replacing("\n", with: "\r\n"), path)
    let benchmark = try BenchmarkRegistry.load("mmbench", from: folder.url)
    // The second takes its picture from the first.
    #expect(benchmark.faults.map(\.line) == [4, 10])
    #expect(
      benchmark.faults.map(\.reason) == ["index is no whole number", "image is neither base64 nor the index of another row"])
    #expect(benchmark.questions[0].prompt.hasPrefix("Taken in \"winter\"."))
    #expect(benchmark.questions.count == 13)
  }

  @Test func badPictures() throws {
    let image = QuestionImage(key: "table.tsv:3", base64: Array("%%%".utf8)[...])
    #expect(throws: (any Error).self) { try image.decoded() }
    let short = QuestionImage(key: "table.tsv:3", base64: Array(Data("no picture".utf8).base64EncodedString().utf8)[...])
    let error = #expect(throws: (any Error).self) { try short.decoded() }
    #expect("\(try #require(error))".contains("table.tsv:3"))
  }

  @Test func answerFilesThatDoNotFit() throws {
    let folder = try DataFolder()
    _ = try folder.mme()
    let benchmark = try BenchmarkRegistry.load("mme", from: folder.url)
    let first = benchmark.questions[0]
    let good = String(decoding: try AnswerFile.line(first, answer: "Yes", model: "m"), as: UTF8.self)
    let other = good.replacing("Is this existence 0?", with: "Is it?")
    try folder.write(good + good + other + "{\n" + good.replacing(first.fileID.description, with: "elsewhere.jpg"), "a.jsonl")
    let (answers, faults) = try AnswerFile.read(folder.url.appending(path: "a.jsonl"), for: benchmark)
    #expect(answers == [first.id: "Yes", "elsewhere.jpg": "Yes"])
    #expect(faults.map(\.line) == [2, 3, 4])
    #expect(throws: EvaluationError.self) { try AnswerFile.read(folder.url.appending(path: "b.jsonl"), for: benchmark) }
    #expect(throws: EvaluationError.self) {
      try AnswerFile.write(answers, to: benchmark, model: "m", at: folder.url.appending(path: "a.jsonl/x"))
    }
  }
}
