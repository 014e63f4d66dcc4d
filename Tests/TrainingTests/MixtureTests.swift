import Foundation
import Imaging
import Language
import TestModels
import TestSupport
import Testing

@testable import Training

/// Data sets of several files.
@Suite struct MixtureTests {
  /// Over random sizes and weights: each record as often as its weight says, up to one more or less, and files in their order.
  @Test func weightsSayHowOftenARecordIsTaken() {
    for seed in UInt64(0)..<200 {
      var random = SplitMix(seed: seed)
      let count = Int.random(in: 1...60, using: &random)
      let weight = Double.random(in: 0.01...4, using: &random)
      let taken = DataSource(file: "a", weight: weight).records(of: count)
      #expect(abs(Double(taken.count) - weight * Double(count)) < 1 + 1e-9, "seed \(seed)")
      let times = (0..<count).map { record in taken.count { $0 == record } }
      #expect(times.allSatisfy { $0 == Int(weight) || $0 == Int(weight) + 1 }, "seed \(seed)")
      // Even: of any stretch of records as many as of any other as long, give or take one.
      let extra = times.map { $0 - Int(weight) }
      let length = Int.random(in: 1...count, using: &random)
      let sums = (0...count - length).map { extra[$0..<$0 + length].reduce(0, +) }
      #expect((sums.max() ?? 0) - (sums.min() ?? 0) <= 1, "seed \(seed)")
    }
    #expect(DataSource(file: "a", weight: 2).records(of: 3) == [0, 1, 2, 0, 1, 2])
    #expect(DataSource(file: "a", weight: 0.5).records(of: 5) == [1, 3])
  }

  @Test func recordsOfSeveralFilesKeepTheirPictures() throws {
    let (first, second) = (try DataFolder(), try DataFolder())
    let sizes = [(20, 14), (14, 20)]
    for (folder, size) in zip([first, second], sizes) { try folder.picture("p.png", width: size.0, height: size.1) }
    let uri = "data:image/png;base64," + (try Data(contentsOf: first.url.appending(path: "p.png"))).base64EncodedString()
    _ = try first.dataset([dataRecord("a", image: "p.png", "<image>q", "a"), dataRecord("b", "q", "two words")])
    try FileManager.default.createDirectory(at: second.url.appending(path: "files"), withIntermediateDirectories: true)
    let lines = try [dataRecord("c", image: "p.png", "<image>q", "a"), dataRecord("d", image: uri, "<image>q", "a")].map {
      String(decoding: try JSONSerialization.data(withJSONObject: $0), as: UTF8.self)
    }
    try second.write(Data((lines.joined(separator: "\n") + "\n").utf8), "files/data.jsonl")

    let sources = [
      DataSource(file: first.file.path),
      DataSource(file: second.url.appending(path: "files/data.jsonl").path, images: second.url.path, weight: 1.5),
    ]
    var shares: [Double] = []
    let mixture = try InstructionDataset(sources) { shares.append($0) }
    #expect(try (0..<mixture.count).map { try mixture.record(at: $0).id } == ["a", "b", "c", "d", "d"])
    let alone = try InstructionDataset(contentsOf: first.file)
    #expect(Array(mixture.lengths.prefix(2)) == alone.lengths && mixture.lengths.count == 5)
    #expect(shares == shares.sorted() && shares.last.map { abs($0 - 1) < 1e-9 } == true)

    let reader = ImageReader(dataset: mixture, limits: .standard)
    let seen = try [0, 2, 3].map { try reader.image(#require(mixture.record(at: $0).images.first), of: $0) }
    #expect(seen.map { [$0.width, $0.height] } == [[20, 14], [14, 20], [20, 14]])
    #expect(try InstructionDataset(sources, limit: 1).count == 2)

    // A run that goes on must notice another weight or order, and not that one file became a list of one.
    #expect(try InstructionDataset([sources[0]]).fingerprint == alone.fingerprint)
    var other = sources
    other[1].weight = 2
    #expect(try InstructionDataset(other).fingerprint != mixture.fingerprint)
    #expect(try InstructionDataset(sources.reversed()).fingerprint != mixture.fingerprint)
  }

  /// A file twice in the list is the file with twice its records in it.
  @Test func aRunOverSourcesIsARunOverOneFile() throws {
    let place = try RunPlace(samples: 6)
    let records = try JSONSerialization.jsonObject(with: Data(contentsOf: place.data.file)) as? [Any]
    let doubled = try #require(records.map { $0 + $0 })
    try place.data.write(JSONSerialization.data(withJSONObject: doubled), "doubled.json")
    let file = place.data.file.path
    let one = try place.run(place.configuration("one", steps: 3, "data.file=\(place.url.path)/doubled.json"))
    let sources = try place.configuration("two", steps: 3, "data.file=''", "data.sources=[{file: \(file), weight: 2}]")
    let two = try place.run(sources)
    #expect(one.losses == two.losses && one.distance(two) == 0)

    // Resumed half-way, by a configuration that was written to YAML and read again.
    let again = try place.configuration("three", steps: 3, "data.file=''", "data.sources=[{file: \(file)}, {file: \(file)}]")
    let half = try place.run(again, stopAfter: 1)
    try Data(again.yaml().utf8).write(to: place.url.appending(path: "run.yaml"))
    let rest = try place.run(TrainingConfiguration(contentsOf: place.url.appending(path: "run.yaml")), resume: true)
    #expect(half.losses + rest.losses == two.losses && rest.distance(two) == 0)
  }

  @Test(arguments: [
    ("data.sources=[]", "data.sources"), ("data.sources=[{images: a}]", "with a file each"),
    ("data.sources=[{file: a, weight: 0}]", "weights above 0"), ("data.sources=[{file: a, weight: nan}]", "weights above 0"),
    ("data.sources=[{file: a, weight: 1e9}]", "weights above 0"), ("data.sources=[{file: a, wieght: 2}]", "expected a list"),
    ("data.sources=[a.json]", "expected a list"), ("data.sources={file: a}", "expected a list"),
    ("data.sources=[{file: [a]}]", "expected a list"),
  ])
  func badSourcesAreRefused(change: String, fragment: String) throws {
    let error = try #require(throws: ConfigurationProblem.self) { try TrainingConfiguration(contentsOf: nil, changes: [change]) }
    #expect(error.description.contains(fragment) && !error.description.contains("\n"), "\(error)")
  }

  @Test func sourcesTakeTheFilesPlace() throws {
    let place = try RunPlace(samples: 4)
    let both = try place.configuration("run", "data.sources=[{file: \(place.data.file.path)}]")
    let error = try #require(throws: ConfigurationProblem.self) { try TrainingRun(both) }
    #expect(error.description.contains("data.sources and data.file"), "\(error)")
    let missing = try place.configuration("run", "data.file=''", "data.sources=[{file: absent.json}]")
    let other = try #require(throws: DatasetError.self) { try TrainingRun(missing) }
    #expect(other.description.hasPrefix("absent.json: "), "\(other)")
  }
}
