import TestModels
import TestSupport
import Testing
import Torch

@testable import LLaVA

/// Keys and values in 8 bits.
@Suite struct EightBitStoreTests {
  /// Holds in full what 8 bits make of each row, rounded number by number: the plain way to do the same.
  private struct RoundingStore: KeyValueStore {
    var inner: ContiguousStore
    var count: Int { inner.count }
    var usedByteCount: Int { inner.usedByteCount }
    var byteCount: Int { inner.byteCount }

    func contents() throws -> (keys: Tensor, values: Tensor) { try inner.contents() }

    mutating func append(_ keys: Tensor, _ values: Tensor) throws -> (keys: Tensor, values: Tensor) {
      try inner.append(Self.rounded(keys), Self.rounded(values))
    }

    static func rounded(_ rows: Tensor) throws -> Tensor {
      let width = rows.size(2)
      var numbers = try rows.array(Float.self)
      for start in stride(from: 0, to: numbers.count, by: width) {
        let scale = (numbers[start..<start + width].map(abs).max() ?? 0) / 127
        for place in start..<start + width where scale > 0 {
          numbers[place] = max(-127, min(127, (numbers[place] / scale).rounded(.toNearestOrEven))) * scale
        }
      }
      return try Tensor(numbers, rows.shape)
    }

    mutating func truncate(to count: Int) { inner.truncate(to: count) }
    mutating func reserve(_ more: Int) throws { try inner.reserve(more) }
    mutating func compact() throws { try inner.compact() }
  }

  private let text: TextConfiguration

  init() throws { text = try TestModel.tiny().configuration.text }

  /// Any order of changes leaves what the plain way holds; copies go their own way.
  @Test(arguments: 0..<20) func holdsWhatRoundingByHandGives(seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    let generator = try Generator(seed: seed)
    func rows(_ count: Int) throws -> Tensor {
      // Some rows are large, some nothing at all.
      let sizes: [Double] = [0, 1, 1e4]
      let size = sizes.randomElement(using: &random) ?? 1
      return try Tensor.randn([count, text.keyValueHeads, text.headDimension], generator: generator) * size
    }
    var store = try EightBitStore(text, capacity: 0, .float32, on: .cpu)
    var plain = RoundingStore(inner: try ContiguousStore(text, capacity: 0, .float32, on: .cpu))
    var copies: [(EightBitStore, RoundingStore)] = []
    func compare(_ a: EightBitStore, _ b: RoundingStore) throws {
      #expect(a.count == b.count && a.usedByteCount <= a.byteCount, "seed \(seed)")
      // A quarter, and four bytes of a scale for each row.
      #expect(a.usedByteCount == 2 * a.count * text.keyValueHeads * (text.headDimension + 4))
      if a.count == 0 { return }
      let (found, expected) = (try a.contents(), try b.contents())
      for (x, y) in [(found.keys, expected.keys), (found.values, expected.values)] {
        let difference = try (x - y).abs().max().item()
        #expect(try difference <= 1e-6 * y.abs().max().item(), "seed \(seed)")
      }
    }
    for _ in 0..<12 {
      switch Int.random(in: 0..<6, using: &random) {
      case 0...2:
        let (keys, values) = (try rows(Int.random(in: 1...4, using: &random)), try rows(1))
        let repeated = try concatenate(Array(repeating: values, count: keys.size(0)))
        _ = try store.append(keys, repeated)
        _ = try plain.append(keys, repeated)
      case 3:
        let count = Int.random(in: 0...store.count, using: &random)
        store.truncate(to: count)
        plain.truncate(to: count)
      case 4:
        copies.append((store, plain))
        try store.reserve(3)
      default: try store.compact()
      }
      try compare(store, plain)
    }
    for (a, b) in copies { try compare(a, b) }
  }

  /// A decoder that reads a prompt in pieces computes what it computes with keys and values rounded by hand.
  @Test func theDecoderReadsTheRoundedNumbers() throws {
    let model = try TestModel.tiny(seed: 3)
    let whole = try model.splice([Array(3..<12)], [[]])
    func hidden(_ store: @escaping (Int) throws -> any KeyValueStore) throws -> Tensor {
      var caches = [try KeyValueCache(text, .float32, on: .cpu, store: store)]
      return try inference {
        try concatenate(
          [0..<5, 5..<6, 6..<9].map { rows in
            let positions = Positions(
              rotary: try whole.positions.rotary.narrow(1, from: rows.lowerBound, length: rows.count), next: [rows.upperBound])
            let piece = PackedBatch(
              hidden: try whole.hidden.narrow(0, from: rows.lowerBound, length: rows.count), positions: positions,
              lengths: [rows.count], images: whole.images)
            return try model.decoder.run(layers: 0..<text.layers, piece, caches: &caches).hidden
          })
      }
    }
    let found = try hidden { _ in try EightBitStore(text, capacity: 0, .float32, on: .cpu) }
    let expected = try hidden { _ in RoundingStore(inner: try ContiguousStore(text, capacity: 0, .float32, on: .cpu)) }
    let exact = try hidden { _ in try ContiguousStore(text, capacity: 0, .float32, on: .cpu) }
    let size = try exact.abs().max().item()
    #expect(try (found - expected).abs().max().item() < 1e-5 * size)
    // It is not the exact cache, and near it.
    let off = try (found - exact).abs().max().item()
    #expect(off > 0 && off < 0.1 * size)
  }

  /// Sequences of a model are remembered as the model says, and take less memory.
  @Test func theModelSaysHowItsSequencesAreRemembered() throws {
    var model = try TestModel.tiny(seed: 3)
    let rows = try Tensor.randn([4, text.keyValueHeads, text.headDimension], generator: Generator(seed: 1))
    func bytes() throws -> Int {
      var cache = try model.newCache()
      for layer in 0..<text.layers { _ = try cache.append(rows, rows, layer: layer) }
      return cache.usedByteCount
    }
    let exact = try bytes()
    model.cachePrecision = .eightBits
    #expect(try bytes() < exact / 2 && exact == 8 * 4 * text.keyValueHeads * text.headDimension * text.layers)
  }
}
