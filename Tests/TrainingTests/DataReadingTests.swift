import Foundation
import Language
import TestSupport
import Testing

@testable import Training

@Suite struct DataReadingTests {
  /// Foundation writes; what is read back is what was written, from a list and from lines, whatever the strings hold.
  @Test func recordsComeBackAsTheyWereWritten() throws {
    let pieces = ["<image>", "\n", "\"", "\\", "]", "}", "[{", ",", "é", "😀", "\u{2028}", " ", "word", "\t", "</s>", "\u{0}"]
    var random = SplitMix(seed: 1)
    let folder = try DataFolder()
    for _ in 0..<200 {
      func text() -> String {
        (0..<Int.random(in: 0...12, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
      }
      let records = (0..<Int.random(in: 1...9, using: &random)).map { index in
        InstructionRecord(
          id: "\(index)\(text())", images: (0..<Int.random(in: 0...2, using: &random)).map { "folder/\($0).jpg" },
          turns: (0..<Int.random(in: 0...4, using: &random)).map { Turn($0 % 2 == 0 ? .user : .assistant, text()) })
      }
      let objects = records.map { record -> [String: Any] in
        var object = dataRecord(record.id ?? "")
        object["image"] = record.images.count == 1 ? record.images[0] : record.images.isEmpty ? nil : record.images
        object["conversations"] = record.turns.map { ["from": $0.role == .user ? "human" : "gpt", "value": $0.text] }
        return object
      }
      for lines in [false, true] {
        let dataset = try folder.dataset(objects, lines: lines)
        #expect(try (0..<dataset.count).map { try dataset.record(at: $0) } == records)
        #expect(dataset.lengths == records.map { max(1, $0.words) * ($0.images.isEmpty ? -1 : 1) })
      }
    }
  }

  @Test func wordsAreCountedAsPythonSplitsThem() {
    // len(text.split()) in Python 3.
    let cases = [
      ("", 0), ("  ", 0), ("a", 1), (" a  b\n\nc\t", 3), ("<image>\nWhat?", 2), ("a\u{1c}b\u{a0}c\u{3000}d", 4),
      ("a\u{200b}b", 1), ("\r\n", 0),
    ]
    for (text, words) in cases { #expect(InstructionRecord(turns: [Turn(.user, text)]).words == words, "\(text)") }
  }

  @Test func layoutAndWhitespaceDoNotMatter() throws {
    let folder = try DataFolder()
    let record =
      #"{"id": 7, "conversations": [{"from": "user", "value": "q"}, {"from": "assistant", "value": "a"}], "score": [1.5e3, null]}"#
    for text in [
      "[\(record)]", "\u{FEFF}[ \(record) ,\n\(record) ]\n ", "\n\(record)\n\n  \n\(record)", "\(record)\r\n\(record)\r\n",
    ] {
      let dataset = try folder.dataset(text: text)
      for index in 0..<dataset.count {
        #expect(try dataset.record(at: index) == InstructionRecord(id: "7", turns: [Turn(.user, "q"), Turn(.assistant, "a")]))
      }
    }
  }

  /// A record across the boundaries of the pieces in which the file is read.
  @Test func longRecordsAreReadWhole() throws {
    let folder = try DataFolder()
    let long = String(repeating: "a \"]} ", count: 400_000)
    for lines in [false, true] {
      let dataset = try folder.dataset(
        [dataRecord("0", "q", "a"), dataRecord("1", long, "a"), dataRecord("2", "q", "b")], lines: lines)
      #expect(try dataset.record(at: 1).turns[0].text == long)
      #expect(try dataset.record(at: 2).turns[1].text == "b")
    }
  }

  @Test(arguments: [
    (
      "{\"id\": \"x\", \"conversations\": [{\"from\": \"human\"}]}", SampleFault.Code.malformed,
      "conversations[0] has no field value"
    ),
    ("{\"id\": \"x\"}", .malformed, "no field conversations"),
    ("{\"id\": \"x\", \"conversations\": \"hi\"}", .malformed, "a string"),
    ("{\"id\": \"x\", \"conversations\": [7]}", .malformed, "conversations[0] has no field from"),
    ("{\"id\": \"x\", \"conversations\": [{\"from\": \"human\", \"value\": 3}]}", .malformed, "a number where text belongs"),
    ("{\"id\": \"x\", \"conversations\": [{\"from\": \"system\", \"value\": \"\"}]}", .roles, "\"system\""),
    ("{\"id\": \"x\", \"image\": 3, \"conversations\": []}", .malformed, "image is a number"),
    ("{\"id\": \"x\", \"image\": [3], \"conversations\": []}", .malformed, "image holds a number"),
    ("{\"id\": \"x\", \"image\": \"\", \"conversations\": []}", .malformed, "empty"),
    ("{\"id\": \"x\" \"image\"}", .malformed, "not valid JSON"), ("7", .malformed, "a number where an object belongs"),
    ("[]", .malformed, "a list"), ("", .malformed, "not valid JSON"), ("{\"id\": \"x\"} {}", .malformed, "not valid JSON"),
  ])
  func oneBadRecordHidesNoOther(_ text: String, _ code: SampleFault.Code, _ reason: String) throws {
    let folder = try DataFolder()
    let good = #"{"id": "good", "conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}"#
    // A blank line is no record.
    let layouts = ["[\(good), \(text), \(good)]"] + (text.isEmpty ? [] : ["\(good)\n\(text)\n\(good)\n"])
    for content in layouts {
      let dataset = try folder.dataset(text: content)
      #expect(dataset.count == 3 && dataset.lengths == [-2, -1, -2])
      let fault = try #require(throws: SampleFault.self) { try dataset.record(at: 1) }
      #expect(fault.index == 1 && fault.code == code && fault.reason.contains(reason), "\(fault)")
      #expect(fault.id == (text.contains("\"id\"") && code != .malformed || text.contains("\"conv") ? "x" : fault.id))
      for index in [0, 2] { #expect(try dataset.record(at: index).id == "good") }
    }
  }

  @Test func filesThatAreNoDataSetsAreRefusedInOneSentence() throws {
    let folder = try DataFolder()
    let good = #"{"conversations": []}"#
    for (text, fragment) in [
      ("", "no records"), ("  \n", "no records"), ("[]", "no records"), ("id,image\n1,a.jpg\n", "neither [ nor {"),
      ("\"text\"", "neither"),
      ("[\(good)", "does not end"), ("[\(good), {\"id\": \"a", "does not end"), ("[\(good)] more", "after the end"),
      ("[a, b]", "not valid JSON"),
      ("{\n  \"data\": []\n}\n", "not valid JSON"), ("\u{1}\u{2}", "neither"),
    ] {
      let error = try #require(throws: DatasetError.self, "\(text)") { try folder.dataset(text: text) }
      #expect(error.description.contains("data.json") && error.description.contains(fragment), "\(error)")
      #expect(!error.description.contains("\n"))
    }
    for (place, images, fragment) in [
      ("absent.json", nil, "No such file"), (".", nil, "folder"), ("data.json", "none", "no such folder"),
      ("data.json", "data.json", "not a folder"),
    ] as [(String, String?, String)] {
      let error = try #require(throws: DatasetError.self) {
        try InstructionDataset(
          contentsOf: folder.url.appending(path: place), images: images.map { folder.url.appending(path: $0) })
      }
      #expect(error.description.contains(fragment), "\(error)")
    }
  }

  @Test func aCutLineIsOneBadRecordAndAShrunkFileAnError() throws {
    let folder = try DataFolder()
    let text = #"{"conversations": []}"# + "\n" + #"{"id": "cut", "conv"#
    let dataset = try folder.dataset(text: text)
    #expect(dataset.count == 2)
    #expect(throws: SampleFault.self) { try dataset.record(at: 1) }
    let handle = try FileHandle(forWritingTo: folder.file)
    try handle.truncate(atOffset: 5)
    #expect(throws: DatasetError.changed(file: folder.file.relativePath)) { try dataset.record(at: 1) }
  }

  @Test func fingerprintsTellDataApart() throws {
    let folder = try DataFolder()
    let texts = ["[{\"a\": 1}]", "[{\"a\": 1}, {}]", "[{\"a\": 12}]", "{\"a\": 1}", " [{\"a\": 1}]"]
    let prints = try texts.map { try folder.dataset(text: $0).fingerprint }
    #expect(Set(prints).count == texts.count)
    #expect(try folder.dataset(text: texts[0]).fingerprint == prints[0])
  }
}
