import Foundation
import TestSupport
import Testing

@testable import Training

/// Tar shards that are damaged, or made to do harm.
@Suite struct ShardFaultTests {
  private static let record = Array(
    #"{"id": "a", "conversations": [{"from": "human", "value": "<image>q"}, {"from": "gpt", "value": "a"}]}"#.utf8)

  private static func made(_ body: (inout MadeTar) -> Void) -> Data {
    var tar = MadeTar()
    body(&tar)
    return tar.data
  }

  private static let good = made {
    $0.add("a.json", record)
    $0.add("a.png", Array("not looked at".utf8))
    $0.add("b.json", record)
  }

  /// Base 256 with a number of any size in it.
  private static func binary(_ first: UInt8, _ rest: UInt8) -> [UInt8] { [first] + [UInt8](repeating: rest, count: 11) }

  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let fragment: String
    let data: Data
  }

  static let cases: [Case] = [
    Case(testDescription: "empty", fragment: "it is empty", data: Data()),
    Case(testDescription: "text", fragment: "it is no tar file", data: Data(String(repeating: "{\"a\": 1}\n", count: 400).utf8)),
    Case(testDescription: "zeros", fragment: "no sample in it", data: Data(repeating: 0, count: 10_240)),
    Case(testDescription: "short zeros", fragment: "cut short", data: Data(repeating: 0, count: 512)),
    Case(testDescription: "no samples", fragment: "no sample in it", data: made { $0.add("a.cls", [1]) }),
    Case(testDescription: "hidden", fragment: "no sample in it", data: made { $0.add("d/.json", record) }),
    Case(testDescription: "cut in a header", fragment: "behind its member", data: good.prefix(1024 + 300)),
    Case(testDescription: "cut in a member", fragment: "Truncated", data: good.prefix(512 + 20)),
    Case(testDescription: "cut behind a member", fragment: "cut short", data: good.prefix(1024)),
    Case(testDescription: "one end block", fragment: "cut short", data: good.dropLast(512)),
    Case(
      testDescription: "more behind the end", fragment: "Damaged", data: good + Data("more".utf8) + Data(repeating: 1, count: 600)
    ),
    Case(
      testDescription: "checksum", fragment: "Damaged",
      data: made {
        $0.add("a.json", record)
        $0.add(header: "b.json", record, checksum: 1)
      }),
    Case(
      testDescription: "8 GiB", fragment: "says that it has 8589934591 bytes",
      data: made {
        $0.add(header: "a.json", record, size: Array("77777777777".utf8))
      }),
    Case(
      testDescription: "4 EiB", fragment: "says that it has",
      data: made {
        $0.add(header: "a.json", record, size: [0x80, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0])
      }),
    Case(
      testDescription: "overflow", fragment: "overflow", data: made { $0.add(header: "a.json", record, size: binary(0x80, 0xFF)) }
    ),
    Case(
      testDescription: "negative", fragment: "negative", data: made { $0.add(header: "a.json", record, size: binary(0xFF, 0xFF)) }
    ),
    Case(
      testDescription: "pax 99 GB", fragment: "says that it has 99999999999 bytes",
      data: made {
        $0.add(header: "x", type: "x", MadeTar.record("size", "99999999999"))
        $0.add("a.json", record)
      }),
    Case(
      testDescription: "pax negative", fragment: "negative",
      data: made {
        $0.add(header: "x", type: "x", MadeTar.record("size", "-5"))
        $0.add("a.json", record)
      }),
    Case(
      testDescription: "long long name", fragment: "too large",
      data: made {
        $0.add(header: "././@LongLink", type: "L", record, size: Array("10000000000".utf8))
        $0.add("a.json", record)
      }),
    Case(
      testDescription: "headers of headers", fragment: "Damaged",
      data: made {
        for _ in 0..<400 { $0.add(header: "././@LongLink", type: "L", Array("name".utf8)) }
        $0.add("a.json", record)
      }),
    Case(testDescription: "gzip", fragment: "compressed with gzip", data: Data([0x1F, 0x8B, 8, 0]) + good),
    Case(testDescription: "bzip2", fragment: "undo that with bunzip2", data: Data("BZh9".utf8) + good),
    Case(testDescription: "xz", fragment: "compressed with xz", data: Data([0xFD, 0x37, 0x7A, 0x58, 0x5A, 0]) + good),
    Case(testDescription: "zstd", fragment: "compressed with Zstandard", data: Data([0x28, 0xB5, 0x2F, 0xFD]) + good),
  ]

