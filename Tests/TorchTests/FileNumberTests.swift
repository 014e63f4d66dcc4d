import Foundation
import TestSupport
import Testing

@testable import Torch

/// Numbers in files that no honest file holds: refused or taken as they are, never a trap.
@Suite struct FileNumberTests {
  private static let numbers = [0, 1, 2, 3, 4, 7, 255, 1 << 31, 1 << 47, 1 << 48, 1 << 62, .max, -1, -2, .min]

  /// A pickle as torch.save writes it: one dictionary of tensors over one storage of float32.
  static func pickle(_ tensors: [(shape: [Int], strides: [Int], offset: Int)], storage: Int) -> [UInt8] {
    func text(_ text: String) -> [UInt8] { [0x8c, UInt8(text.utf8.count)] + text.utf8 }
    func number(_ value: Int) -> [UInt8] { [0x8a, 8] + withUnsafeBytes(of: value.littleEndian) { Array($0) } }
    func tuple(_ values: [Int]) -> [UInt8] { [0x28] + values.flatMap(number) + [0x74] }
    var code: [UInt8] = [0x80, 2, 0x7d]
    for (index, tensor) in tensors.enumerated() {
      code += text("t\(index)") + Array("ctorch._utils\n_rebuild_tensor_v2\n".utf8) + [0x28, 0x28] + text("storage")
      code += Array("ctorch\nFloatStorage\n".utf8) + text("0") + text("cpu") + number(storage) + [0x74, 0x51]
      code += number(tensor.offset) + tuple(tensor.shape) + tuple(tensor.strides) + [0x89, 0x7d, 0x74, 0x52, 0x73]
    }
    return code + [0x2e]
  }

  private func load(_ pickle: [UInt8]) throws -> [(name: String, tensor: Unpickler.StoredTensor)] {
    try pickle.withUnsafeBytes { bytes throws(Unpickler.Failure) in try Unpickler.load(bytes) }
  }

  /// Against the same conditions in numbers that do not overflow.
  @Test func shapesOfPicklesAreTakenExactlyWhereTheyFit() throws {
    let seed: UInt64 = 5
    print("shapes of pickles: seed \(seed)")
    var random = SplitMix(seed: seed)
    var taken = 0
    for _ in 0..<20_000 {
      func draw(_ count: Int) -> [Int] {
        (0..<count).map { _ in Self.numbers[Int(random.next() % (random.next() % 3 == 0 ? 15 : 6))] }
      }
      let rank = Int(random.next() % 5)
      let (shape, strides, offset, storage) = (draw(rank), draw(rank), draw(1)[0], abs(Int(random.next() % 60)))
      var (product, last) = (Int128(1), Double(offset))
      // A product beyond 2⁴⁸ stays there, so that the next factor cannot overflow.
      for size in shape where size > 0 && product <= 1 << 48 { product *= Int128(size) }
      for (size, stride) in zip(shape, strides) { last += (Double(size) - 1) * Double(stride) }
      let isPossible = (shape + strides).allSatisfy { $0 >= 0 } && (0...storage).contains(offset) && product <= 1 << 48
      let fits = isPossible && (shape.contains(0) || last < Double(storage))
      let pickle = Self.pickle([(shape, strides, offset)], storage: storage)
      if fits {
        let found = try #require(try load(pickle).first)
        #expect(found.tensor.shape == shape && found.tensor.elements == (shape.contains(0) ? 0 : Int(product)))
        taken += 1
      } else {
        #expect(throws: Unpickler.Failure.self, "\(shape) \(strides) \(offset) \(storage)") { try load(pickle) }
      }
    }
    #expect(taken > 500)
  }

