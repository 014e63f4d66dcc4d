import Foundation
import TestSupport
import Testing

@testable import Torch

/// Headers that no honest file has: one error each, never a trap.
@Suite struct GGUFHeaderTests {
  private static func sound() -> MadeGGUF {
    var made = MadeGGUF()
    made.add("a", 1)
    made.add("b", "text")
    made.add("one", shape: [2, 3], [1, 2, 3, 4, 5, 6])
    made.add("two", shape: [4], [1, 2, 3, 4])
    return made
  }

  private typealias Fault = (says: String, change: @Sendable (inout MadeGGUF) -> Void)

  private static func key(_ type: UInt32, _ value: [UInt8], says: String) -> Fault {
    (says, { $0.keys.append(("x", type, value)) })
  }

  private static func tensor(_ sizes: [UInt64], _ type: UInt32 = 0, says: String) -> Fault {
    (says, { $0.tensors.append(("x", sizes, type, [])) })
  }

  private static let faults: [Fault] = [
    ("version 1", { $0.version = 1 }), ("version 4", { $0.version = 4 }), ("big-endian", { $0.version = UInt32(3).byteSwapped }),
    key(13, [], says: "type 13"), key(7, [2], says: "0 or 1"), key(8, MadeGGUF.bytes(UInt64.max), says: "ends within"),
    key(8, MadeGGUF.bytes(UInt64(1) << 40), says: "ends within"),
    key(9, MadeGGUF.bytes(UInt32(0)) + MadeGGUF.bytes(UInt64.max), says: "ends within"),
    key(9, MadeGGUF.bytes(UInt32(14)) + MadeGGUF.bytes(UInt64(1)), says: "list of type 14"),
    key(9, (0..<20).flatMap { _ in MadeGGUF.bytes(UInt32(9)) + MadeGGUF.bytes(UInt64(1)) }, says: "list of lists"),
    ("twice", { $0.add("a", 2) }), ("twice", { $0.add("one", shape: [1], [1]) }),
    ("alignment is 0", { $0.add("general.alignment", 0) }), ("alignment is 48", { $0.add("general.alignment", 48) }),
    ("alignment is 131072", { $0.add("general.alignment", 1 << 17) }),
    ("alignment is \"32\"", { $0.add("general.alignment", "32") }),
    tensor([1, 1, 1, 1, 1], says: "5 dimensions"), tensor([1 << 40, 1 << 40], says: "impossible shape"),
    tensor([0, 1 << 62, 4], says: "impossible shape"), tensor([.max], says: "impossible size"),
    tensor([1 << 63], says: "impossible size"), tensor([4], 99, says: "type 99"), tensor([31], 8, says: "impossible shape"),
    tensor([255, 256], 12, says: "impossible shape"), tensor([], 8, says: "impossible shape"),
    tensor([1 << 47], says: "truncated"), tensor([4], says: "truncated"),
    ("impossible offset", { $0.offsets["two"] = 4 }), ("impossible offset", { $0.offsets["two"] = .max }),
    ("truncated", { $0.offsets["two"] = 1 << 40 }), ("overlaps", { $0.offsets["two"] = 0 }),
  ]

  @Test func theFileWithoutFaultsIsRead() throws {
    let scratch = try Scratch()
    let file = try GGUFFile(Self.sound().write(to: scratch.url))
    #expect(try file.tensor("one").array(Float.self) == [1, 2, 3, 4, 5, 6] && file.tensor("one").shape == [2, 3])
    #expect(try file.metadata.int("a") == 1 && file.metadata.string("b") == "text")
  }

  @Test(arguments: faults.indices) func faultsAreNamed(_ index: Int) throws {
    let (says, change) = Self.faults[index]
    let scratch = try Scratch()
    var made = Self.sound()
    change(&made)
    let url = try made.write(to: scratch.url)
    let error = #expect(throws: TensorFileError.self) { try GGUFFile(url) }
    #expect(error?.description.contains(says) == true, "\(says): \(String(describing: error))")
    #expect(error?.description.contains("made.gguf") == true && error?.description.contains("\n") == false)
  }