  @Test(arguments: cases) func whatIsNoShardIsRefusedInOneSentence(_ one: Case) throws {
    let folder = try DataFolder()
    try folder.write(one.data, "bad.tar")
    let place = folder.url.appending(path: "bad.tar")
    let error = try #require(throws: DatasetError.self) { try InstructionDataset(contentsOf: place) }
    #expect(error.description.contains(one.fragment) && error.description.hasPrefix(place.relativePath), "\(error)")
    #expect(!error.description.contains("\n") && error.description.utf8.count < 500, "\(error)")
  }

  @Test func placesWithoutShardsAreNamed() throws {
    let folder = try DataFolder()
    try folder.write(Data(), "empty/readme.txt")
    try folder.write(Self.good, "one/a.tar")
    for (name, fragment) in [
      ("absent.tar", "No such file"), ("empty", "no .tar file is in it"), ("absent-{0..2}.tar", "absent-0.tar"),
      ("a.tar.gz", "compressed with gzip"), ("a.tgz", "compressed with gzip"), ("a-{0..1}.tar.zst", "compressed with Zstandard"),
    ] {
      let error = try #require(throws: DatasetError.self, "\(name)") {
        try InstructionDataset(contentsOf: folder.url.appending(path: name))
      }
      #expect(error.description.contains(fragment) && !error.description.contains("\n"), "\(error)")
    }
    let error = try #require(throws: DatasetError.self) {
      try InstructionDataset(contentsOf: folder.url.appending(path: "one"), images: folder.url.appending(path: "absent"))
    }
    #expect(error.description.contains("no such folder"), "\(error)")
  }

  /// Members that are no samples are bad samples with their reason; the others are read.
  @Test func badSamplesHideNoOthers() throws {
    let folder = try DataFolder()
    try folder.picture("p.png")
    let picture = [UInt8](try Data(contentsOf: folder.url.appending(path: "p.png")))
    typealias Row = (name: String, code: SampleFault.Code, fragment: String, write: (inout MadeTar) -> Void)
    let rows: [Row] = [
      ("alone", .malformed, "no alone.json", { $0.add("alone.png", picture) }),
      ("words", .malformed, "no picture beside it", { $0.add("words.txt", Array("a caption".utf8)) }),
      (
        "blank", .malformed, "caption is empty",
        {
          $0.add("blank.txt", Array(" \n".utf8))
          $0.add("blank.png", picture)
        }
      ),
      ("lonely", .placeholders, "1 <image> tag and 0 images", { $0.add("lonely.json", Self.record) }),
      (
        "twice", .malformed, "two members of this name",
        {
          $0.add("twice.json", Self.record)
          $0.add("twice.png", picture)
          $0.add("twice.png", picture)
        }
      ),
      (
        "symbolic", .missingImage, "it is a link",
        {
          $0.add("symbolic.json", Self.record)
          $0.add(header: "symbolic.png", type: "2", link: "/etc/passwd")
        }
      ),
      (
        "hard", .missingImage, "it is a link",
        {
          $0.add("hard.json", Self.record)
          $0.add(header: "hard.png", type: "1", link: "alone.png")
        }
      ),
      ("linked", .malformed, "it is a link", { $0.add(header: "linked.json", type: "2", link: "../../secret.json") }),
      ("device", .malformed, "it is no file", { $0.add(header: "device.json", type: "3") }),
      (
        "pipe", .missingImage, "it is no file",
        {
          $0.add("pipe.json", Self.record)
          $0.add(header: "pipe.png", type: "6")
        }
      ),
      (
        "crowd", .malformed, "more than 256 members",
        { for index in 0..<3000 { $0.add("crowd.\(index).png", [0]) } }
      ),
      (
        "noise", .notAnImage, "not an image",
        {
          $0.add("noise.json", Self.record)
          $0.add("noise.png", Array("no picture".utf8))
        }
      ),
      (
        "empty", .damagedImage, "is empty",
        {
          $0.add("empty.json", Self.record)
          $0.add("empty.png", [])
        }
      ),
      ("json", .malformed, "not valid JSON", { $0.add("json.json", Array("{".utf8)) }),
      ("void", .malformed, "not valid JSON", { $0.add("void.json", []) }),
      ("facts", .malformed, "no field conversations", { $0.add("facts.json", Array("{\"width\": 3}".utf8)) }),
      (
        "outside", .missingImage, "no member of",
        {
          let text =
            #"{"image": "/etc/hostname", "conversations": [{"from": "human", "value": "<image>"}, {"from": "gpt", "value": "a"}]}"#
          $0.add("outside.json", Array(text.utf8))
        }
      ),
    ]
    for row in rows {
      let data = Self.made {
        $0.add("first.json", Self.record)
        $0.add("first.png", picture)
        row.write(&$0)
        // Names are names, wherever they point.
        $0.add("../../../last.json", Self.record)
        $0.add("../../../last.png", picture)
        $0.add("/absolute.json", Self.record)
        $0.add("/absolute.png", picture)
      }
      try folder.write(data, "shard.tar")
      let dataset = try InstructionDataset(contentsOf: folder.url.appending(path: "shard.tar"))
      let preparer = try folder.preparer(dataset)
      #expect(dataset.count == 4, "\(row.name)")
      let fault = #expect(throws: SampleFault.self, "\(row.name)") { try preparer.sample(at: 1) }
      #expect(
        fault?.code == row.code && fault?.reason.contains(row.fragment) == true, "\(row.name): \(fault.map { "\($0)" } ?? "")")
      let name = "\(fault?.id ?? "") \(fault?.path ?? "")"
      #expect(name.contains(row.name) || fault?.id == "a", "\(row.name): \(name)")
      for index in [0, 2, 3] { #expect(try preparer.sample(at: index).images == 1, "\(row.name)") }
      let report = try DatasetCheck(dataset).run(workers: 2)
      #expect(report.bad.count == 1 && report.samples == 4, "\(row.name)")
    }
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.url.path)
    #expect(Set(names).isDisjoint(with: ["first.png", "last.png", "absolute.png"]))
  }

  /// A byte changed anywhere, or the end cut off anywhere: refused, a bad sample, or what it was; never a crash.
  @Test func damageIsFoundOrHarmless() throws {
    let folder = try DataFolder()
    let place = folder.url.appending(path: "shard.tar")
    let whole = try Data(contentsOf: Fixtures.bundled("shards/pax.tar"))
    func look() throws {
      do {
        let dataset = try InstructionDataset(contentsOf: place)
        for index in 0..<dataset.count {
          do {
            let record = try dataset.record(at: index)
            for path in record.images {
              if case .inside(let medium) = try dataset.place(of: path, at: index) {
                #expect(try medium.read().count == medium.count)
              }
            }
          } catch is SampleFault {}
        }
      } catch is DatasetError {}
    }
    for seed in UInt64(0)..<400 {
      var random = SplitMix(seed: seed)
      var data = whole
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let at = Int.random(in: 0..<24_000, using: &random)
        data[at] = UInt8.random(in: 0...255, using: &random)
      }
      try folder.write(data, "shard.tar")
      try look()
    }
    // The last member ends before 24,000.
    for length in stride(from: 0, to: 24_000, by: 171) {
      try folder.write(whole.prefix(length), "shard.tar")
      #expect(throws: DatasetError.self, "\(length)") { try InstructionDataset(contentsOf: place) }
    }
  }

  @Test func aShardThatChangesIsNoticed() throws {
    let folder = try DataFolder()
    let place = folder.url.appending(path: "shard.tar")
    try folder.write(Self.good, "shard.tar")
    let dataset = try InstructionDataset(contentsOf: place)
    let other = Self.made {
      $0.add("a.json", Self.record + [0x20])
      $0.add("a.png", Array("not looked at".utf8))
      $0.add("b.json", Self.record)
    }
    for data in [other, Data(Self.good.dropLast(512)), Data(repeating: 1, count: Self.good.count)] {
      try folder.write(data, "shard.tar")
      #expect(throws: DatasetError.changed(file: place.relativePath)) { try dataset.record(at: 0) }
    }
    try FileManager.default.removeItem(at: place)
    #expect(throws: DatasetError.self) { try dataset.record(at: 0) }
  }

  /// Thousands of members, and more shards than a process may hold open.
  @Test func manyMembersAndShardsAreFew() throws {
    let folder = try DataFolder()
    let many = Self.made { for index in 0..<4000 { $0.add("\(index).json", Self.record) } }
    try folder.write(many, "many.tar")
    #expect(try InstructionDataset(contentsOf: folder.url.appending(path: "many.tar")).count == 4000)
    for index in 0..<1200 { try folder.write(Self.good, "shards/\(index + 1000).tar") }
    let dataset = try InstructionDataset(contentsOf: folder.url.appending(path: "shards"))
    #expect(dataset.count == 2400)
    #expect(try [0, 1, 2399].map { try dataset.record(at: $0).images } == [["a.png"], [], []])
  }
}
