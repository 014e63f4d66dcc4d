import Foundation
import TestModels
import TestSupport
import Testing

/// What documents show of an output is what the program prints, numbers of a run aside.
@Suite struct DocumentedOutputTests {
  /// The lines of the block of a page that begins so.
  private func shown(_ page: String, _ start: String) throws -> [String] {
    let blocks = try Document("Documentation/Epic.docc/\(page).md").blocks
    return try #require(blocks.first { $0.lines.first?.hasPrefix(start) ?? false }, "\(page).md").lines.filter { !$0.isEmpty }
  }

  /// Nothing here depends on a machine.
  @Test func theTableOfCosts() async throws {
    let outcome = try await EpicCommand.run(["profile"])
    #expect(outcome.code == 0, "\(outcome.err)")
    let printed = outcome.out.split(separator: "\n").map(String.init)
    #expect(try shown("Checkpoints", "llava-1.5-7b: 32 decoder layers").filter { !printed.contains($0) } == [])
  }

  /// The second time nothing is left to ask.
  @Test func theTableOfAnEvaluation() async throws {
    let line = "epic eval --model tiny --benchmark pope --data eval --compressor dart,random --keep 8,4 --max-tokens 2"
    let stage = try await DocumentStage.shared.value
    let outcome = try await stage.type(block: "\(line)\n\(line)", made: ["evaluation"])
    #expect(outcome.code == 0, "\(outcome.err)")
    let printed = Set(outcome.out.split(separator: "\n").map { Output.form(String($0)) })
    for (page, start) in [("Evaluate", "model       tiny"), ("ReadReport", "compressor  keep")] {
      #expect(try shown(page, start).filter { !printed.contains(Output.form($0)) } == [], "\(outcome.out)")
    }
  }

  /// Names of models and benchmarks are the run's own.
  @Test func theTableOfAComparison() async throws {
    let stage = try await DocumentStage.shared.value
    let outcome = try await stage.type(
      block: """
        epic eval --model tiny --model trained --benchmark pope,gqa --data eval --keep 8 --max-tokens 1 --limit 3 --output both
        epic report both --output comparison
        """)
    #expect(outcome.code == 0, "\(outcome.err)")
    let heading = #/compressor +keep +(\S+) +(\S+) +difference(?: +Δ \S+)+/#
    #expect(try shown("OneHour", "compressor  keep  finished")[0].wholeMatch(of: heading) != nil)
    #expect(outcome.out.split(separator: "\n").contains { $0.wholeMatch(of: heading) != nil }, "\(outcome.out)")
    let row = Output.form("full         144      99.6               97.9   −1.6 ± 0.9")
    #expect(try Output.form(shown("OneHour", "compressor  keep  finished")[1]).hasPrefix(row))
    #expect(outcome.out.split(separator: "\n").contains { Output.form(String($0)).hasPrefix(row) }, "\(outcome.out)")
  }

  /// Samples that have the faults which the page shows, at the same places.
  @Test func theFaultsOfData() async throws {
    let place = try EpicCommand.workplace()
    let house = try Data(contentsOf: place.url.appending(path: "house.png"))
    try house.write(to: place.url.appending(path: "rgb.jpg"))
    let whole = try Data(contentsOf: Fixtures.bundled("images/rgb.jpg"))
    try whole.prefix(whole.count / 8).write(to: place.url.appending(path: "cut.jpg"))
    func record(_ index: Int, _ image: String?, answer: String? = "a house") -> String {
      let id = String(1_000_000 + index).dropFirst()
      let turns =
        #"{"from": "human", "value": "\#(image == nil ? "" : "<image>\\n")What?"}"#
        + (answer.map { #", {"from": "gpt", "value": "\#($0)"}"# } ?? "")
      return #"{"id": "\#(id)", \#(image.map { #""image": "\#($0)", "# } ?? "")"conversations": [\#(turns)]}"#
    }
    let records = (0..<300).map { index in
      switch index {
      case 57: record(index, "rgb.png")
      case 131: record(index, "cut.jpg")
      case 204: record(index, nil, answer: nil)
      case 250: record(index, "house.png", answer: String(repeating: "very ", count: 700) + "long")
      default: record(index, nil)
      }
    }
    try Data(records.joined(separator: "\n").utf8).write(to: place.url.appending(path: "train.json"))
    let files = ["train.json", "", "model"].map { place.url.appending(path: $0).path }
    let outcome = try await EpicCommand.run(["data", "check", "--file", files[0], "--images", files[1], "--model", files[2]])
    #expect(outcome.code == 0, "\(outcome.err)")
    let printed = Set(outcome.out.split(separator: "\n").map { Output.form(String($0)) })
    let lines = try shown("TrainingData", "sample 57 (id")
    let named = lines.filter { !$0.contains("│") }
    #expect(named.count > 8 && named.filter { !printed.contains(Output.form($0)) } == [], "\(outcome.out)")
    #expect(outcome.out.contains("│"))
    // Places, names and reasons to the letter; the number of tokens depends on the tokenizer.
    for line in lines.prefix(3) { #expect(outcome.out.contains(line), "\(line) is not in \(outcome.out)") }
  }

  /// Records of the page are sound.
  @Test func theRecordsOfData() async throws {
    let place = try EpicCommand.workplace()
    let house = try Data(contentsOf: place.url.appending(path: "house.png"))
    let pictures = place.url.appending(path: "coco/train2017")
    try FileManager.default.createDirectory(at: pictures, withIntermediateDirectories: true)
    try house.write(to: pictures.appending(path: "000000033471.jpg"))
    try house.write(to: place.url.appending(path: "cat.jpg"))
    let blocks = try Document("Documentation/Epic.docc/TrainingData.md").blocks.filter { $0.language == "json" }
    #expect(blocks.count == 2)
    for block in blocks {
      let text = block.lines.joined(separator: " ")
      let file = place.url.appending(path: "data.json")
      try Data((text.hasPrefix("[") ? text : "[\(text)]").utf8).write(to: file)
      let outcome = try await EpicCommand.run(["data", "check", "--file", file.path, "--images", place.url.path, "--json"])
      #expect(outcome.out.contains(#""bad":[]"#) && outcome.out.contains(#""withImage":1"#), "\(block.line): \(outcome)")
    }
  }
}

/// Lines of an output.
enum Output {
  /// A line without what differs from run to run: numbers and their signs, and how wide columns are.
  static func form(_ line: String) -> String {
    line.replacing(#/[+−-]?[0-9][0-9.,]*/#, with: "0").replacing(#/ +/#, with: " ")
  }
}