  @Test func countsThatLie() throws {
    let scratch = try Scratch()
    for place in [8, 16] {
      for count in [1 << 62, .max, 1 << 40, 1000] as [UInt64] {
        var data = Self.sound().data
        data.replaceSubrange(place..<place + 8, with: MadeGGUF.bytes(count))
        let url = scratch.url.appending(path: "x.gguf")
        try data.write(to: url)
        let error = #expect(throws: TensorFileError.self) { try GGUFFile(url) }
        #expect(error?.description.contains("it claims") == true, "\(String(describing: error))")
      }
    }
    // Each element of a list takes more memory than bytes of the file.
    var made = MadeGGUF()
    let count = GGUFHeader.mostValues + 1
    made.keys.append(("x", 9, MadeGGUF.bytes(UInt32(0)) + MadeGGUF.bytes(UInt64(count)) + [UInt8](repeating: 0, count: count)))
    let url = try made.write(to: scratch.url)
    let error = #expect(throws: TensorFileError.self) { try GGUFFile(url) }
    #expect(error?.description.contains("elements in all") == true)
  }

  @Test func everyBeginningIsRefused() throws {
    let scratch = try Scratch()
    let data = Self.sound().data
    for count in 0..<data.count {
      let url = scratch.url.appending(path: "cut.gguf")
      try data.prefix(count).write(to: url)
      #expect(throws: TensorFileError.self, "\(count) bytes") { try GGUFFile(url) }
    }
    #expect(throws: TensorFileError.self) { try GGUFFile(scratch.url) }
    #expect(throws: TensorFileError.self) { try GGUFFile(scratch.url.appending(path: "absent.gguf")) }
  }

  /// Bytes changed at random, most of them in the header: refused in one line, or read with all tensors.
  @Test func damagedFilesAreRefusedOrRead() throws {
    let seed: UInt64 = 11
    print("damaged GGUF files: seed \(seed)")
    var random = SplitMix(seed: seed)
    let scratch = try Scratch()
    let url = scratch.url.appending(path: "damaged.gguf")
    let sound = [try Data(contentsOf: Fixtures.bundled("gguf/types.gguf")), Self.sound().data]
    let numbers: [UInt64] = [0, 1, 2, 31, 255, 1 << 31, 1 << 32, 1 << 47, 1 << 60, 1 << 62, 1 << 63, .max, .max - 1]
    var (refused, read) = (0, 0)
    for _ in 0..<2500 {
      var data = sound[random.next(below: sound.count)]
      for _ in 0...random.next(below: 3) {
        let place = random.next(below: random.next(below: 4) == 0 ? data.count : min(data.count, 1500))
        switch random.next(below: 5) {
        case 0: data[place] = UInt8(truncatingIfNeeded: random.next())
        case 1: data[place] ^= 1 << UInt8(random.next(below: 8))
        case 2:
          let bytes = MadeGGUF.bytes(numbers[random.next(below: numbers.count)])
          data.replaceSubrange(place..<min(place + 8, data.count), with: bytes)
        case 3: data.removeSubrange(place..<min(data.count, place + 1 + random.next(below: 9)))
        default: data.insert(contentsOf: (0...random.next(below: 9)).map { UInt8($0) }, at: place)
        }
      }
      try data.write(to: url)
      do {
        let file = try GGUFFile(url)
        for (name, entry) in file.entries {
          do {
            let tensor = try file.tensor(name)
            #expect(tensor.shape == entry.shape)
          } catch TensorFileError.unsupportedBlocks {}
        }
        read += 1
      } catch let error as TensorFileError {
        #expect(!error.description.isEmpty)
        refused += 1
      }
    }
    #expect(refused > 500 && read > 100, "\(refused) refused, \(read) read")
  }
}