  /// A zip archive of stored members.
  static func archive(_ members: [(name: String, bytes: [UInt8])]) -> Data {
    func bytes(_ value: Int, _ size: Int) -> [UInt8] { (0..<size).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
    var (data, directory): ([UInt8], [UInt8]) = ([], [])
    for (name, content) in members {
      let sizes = bytes(0, 4) + bytes(content.count, 4) + bytes(content.count, 4) + bytes(name.utf8.count, 2) + bytes(0, 2)
      directory += [0x50, 0x4b, 1, 2] + bytes(0, 12) + sizes + bytes(0, 10) + bytes(data.count, 4) + name.utf8
      data += [0x50, 0x4b, 3, 4] + bytes(0, 10) + sizes + name.utf8 + content
    }
    let end = bytes(0, 4) + bytes(members.count, 2) + bytes(members.count, 2) + bytes(directory.count, 4) + bytes(data.count, 4)
    return Data(data + directory + [0x50, 0x4b, 5, 6] + end + bytes(0, 2))
  }

  @Test func picklesWithShapesOfNothingAndMuch() throws {
    let scratch = try Scratch()
    let url = scratch.url.appending(path: "x.bin")
    func file(_ tensors: [(shape: [Int], strides: [Int], offset: Int)]) throws -> PickleFile {
      let members = [("x/data.pkl", Self.pickle(tensors, storage: 4)), ("x/data/0", [UInt8](repeating: 0, count: 16))]
      try Self.archive(members).write(to: url)
      return try PickleFile(url)
    }
    let good = try file([([2, 2], [2, 1], 0), ([0, 1 << 40], [1, 1], 4), ([3], [0], 3)])
    #expect(try good.tensor("t0").shape == [2, 2] && good.tensor("t1").shape == [0, 1 << 40])
    #expect(try good.tensor("t2").array(Float.self) == [0, 0, 0])
    for shape in [[1 << 62, 4, 0], [0, 1 << 62, 4], [1 << 40, 1 << 40, 0], [1 << 49]] {
      #expect(throws: TensorFileError.self, "\(shape)") { try file([(shape, shape.map { _ in 0 }, 0)]) }
    }
    // Sums of what tensors claim are shown to people, and must be numbers too.
    #expect(throws: TensorFileError.self) { try file((0..<5000).map { _ in ([1 << 48], [0], 0) }) }
  }

  /// A dictionary inside another, and so on, and one inside itself: neither reading nor letting go goes deep.
  @Test func dictionariesNestWithoutEnd() throws {
    let key: [UInt8] = [0x8c, 10] + Array("state_dict".utf8)
    #expect(try load([0x7d, 0x94] + key + [0x68, 0, 0x73, 0x2e]).isEmpty)
    var deep: [UInt8] = [0x7d, 0x94]
    for index in 1...200_000 {
      let number = withUnsafeBytes(of: UInt32(index).littleEndian) { Array($0) }
      deep += [0x8c, 1, 0x6b, 0x7d, 0x94, 0x73, 0x6a] + number
    }
    #expect(try load(deep + [0x68, 0, 0x2e]).isEmpty)
    // Tuples of the same tuples have as many leaves as there are paths.
    var wide: [UInt8] = [0x29, 0x94]
    for index in 0..<30 { wide += [0x68, UInt8(index), 0x68, UInt8(index), 0x86, 0x94] }
    #expect(try load(wide + [0x2e]).isEmpty)
  }

  @Test func numbersOfSafetensorsHeaders() throws {
    let seed: UInt64 = 6
    print("numbers of safetensors headers: seed \(seed)")
    var random = SplitMix(seed: seed)
    let scratch = try Scratch()
    for _ in 0..<400 {
      func draw(_ count: Int) -> [Int] { (0..<count).map { _ in Self.numbers[Int(random.next() % 15)] } }
      let dtype = ["F32", "F64", "I8", "BF16", "F8_E4M3"][Int(random.next() % 5)]
      let (shape, offsets) = (draw(Int(random.next() % 5)), draw(2))
      let url = try scratch.file(
        "x.safetensors", header: #"{"a":{"dtype":"\#(dtype)","shape":\#(shape),"data_offsets":\#(offsets)}}"#, data: 8)
      do {
        let file = try SafetensorsFile(url)
        #expect(file.entries["a"]?.byteCount == 8 && shape.allSatisfy { $0 > 0 })
      } catch is TensorFileError {}
    }
    for shape in [[1 << 62, 4, 0], [0, 1 << 62, 4]] {
      let url = try scratch.file(
        "x.safetensors", header: #"{"a":{"dtype":"F32","shape":\#(shape),"data_offsets":[0,0]}}"#, data: 0)
      #expect(throws: TensorFileError.self) { try SafetensorsFile(url) }
    }
  }

  @Test func itemsThatCannotBeWrittenAreErrors() throws {
    let scratch = try Scratch()
    let one = try Tensor.ones([1])
    for shape in [[1 << 62, 4], [-1], [.max], [1 << 62, 4, 0]] {
      let item = SafetensorsItem(name: "a", dtype: .float32, shape: shape) { one }
      #expect(throws: TorchError.self) { try SafetensorsWriter.write([item], to: scratch.url.appending(path: "a")) }
      #expect(throws: TorchError.self) { try SafetensorsWriter.write([item, item], toFolder: scratch.url, shardBytes: .max) }
    }
    #expect(throws: TensorFileError.self) {
      try SafetensorsWriter.write([SafetensorsItem("a", one), SafetensorsItem("a", one)], to: scratch.url.appending(path: "a"))
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.url.path).isEmpty)
  }
}
