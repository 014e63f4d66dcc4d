import Foundation
import TestSupport
import Testing

@testable import Torch

/// Files that torch.save wrote, against the same tensors as safetensors.
@Suite struct PickleTests {
  private static let resources = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Resources")

  @Test func everyTensorIsRead() throws {
    let found = try PickleFile(Self.resources.appending(path: "weights.bin"))
    let expected = try SafetensorsFile(Self.resources.appending(path: "weights.safetensors"))
    #expect(found.entries == expected.entries)
    for name in expected.entries.keys {
      let (a, b) = try (found.tensor(name), expected.tensor(name))
      #expect(a.shape == b.shape && a.dtype == b.dtype)
      #expect(try a.withBytes { Array($0) } == b.withBytes { Array($0) }, "\(name)")
      #expect(try found.tensor(name, as: .float32).dtype == .float32)
    }
    #expect(throws: TensorFileError.self) { try found.tensor("absent") }
  }

  @Test func aStateDictionaryInsideIsFound() throws {
    let file = try PickleFile(Self.resources.appending(path: "nested.bin"))
    #expect(file.entries.keys.sorted() == ["inner"])
  }

  @Test func nothingThatAPickleNamesIsRun() throws {
    let file = try PickleFile(Self.resources.appending(path: "evil.bin"))
    #expect(file.entries.keys.sorted() == ["good"])
    #expect(!FileManager.default.fileExists(atPath: "epic-was-here"))
  }

  @Test(arguments: ["bare.bin", "legacy.bin", "weights.safetensors", "make_pickles.py"]) func otherFilesAreRefused(_ name: String)
  {
    let error = #expect(throws: TensorFileError.self) { try PickleFile(Self.resources.appending(path: name)) }
    #expect(error?.description.contains(name) == true && error?.description.contains("\n") == false)
  }

  @Test func foldersOfTheOriginalLayoutAreRead() throws {
    let scratch = try Scratch()
    let weights = Self.resources.appending(path: "weights.bin")
    try FileManager.default.copyItem(at: weights, to: scratch.url.appending(path: "pytorch_model.bin"))
    #expect(try WeightFolder(scratch.url).entries.count == 13)
    try FileManager.default.moveItem(
      at: scratch.url.appending(path: "pytorch_model.bin"), to: scratch.url.appending(path: "part.bin"))
    try Data(#"{"weight_map":{"plain":"part.bin","half":"part.bin"}}"#.utf8).write(
      to: scratch.url.appending(path: "pytorch_model.bin.index.json"))
    #expect(try WeightFolder(scratch.url).entries.keys.sorted() == ["half", "plain"])
    // A projector that was saved alone joins the rest.
    try FileManager.default.copyItem(at: weights, to: scratch.url.appending(path: "mm_projector.bin"))
    let joined = try WeightFolder(scratch.url)
    #expect(joined.entries.count == 13 && joined.files == ["mm_projector.bin", "part.bin"])
  }

  /// Damaged files are read or refused, never a trap: every length cut short, and hundreds of random changes.
  @Test func damageNeverEndsTheProcess() throws {
    let scratch = try Scratch()
    let good = try Data(contentsOf: Self.resources.appending(path: "weights.bin"))
    let url = scratch.url.appending(path: "damaged.bin")
    func read(_ data: Data) throws {
      try data.write(to: url)
      guard let file = try? PickleFile(url) else { return }
      for name in file.entries.keys { _ = try? file.tensor(name) }
    }
    for length in stride(from: 0, to: good.count, by: 97) { try read(good.prefix(length)) }
    var state: UInt64 = 1
    func next(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    let pickle = try #require(good.range(of: Data("data.pkl".utf8)))
    for round in 0..<400 {
      var data = good
      for _ in 0..<1 + next(4) {
        // Half of the changes in the pickle, half anywhere.
        let place = round % 2 == 0 ? min(good.count - 1, pickle.lowerBound + next(1800)) : next(good.count)
        data[place] = UInt8(next(256))
      }
      try read(data)
    }
  }

  @Test func nestingHasALimit() throws {
    let deep = [UInt8](repeating: 0x85, count: 100)
    for code in [[UInt8(ascii: "N")] + deep + [UInt8(ascii: ".")], [], [0x80], [UInt8(ascii: "t")], [UInt8(ascii: "."), 1]] {
      #expect(throws: Unpickler.Failure.self) {
        try code.withUnsafeBytes { bytes throws(Unpickler.Failure) in try Unpickler.load(bytes) }
      }
    }
  }
}
