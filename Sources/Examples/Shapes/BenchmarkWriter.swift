import Basics
import Foundation
import Imaging

/// Writes scenes as benchmarks: the files of POPE, GQA, VQAv2 and TextVQA as people download them.
struct BenchmarkWriter {
  let folder: URL

  /// What one picture adds to the files.
  private struct Entry: Sendable {
    var pope: [(split: String, question: Question)] = []
    var gqa: [Question] = []
    var vqa: [Question] = []
    var reading: Question?
  }

  private var pictures: URL { folder.appending(path: "coco/val2014") }
  private var gqaImages: URL { folder.appending(path: "gqa/images") }
  private var textImages: URL { folder.appending(path: "textvqa/train_images") }

  /// Writes all files of a split.
  ///
  /// - Returns: number of questions of each family.
  func write(
    _ set: ShapesDataSet, _ split: ShapesDataSet.Split, count: Int, workers: Int, progress: (Int) -> Void
  ) throws -> [String: Int] {
    for url in [pictures, gqaImages, textImages, folder.appending(path: "pope/coco"), folder.appending(path: "vqav2")] {
      try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }
    let reader = ReadAhead((0..<count).makeIterator(), workers: workers, ahead: 256) { index in
      var (scene, generator) = set.scene(split, index)
      try writePicture(scene, index)
      return Self.entry(scene, &generator)
    }
    var entries: [Entry] = []
    while let entry = try reader.next() {
      entries.append(entry)
      progress(entries.count)
    }
    try writePOPE(entries)
    try writeGQA(entries)
    try writeVQA(entries)
    try writeTextVQA(entries)
    let questions = entries.flatMap { $0.pope.map(\.question) + $0.gqa + $0.vqa + [$0.reading].compactMap(\.self) }
    return Dictionary(questions.map { ($0.family.rawValue, 1) }, uniquingKeysWith: +)
  }

  /// Three questions for POPE, one in each of its splits; two of each kind for GQA; two for VQAv2; one for TextVQA.
  private static func entry(_ scene: Scene, _ generator: inout SceneGenerator) -> Entry {
    var entry = Entry()
    for (split, kind) in [("random", ExistenceKind.shape), ("popular", .color), ("adversarial", .pair)] {
      if let question = scene.existence(kind, using: &generator) { entry.pope.append((split, question)) }
    }
    func two(_ family: QuestionFamily) -> [Question] {
      var found: [Question] = []
      for _ in 0..<8 where found.count < 2 {
        if let question = scene.question(family, using: &generator), !found.contains(question) { found.append(question) }
      }
      return found
    }
    entry.gqa = two(.attribute) + two(.relation) + two(.position)
    entry.vqa = two(.counting)
    entry.reading = scene.question(.reading, using: &generator)
    return entry
  }

  private static func cocoName(_ index: Int) -> String { "COCO_val2014_\(ShapesDataSet.padded(index, 12)).jpg" }

  /// One file under the names of all benchmarks; a copy of it where the file system has no hard links.
  private func writePicture(_ scene: Scene, _ index: Int) throws {
    let data = try scene.draw().jpegData(quality: ShapesDataSet.quality)
    let picture = pictures.appending(path: Self.cocoName(index))
    try data.write(to: picture)
    for other in [gqaImages, textImages].map({ $0.appending(path: "\(index).jpg") }) {
      do { try FileManager.default.linkItem(at: picture, to: other) } catch { try data.write(to: other) }
    }
  }

  // MARK: - Files

  private func write(_ value: some Encodable, _ name: String) throws {
    try WholeFile.write(json: value, to: folder.appending(path: name))
  }

  private func writePOPE(_ entries: [Entry]) throws {
    struct Line: Encodable {
      let question_id: Int
      let image, text, label: String
    }
    for split in ["random", "popular", "adversarial"] {
      var lines: [String] = []
      for (index, entry) in entries.enumerated() {
        for (place, question) in entry.pope where place == split {
          let line = Line(
            question_id: lines.count + 1, image: Self.cocoName(index), text: question.text, label: question.answer)
          lines.append(String(decoding: try line.jsonData(), as: UTF8.self))
        }
      }
      let text = lines.map { $0 + "\n" }.joined()
      try WholeFile.write(Data(text.utf8), to: folder.appending(path: "pope/coco/coco_pope_\(split).json"))
    }
  }

  private func writeGQA(_ entries: [Entry]) throws {
    struct Types: Encodable {
      let structural, semantic, detailed: String
    }
    struct Entry: Encodable {
      let imageId, question, answer: String
      let isBalanced = true
      let types: Types
    }
    var questions: [String: Entry] = [:]
    for (index, entry) in entries.enumerated() {
      for (place, question) in entry.gqa.enumerated() {
        let types = Types(
          structural: question.family == .relation ? "verify" : "query", semantic: question.family.rawValue,
          detailed: question.kind)
        // Ids have nine digits, and so stand in order.
        questions[ShapesDataSet.padded(index * 10 + place, 9)] = Entry(
          imageId: String(index), question: question.text, answer: question.answer, types: types)
      }
    }
    try write(questions, "gqa/testdev_balanced_questions.json")
  }

  private func writeVQA(_ entries: [Entry]) throws {
    struct Asked: Encodable {
      let question_id, image_id: Int
      let question: String
    }
    struct Questions: Encodable { let questions: [Asked] }
    struct Answer: Encodable {
      let answer: String
      let answer_confidence = "yes"
      let answer_id: Int
    }
    struct Annotation: Encodable {
      let question_id, image_id: Int
      let question_type, answer_type, multiple_choice_answer: String
      let answers: [Answer]
    }
    struct Annotations: Encodable { let annotations: [Annotation] }
    var (asked, annotations): ([Asked], [Annotation]) = ([], [])
    for (index, entry) in entries.enumerated() {
      for (place, question) in entry.vqa.enumerated() {
        asked.append(Asked(question_id: index * 10 + place, image_id: index, question: question.text))
        annotations.append(
          Annotation(
            question_id: index * 10 + place, image_id: index, question_type: "what is the number of", answer_type: "number",
            multiple_choice_answer: question.answer, answers: (1...10).map { Answer(answer: question.answer, answer_id: $0) }))
      }
    }
    try write(Questions(questions: asked), "vqav2/v2_OpenEnded_mscoco_val2014_questions.json")
    try write(Annotations(annotations: annotations), "vqav2/v2_mscoco_val2014_annotations.json")
  }

  /// The annotations, and LLaVA's question file in the shape without OCR tokens: the model is to read for itself.
  private func writeTextVQA(_ entries: [Entry]) throws {
    struct Item: Encodable {
      let question_id: Int
      let image_id, question: String
      let answers: [String]
    }
    struct Items: Encodable { let data: [Item] }
    struct Line: Encodable {
      let question_id, image, text: String
      let category = "default"
    }
    var (items, lines): ([Item], [String]) = ([], [])
    for (index, entry) in entries.enumerated() {
      guard let question = entry.reading else { continue }
      let answers = [String](repeating: question.answer, count: 10)
      items.append(Item(question_id: index, image_id: String(index), question: question.text, answers: answers))
      let line = Line(question_id: String(index), image: "\(index).jpg", text: question.prompt)
      lines.append(String(decoding: try line.jsonData(), as: UTF8.self))
    }
    try write(Items(data: items), "textvqa/TextVQA_0.5.1_val.json")
    let text = lines.map { $0 + "\n" }.joined()
    try WholeFile.write(Data(text.utf8), to: folder.appending(path: "textvqa/llava_textvqa_val_v051_ocr.jsonl"))
  }
}
