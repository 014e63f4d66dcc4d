import EvaluationLayouts
import Foundation
import TestSupport
import Testing

@testable import Evaluation

/// Answers that are boxes.
@Suite struct RefCOCOTests {
  @Test func boxesAreFoundInAnswers() {
    for (answer, numbers) in [
      ("[0.1, 0.2, 0.5, 0.65]", [0.1, 0.2, 0.5, 0.65]), ("It is at [1,2,3,4], not at [5,6,7,8].", [1, 2, 3, 4]),
      ("[{\"bbox_2d\": [10, 20, 30, 40], \"label\": \"cat\"}]", [10, 20, 30, 40]),
      ("<box>(100,200),(500,600)</box>", [100, 200, 500, 600]), ("(1, 2), the next (3, 4) (5, 6)", [3, 4, 5, 6]),
      ("[[-1, 2e1, 3, 4]]", [-1, 20, 3, 4]), ("[0.1, 0.2, 0.5]", nil), ("[1, 2, 3, x]", nil), ("[1, 2, 3, inf]", nil),
      ("0.1, 0.2", nil),
      ("", nil), ("no such thing", nil), ("[1, 2, 3, \(String(repeating: "9", count: 400))]", nil),
    ] as [(String, [Double]?)] { #expect(RefCOCO.numbers(answer) == numbers, "\(answer)") }
  }

  /// The overlap of whole pixels is a count.
  @Test func overlapsAreCounted() {
    for seed in 1...200 as ClosedRange<UInt64> {
      var random = SplitMix(seed: seed)
      func box() -> RefCOCO.Box {
        let (x, y) = (Int.random(in: 0..<12, using: &random), Int.random(in: 0..<12, using: &random))
        let (right, bottom) = (x + Int.random(in: 0..<9, using: &random), y + Int.random(in: 0..<9, using: &random))
        return RefCOCO.Box(left: Double(x), top: Double(y), right: Double(right), bottom: Double(bottom))
      }
      let (one, other) = (box(), box())
      func pixels(_ box: RefCOCO.Box) -> Set<Int> {
        Set(
          (Int(box.top)..<Int(box.bottom)).flatMap { row in (Int(box.left)..<Int(box.right)).map { row * 100 + $0 } })
      }
      let (all, shared) = (pixels(one).union(pixels(other)).count, pixels(one).intersection(pixels(other)).count)
      let expected = all == 0 ? 0 : Double(shared) / Double(all)
      #expect(abs(one.overlap(other) - expected) < 1e-12 && one.overlap(other) == other.overlap(one), "seed \(seed)")
    }
    let wrongWayRound = RefCOCO.Box(left: 5, top: 5, right: 1, bottom: 1)
    #expect(wrongWayRound.overlap(wrongWayRound) == 0)
  }

  /// One box in all coordinates, in a wide picture and in a tall one.
  @Test func coordinatesAreTheScorers() throws {
    for (width, height, box) in [(640.0, 427.0, [103.5, 200, 238, 400]), (427, 640, [1, 20, 300, 477.5])] {
      let reference = RefCOCO.Reference(
        box: RefCOCO.Box(left: box[0], top: box[1], right: box[2], bottom: box[3]), width: width, height: height)
      let (besides, above) = width > height ? (0.0, 106.0) : (106.0, 0.0)
      for (scorer, numbers) in [
        ("square", [(box[0] + besides) / 640, (box[1] + above) / 640, (box[2] + besides) / 640, (box[3] + above) / 640]),
        ("picture", [box[0] / width, box[1] / height, box[2] / width, box[3] / height]),
        ("thousandths", [1000 * box[0] / width, 1000 * box[1] / height, 1000 * box[2] / width, 1000 * box[3] / height]),
        ("pixels", box),
      ] { #expect(abs(reference.pixels(numbers, scorer).overlap(reference.box) - 1) < 1e-9, "\(scorer)") }
    }
  }

  @Test func halfIsRight() throws {
    let folder = try DataFolder()
    let answers = try folder.make("refcoco")
    let benchmark = try BenchmarkRegistry.load("refcoco", from: folder.url)
    #expect(benchmark.questions[7].prompt.hasSuffix("this sentence describes: the lady in blue."))
    // The boxes are 2.5 wide and 2 high: half as high is an overlap of a half, less is wrong, and no box is wrong.
    var pixels = Answers(
      uniqueKeysWithValues: benchmark.questions.enumerated().map { index, question in
        (question.id, "[\(index % 3), 1, \(Double(index % 3) + 2.5), 2]")
      })
    #expect(try benchmark.score(pixels, scorer: "pixels").value == 100)
    pixels[benchmark.questions[0].id] = "[0, 1, 2.5, 1.99]"
    pixels[benchmark.questions[1].id] = "somewhere"
    let score = try benchmark.score(pixels, scorer: "pixels")
    #expect(score.value == 75)
    let figures = Dictionary(uniqueKeysWithValues: score.figures.map { ($0.name, $0.value) })
    #expect(figures["answers without a box"] == 1 && figures["small"] == 75)
    #expect(abs((figures["mean overlap"] ?? 0) - 100 * (6 * 0.5 + 0.495) / 8) < 1e-9)
    #expect(try benchmark.score(answers).value == 100)
  }

  @Test func brokenRecordsAreNamed() throws {
    let folder = try DataFolder()
    try folder.make("refcoco")
    let text = try folder.read("refcoco/refcoco_val.jsonl")
    for (old, new, reason) in [
      ("[0.0,1,2.5,3]", "[0.0,1,2.5]", "3 numbers where 4 belong"), ("[0,1,2.5,3]", "[0,1,\"x\",3]", "a string where a number"),
      ("[0,1,2.5,3]", "[0,1,0,3]", "without any pixel"), (#""height":4"#, #""height":0"#, "without any pixel"),
      (#""sent":"thing 0""#, #""sentence":"thing 0""#, "no field sent"),
    ] {
      let place = try text.range(of: old) ?? #require(text.range(of: "[0,1,2.5,3]"))
      try folder.write(text.replacingCharacters(in: place, with: new), "refcoco/refcoco_val.jsonl")
      let benchmark = try BenchmarkRegistry.load("refcoco", from: folder.url)
      #expect(benchmark.faults.count == 1 && benchmark.questions.count == 7)
      #expect(benchmark.faults.first?.reason.contains(reason) == true, "\(benchmark.faults)")
    }
  }
}
