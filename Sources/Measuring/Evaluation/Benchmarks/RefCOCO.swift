import Foundation

/// RefCOCO, RefCOCO+ and RefCOCOg: where in the picture is what a sentence describes? The answer is a box.
///
/// An answer is right where its box and the annotated one share half of what they cover together or more (intersection over union ≥ 0.5,
/// arXiv 1608.00272). Models name boxes in different coordinates, so the scorer says which:
///
/// * `square`: 0...1 of the picture after it was padded to a square, as LLaVA-1.5 was trained;
/// * `picture`: 0...1 of the picture;
/// * `thousandths`: 0...1000 of the picture, as Qwen-VL and InternVL do;
/// * `pixels`: pixels of the picture; Qwen2.5-VL counts in the picture as it was resized, at most 14 pixels off where it was not made smaller.
enum RefCOCO {
  static let definition = BenchmarkDefinition(
    name: "refcoco", title: "RefCOCO",
    splits: [
      "refcoco_val", "refcoco_testA", "refcoco_testB", "refcoco+_val", "refcoco+_testA", "refcoco+_testB", "refcocog_val",
      "refcocog_test",
    ],
    prompts: ["llava", "json"], scorers: ["square", "picture", "thousandths", "pixels"], maximumNewTokens: 64,
    originalMissing: .aborts
  ) { source in
    let file = BenchmarkFile(
      "refcoco/\(source.split).jsonl", "refcoco/\(source.split).json",
      origin: "https://github.com/QwenLM/Qwen-VL/blob/master/eval_mm/EVALUATION.md (RefCOCO, \(source.split).jsonl)")
    let images = try source.images(
      BenchmarkFile("refcoco/train2014", "coco/train2014", origin: "http://images.cocodataset.org/zips/train2014.zip"))
    var list = QuestionList<Reference>()
    var names = Occurrences()
    list.notes = ["asked for a box, \(source.prompt == "json" ? "as JSON" : "as LLaVA's training data ask")"]
    list.faults = try RecordFile(source.locate(file)).records { record in
      let name = try record.text("image").split(separator: "/").last.map(String.init) ?? ""
      let sentence = try record.text("sent")
      let reference = try Reference(record)
      let id = names.id("\(name.split(separator: ".").first ?? "")/\(sentence)")
      let question = Question(
        id: id, fileID: .text(id), image: QuestionImage(file: images.appending(path: name)), prompt: ask(sentence, source.prompt),
        category: reference.size)
      try list.add(question, reference, at: record)
    }
    return Benchmark(source, list) { answered, scorer in tally(answered, scorer) }
  }

  private static func ask(_ sentence: String, _ prompt: String) -> String {
    if prompt == "json" { return "Locate \(sentence), output its bbox coordinates using JSON format." }
    return "Please provide the bounding box coordinate of the region this sentence describes: \(sentence)."
  }

  /// A rectangle in pixels, from its upper left corner to its lower right one.
  struct Box: Sendable, Equatable {
    var left, top, right, bottom: Double

    /// Pixels that it covers; none where the corners are the wrong way round.
    var area: Double { max(0, right - left) * max(0, bottom - top) }

    /// Of what two boxes cover together the part that both cover, 0...1.
    func overlap(_ other: Box) -> Double {
      let shared = Box(
        left: max(left, other.left), top: max(top, other.top), right: min(right, other.right), bottom: min(bottom, other.bottom)
      ).area
      let all = area + other.area - shared
      return all > 0 ? shared / all : 0
    }
  }

  struct Reference: Sendable {
    var box: Box
    /// The picture's size in pixels.
    var width, height: Double

    init(box: Box, width: Double, height: Double) { (self.box, self.width, self.height) = (box, width, height) }

    init(_ record: Record) throws(RecordFault) {
      let sides = (try record.number("width"), try record.number("height"))
      let corners = try record.elements("bbox").map { element throws(RecordFault) in
        guard let number = element.finite else { throw record.fault("bbox holds \(element.kind) where a number belongs") }
        return number
      }
      if corners.count != 4 { throw record.fault("bbox has \(corners.count) numbers where 4 belong") }
      box = Box(left: corners[0], top: corners[1], right: corners[2], bottom: corners[3])
      (width, height) = (Double(sides.0), Double(sides.1))
      if width < 1 || height < 1 || box.area == 0 { throw record.fault("a picture or a box without any pixel") }
    }

    /// COCO's three sizes of things, by their area in pixels.
    var size: String { box.area < 32 * 32 ? "small" : box.area < 96 * 96 ? "medium" : "large" }

    /// Four numbers of an answer as a box in pixels.
    func pixels(_ numbers: [Double], _ scorer: String) -> Box {
      let side = max(width, height)
      // The released code pads by whole pixels.
      let (besides, above) =
        scorer == "square" ? (((side - width) / 2).rounded(.down), ((side - height) / 2).rounded(.down)) : (0, 0)
      let (across, down): (Double, Double) =
        switch scorer {
        case "square": (side, side)
        case "picture": (width, height)
        case "thousandths": (width / 1000, height / 1000)
        default: (1, 1)
        }
      return Box(
        left: numbers[0] * across - besides, top: numbers[1] * down - above, right: numbers[2] * across - besides,
        bottom: numbers[3] * down - above)
    }
  }

  /// The first four numbers in brackets, [0.1, 0.2, 0.5, 0.6], or two corners one after the other, (100,200),(500,600).
  static func numbers(_ answer: String) -> [Double]? {
    var corner: [Double] = []
    for piece in answer.split(whereSeparator: { "[](){}<>".contains($0) }) {
      if piece.allSatisfy({ ", ".contains($0) }) { continue }
      let parts = piece.split(separator: ",", omittingEmptySubsequences: false)
      let numbers = parts.compactMap { Double(String($0).pythonStripped) }.filter(\.isFinite)
      let isWhole = numbers.count == parts.count
      if isWhole, numbers.count == 4 { return numbers }
      if isWhole, numbers.count == 2, corner.count == 2 { return corner + numbers }
      corner = isWhole && numbers.count == 2 ? numbers : []
    }
    return nil
  }

  static func tally(_ answered: [Answered<Reference>], _ scorer: String) -> Tally {
    let boxes = answered.map { item in numbers(item.answer).map { item.reference.pixels($0, scorer) } }
    let overlaps = zip(answered, boxes).map { item, box in box.map { item.reference.box.overlap($0) } ?? 0 }
    let samples = zip(answered, overlaps).enumerated().map { index, item in
      item.0.sample(item.1 >= 0.5 ? 1 : 0, parsed: boxes[index] == nil ? "no box" : "overlap \((item.1 * 100).rounded() / 100)")
    }
    let mean = overlaps.isEmpty ? 0 : 100 * overlaps.reduce(0, +) / Double(overlaps.count)
    return Tally(
      meanOf: samples,
      figures: percentages(zip(answered, samples).map { (name: $0.question.category, value: $1.value) }) + [
        ("mean overlap", mean), ("answers without a box", Double(boxes.count { $0 == nil })),
      ],
      notes: ["boxes are taken as \(scorer == "square" ? "0...1 of the padded picture" : scorer)"])
  }
}
