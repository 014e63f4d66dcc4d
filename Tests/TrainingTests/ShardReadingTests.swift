import Foundation
import Imaging
import Language
import TestSupport
import Testing

@testable import Training

/// Tar shards as data sets.
@Suite struct ShardReadingTests {
  private struct Expected: Decodable {
    struct Medium: Decodable {
      let name, bytes: String
    }
    let id: String
    let turns: [String]
    let media: [Medium]
  }

  private func content(_ path: String, of index: Int, in dataset: InstructionDataset) throws -> [UInt8]? {
    guard case .inside(let medium) = try dataset.place(of: path, at: index) else { return nil }
    return try medium.read()
  }

  /// All samples are what Python wrote, whatever the format.
  private func requireSame(_ folder: URL, _ name: String) throws {
    let expected = try Fixtures.some(
      JSONDecoder().decode([Expected].self, from: Data(contentsOf: folder.appending(path: "expected.json"))))
    let dataset = try InstructionDataset(contentsOf: folder.appending(path: name))
    try #require(dataset.count == expected.count)
    // From the last to the first, as no order of reading may matter.
    for index in (0..<dataset.count).reversed() {
      let (record, wanted) = (try dataset.record(at: index), expected[index])
      #expect(record.id == wanted.id && record.turns.map(\.text) == wanted.turns, "\(name) \(index): \(record)")
      #expect(record.turns.map(\.role) == [.user, .assistant] && record.images == wanted.media.map(\.name), "\(name) \(index)")
      for medium in wanted.media {
        let bytes = try content(medium.name, of: index, in: dataset)
        #expect(bytes.map { Data($0) } == Data(base64Encoded: medium.bytes), "\(name): \(medium.name)")
      }
    }
    let words = expected.map { $0.turns.reduce(0) { $0 + $1.split(whereSeparator: \.isWhitespace).count } }
    #expect(dataset.lengths == zip(words, expected).map { $1.media.isEmpty ? -$0 : $0 })
  }

  @Test(arguments: ["ustar.tar", "gnu.tar", "pax.tar"]) func shardsOfPythonAreRead(_ name: String) throws {
    try requireSame(Fixtures.bundled("shards"), name)
  }

  /// Today's tarfile writes what is stored.
  @Test func theStoredShardsAreThoseOfTarfile() async throws {
    let scratch = try Scratch()
    do {
      _ = try await PythonProgram.run("shards.py", [scratch.url.path])
    } catch PythonProgram.Failure.unavailable(let reason) {
      return print("skipped: \(reason)")
    }
    for name in ["ustar.tar", "gnu.tar", "pax.tar"] { try requireSame(scratch.url, name) }
  }

