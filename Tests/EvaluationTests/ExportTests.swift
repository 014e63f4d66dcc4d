import EvaluationLayouts
import Foundation
import Testing

@testable import Evaluation

/// Files for servers and official scorers.
@Suite struct ExportTests {
  private func json(_ file: ExportedFile) throws -> [[String: Any]] {
    try #require(try JSONSerialization.jsonObject(with: file.contents) as? [[String: Any]])
  }

  /// All of test2015 in its order, normalised, empty where there is no answer; and no score here.
  @Test func vqav2() throws {
    let folder = try DataFolder()
    try folder.vqav2Test()
    let benchmark = try BenchmarkRegistry.load("vqav2", from: folder.url, BenchmarkOptions(split: "test-dev"))
    #expect(benchmark.questions.map(\.id) == ["7000", "5000", "3000", "1000"])
    let files = try benchmark.exportedFiles(["7000": "Two dogs.", "1000": "Mom's"])
    let entries = try json(files[0])
    #expect(entries.map { $0["question_id"] as? Int } == [8000, 7000, 6000, 5000, 4000, 3000, 2000, 1000])
    #expect(entries.map { $0["answer"] as? String } == ["", "2 dogs", "", "", "", "", "", "mom 's"])
    let error = #expect(throws: EvaluationError.self) { try benchmark.score(["7000": "x"], missing: .leaveOut) }
    #expect("\(try #require(error))".contains("https://eval.ai"))
    try folder.remove("vqav2/llava_vqav2_mscoco_test2015.jsonl")
    let alone = try BenchmarkRegistry.load("vqav2", from: folder.url, BenchmarkOptions(split: "test-dev"))
    #expect(try json(alone.exportedFiles([:])[0]).count == 4)
  }

  @Test func vizwiz() throws {
    let folder = try DataFolder()
    _ = try folder.vizwiz()
    let benchmark = try BenchmarkRegistry.load("vizwiz", from: folder.url, BenchmarkOptions(split: "test"))
    let answers = Dictionary(uniqueKeysWithValues: benchmark.questions.map { ($0.id, "A Can, please") })
    let entries = try json(benchmark.exportedFiles(answers)[0])
    #expect(entries.count == 12)
    #expect(entries[0] as? [String: String] == ["image": "VizWiz_test_000000000.jpg", "answer": "can please"])
    #expect(throws: EvaluationError.self) { try benchmark.exportedFiles(["0": "x"]) }
    #expect(throws: EvaluationError.self) { try benchmark.score(answers) }
  }

  @Test func gqaAndMME() throws {
    let folder = try DataFolder()
    _ = try folder.gqa()
    let gqa = try BenchmarkRegistry.load("gqa", from: folder.url).exportedFiles(["20100": "Red.", "20101": "YES"])
    #expect(gqa.map(\.name) == ["testdev_balanced_predictions.json"])
    #expect(
      try json(gqa[0]) as? [[String: String]]
        == [["questionId": "20100", "prediction": "red"], ["questionId": "20101", "prediction": "yes"]])

    let answers = try folder.mme()
    let mme = try BenchmarkRegistry.load("mme", from: folder.url)
    let files = try mme.exportedFiles(answers.mapValues { $0 + "\tor\nso" })
    #expect(files.map(\.name) == ["artwork.txt", "celebrity.txt", "code_reasoning.txt", "existence.txt"])
    let lines = String(decoding: files[0].contents, as: UTF8.self).split(separator: "\n")
    #expect(lines.count == 6)
    #expect(lines[2] == "0001.txt\tIs this artwork 1?  Please answer yes or no.\tYes\tYes or so")
  }

  /// The workbook as a reader of ZIP and XML sees it.
  @Test func mmBench() throws {
    let folder = try DataFolder()
    var answers = try folder.make("mmbench")
    answers["7"] = "A & <B>\u{1}"
    let benchmark = try BenchmarkRegistry.load("mmbench", from: folder.url)
    let file = try benchmark.exportedFiles(answers)[0]
    #expect(file.name == "mmbench_dev_20230712.xlsx")
    #expect(try benchmark.exportedFiles(answers)[0] == file)
    let parts = try unzip([UInt8](file.contents))
    #expect(parts.map(\.name).contains("[Content_Types].xml"))
    let sheet = try #require(parts.first { $0.name == "xl/worksheets/sheet1.xml" }).text
    let rows = sheet.components(separatedBy: "<row ").dropFirst().map { row in
      row.components(separatedBy: "<c ").dropFirst().map { cell in
        (place: cell.components(separatedBy: "\"")[1], text: cell.replacing(/<[^>]*>/, with: "").replacing(/^[^>]*>/, with: ""))
      }
    }
    #expect(rows.count == 16)
    #expect(rows[0].map(\.text) == ["index", "question", "A", "B", "C", "D", "prediction", "answer", "split"])
    #expect(rows[0].map(\.place) == ["A1", "B1", "C1", "D1", "E1", "F1", "G1", "H1", "I1"])
    #expect(rows[1].map(\.text) == ["7", "What is 0?", "summer", "winter", "spring", "autumn", "A &amp; &lt;B&gt;", "A", "dev"])
    // Options that are not there have no cell.
    #expect(rows[3].map(\.place) == ["A4", "B4", "C4", "D4", "G4", "H4", "I4"])
  }

  @Test func checksum() { #expect(ZipArchive.checksum(Array("123456789".utf8)) == 0xCBF4_3926) }

  private func unzip(_ bytes: [UInt8]) throws -> [(name: String, text: String)] {
    func number(_ at: Int, _ count: Int) -> Int { (0..<count).reduce(0) { $0 | Int(bytes[at + $1]) << (8 * $1) } }
    let end = bytes.count - 22
    #expect(number(end, 4) == 0x0605_4b50)
    var place = number(end + 16, 4)
    return try (0..<number(end + 10, 2)).map { _ in
      #expect(number(place, 4) == 0x0201_4b50)
      let (checksum, size, nameLength, local) = (
        number(place + 16, 4), number(place + 20, 4), number(place + 28, 2), number(place + 42, 4)
      )
      let name = String(decoding: bytes[(place + 46)..<(place + 46 + nameLength)], as: UTF8.self)
      place += 46 + nameLength
      #expect(number(local, 4) == 0x0403_4b50 && number(local + 26, 2) == nameLength)
      let contents = Array(bytes[(local + 30 + nameLength)..<(local + 30 + nameLength + size)])
      #expect(Int(ZipArchive.checksum(contents)) == checksum)
      return (name, try #require(String(validating: contents, as: UTF8.self)))
    }
  }
}