  /// Random samples in random order under names of any length: what is read is what was written.
  @Test func membersComeBackAsTheyWereWritten() throws {
    let folder = try DataFolder()
    for seed in UInt64(0)..<60 {
      var random = SplitMix(seed: seed)
      let stems = (0..<Int.random(in: 1...12, using: &random)).map { index in
        String(repeating: ["d/", "x", "é"].randomElement(using: &random) ?? "", count: Int.random(in: 1...90, using: &random))
          + "s\(index)"
      }
      var members: [(name: String, content: [UInt8])] = []
      var written: [String: (answer: String, pictures: [[UInt8]])] = [:]
      for stem in stems {
        let answer = "answer of \(stem.suffix(5)) \(UInt64.random(in: 0...UInt64.max, using: &random))"
        let pictures = (0..<Int.random(in: 1...3, using: &random)).map { _ in
          (0..<Int.random(in: 0...2000, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
        }
        let tags = String(repeating: "<image>", count: pictures.count)
        let record = dataRecord(stem, tags + "q", answer)
        members.append((stem + ".json", Array(try JSONSerialization.data(withJSONObject: record))))
        for (place, picture) in pictures.enumerated() { members.append(("\(stem).\(place).jpg", picture)) }
        written[stem] = (answer, pictures)
      }
      members.shuffle(using: &random)
      let long = MadeTar.LongNames.allCases.randomElement(using: &random) ?? .gnu
      try folder.write(MadeTar(members, long).data, "made.tar")
      let dataset = try InstructionDataset(contentsOf: folder.url.appending(path: "made.tar"))
      #expect(dataset.count == stems.count, "seed \(seed)")
      for index in 0..<dataset.count {
        let record = try dataset.record(at: index)
        let found = written.removeValue(forKey: record.id ?? "")
        let wanted = try #require(found, "seed \(seed)")
        #expect(record.turns.last?.text == wanted.answer, "seed \(seed)")
        // In the shard's order, whose names say which they are.
        let names = members.map(\.name).filter { $0.hasPrefix("\(record.id ?? "").") && $0.hasSuffix("jpg") }
        #expect(record.images == names, "seed \(seed)")
        for name in names {
          let place = try #require(Int(name.split(separator: ".").dropLast().last ?? ""))
          #expect(try content(name, of: index, in: dataset) == wanted.pictures[place], "seed \(seed): \(name)")
        }
      }
      #expect(written.isEmpty, "seed \(seed)")
    }
  }

  /// A folder, a pattern and a list of single shards are the same samples in the same order.
  @Test func severalShardsAreOneDataSet() throws {
    let folder = try DataFolder()
    try folder.picture("p.png")
    let picture = [UInt8](try Data(contentsOf: folder.url.appending(path: "p.png")))
    for shard in 0..<12 {
      let members = (0..<3).flatMap { index -> [(name: String, content: [UInt8])] in
        [("\(index).png", picture), ("\(index).txt", Array("caption \(shard) \(index)".utf8))]
      }
      try folder.write(MadeTar(members).data, "many/shard-\(shard < 10 ? "0" : "")\(shard).tar")
    }
    try folder.write(Data("not a shard".utf8), "many/notes.txt")
    let path = folder.url.appending(path: "many").path
    let all = try InstructionDataset([DataSource(file: path)])
    let captions = try (0..<all.count).map { try all.record(at: $0).turns[1].text }
    #expect(captions == (0..<12).flatMap { shard in (0..<3).map { "caption \(shard) \($0)" } })
    for pattern in ["shard-{00..11}.tar", "shard-0{0..9}.tar", "shard-{00,01,02}.tar"] {
      let some = try InstructionDataset([DataSource(file: "\(path)/\(pattern)")])
      #expect(
        try (0..<some.count).map { try some.record(at: $0).turns[1].text } == Array(captions.prefix(some.count)), "\(pattern)")
      if some.count == all.count { #expect(some.fingerprint == all.fingerprint && some.lengths == all.lengths) }
    }
    // The weight is of all of them together.
    let half = try InstructionDataset([DataSource(file: path, weight: 0.5)])
    #expect(
      try (0..<half.count).map { try half.record(at: $0).turns[1].text } == stride(from: 1, to: 36, by: 2).map { captions[$0] })
    #expect(try InstructionDataset([DataSource(file: path)], limit: 5).count == 5)
    let mixture = try InstructionDataset([DataSource(file: "\(path)/shard-03.tar"), DataSource(file: "\(path)/shard-01.tar")])
    #expect(try ImageReader(dataset: mixture, limits: .standard).image("2.png", of: 5).width == 9)
    #expect(try mixture.record(at: 5).turns[1].text == "caption 1 2")
  }

  @Test func patternsAreThoseOfShells() throws {
    // What `echo` of bash prints.
    for (pattern, names) in [
      ("a-{0..3}.tar", "a-0.tar a-1.tar a-2.tar a-3.tar"), ("a-{08..11}.tar", "a-08.tar a-09.tar a-10.tar a-11.tar"),
      ("a-{2..0}.tar", "a-2.tar a-1.tar a-0.tar"), ("{a,b}-{1..2}.tar", "a-1.tar a-2.tar b-1.tar b-2.tar"),
      ("{x,}.tar", "x.tar .tar"), ("a-{5..5}.tar", "a-5.tar"), ("a-{9..010}.tar", "a-009.tar a-010.tar"),
      ("plain.tar", "plain.tar"),
    ] { #expect(try ShardNames.expanded(pattern[...]) == names.split(separator: " ").map(String.init), "\(pattern)") }
    for (pattern, fragment) in [
      ("a-{0..3.tar", "without a }"), ("a-{0..1}}.tar", "without a {"), ("a-{0...3}.tar", "neither a range"),
      ("a-{}.tar", "neither"),
      ("a-{{0..1}}.tar", "within braces"), ("a-{0..99999999999999999999}.tar", "neither"), ("a-{0..100000}.tar", "more than"),
      ("{0..999}{0..999}.tar", "more than"), ("{-1..3}.tar", "neither"), ("a-{0..3}.json", "braces are for tar shards"),
    ] {
      let error = try #require(throws: DatasetError.self, "\(pattern)") { try InstructionDataset([DataSource(file: pattern)]) }
      #expect(error.description.contains(fragment) && !error.description.contains("\n"), "\(error)")
    }
  }

  @Test func pathsOutsideOfShardsNeedAFolder() throws {
    let folder = try DataFolder()
    try folder.picture("pictures/out.png", width: 20)
    let record = try JSONSerialization.data(withJSONObject: dataRecord("a", image: "out.png", "<image>q", "a"))
    try folder.write(MadeTar([("s.json", Array(record))]).data, "s.tar")
    let place = folder.url.appending(path: "s.tar")
    let alone = try InstructionDataset(contentsOf: place)
    let fault = #expect(throws: SampleFault.self) { try folder.preparer(alone).sample(at: 0) }
    #expect(fault?.code == .missingImage && fault?.path == "out.png" && fault?.reason.contains("no member of") == true)
    let both = try InstructionDataset(contentsOf: place, images: folder.url.appending(path: "pictures"))
    #expect(try ImageReader(dataset: both, limits: .standard).image("out.png", of: 0).width == 20)
  }

  /// A run over shards, however many, is the run over the same records in JSON, to the last bit; and it can be resumed.
  @Test func trainingOnShardsIsTrainingOnTheirRecords() throws {
    let place = try RunPlace(samples: 10)
    let list = try JSONSerialization.jsonObject(with: Data(contentsOf: place.data.file))
    let records = try #require(list as? [[String: Any]])
    var tars = [MadeTar](repeating: MadeTar(), count: 3)
    for (index, record) in records.enumerated() {
      var record = record
      let image = record.removeValue(forKey: "image") as? String
      let shard = index * 3 / records.count
      tars[shard].add("\(index).json", Array(try JSONSerialization.data(withJSONObject: record)))
      if let image { tars[shard].add("\(index).png", [UInt8](try Data(contentsOf: place.url.appending(path: image)))) }
    }
    for (shard, tar) in tars.enumerated() { try place.data.write(tar.data, "shards/part-\(shard).tar") }

    func run(_ output: String, _ file: String, resume: Bool = false, stopAfter: Int? = nil) throws -> RunPlace.Outcome {
      try place.run(
        place.configuration(output, steps: 6, "data.file=\(file)", "data.grouped=true"), resume: resume, stopAfter: stopAfter)
    }
    let json = try run("json", place.data.file.path)
    let shards = "'\(place.url.path)/shards/part-{0..2}.tar'"
    let tar = try run("tar", shards)
    #expect(tar.losses == json.losses && tar.weights == json.weights)
    let half = try run("cut", shards, stopAfter: 3)
    let rest = try run("cut", "\(place.url.path)/shards", resume: true)
    #expect(half.losses + rest.losses == json.losses && rest.weights == json.weights)
    // Records that lie elsewhere are not the run's.
    #expect(throws: DatasetError.self) { try run("cut", place.data.file.path, resume: true) }
  }
}
