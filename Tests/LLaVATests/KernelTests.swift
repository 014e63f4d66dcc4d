import Foundation
import Testing
import Torch

@testable import LLaVA

/// Attention, projections and rotary embedding against their definitions.
@Suite struct KernelTests {
  private func naive(_ q: Tensor, _ k: Tensor, _ v: Tensor) throws -> Tensor {
    let (rows, heads, width, columns) = (q.size(0), q.size(1), q.size(2), k.size(1))
    let keys = try k.repeatedInterleaved(heads / k.size(0), 0)
    let values = try v.repeatedInterleaved(heads / k.size(0), 0)
    var scores = try q.transposed(0, 1).matmul(keys.transposed(1, 2)) / Double(width).squareRoot()
    let future = try Tensor.ones([rows, columns]).upperTriangle(columns - rows + 1).equals(1)
    scores = try scores.filled(where: future, with: -.infinity)
    return try scores.softmax().matmul(values).transposed(0, 1).reshaped([rows, heads * width])
  }

  @Test(arguments: [
    (1, 1, 4, 4, 8), (1, 9, 4, 4, 64), (1, 70, 6, 2, 36), (5, 5, 4, 2, 16), (3, 11, 4, 4, 16), (2, 30, 6, 3, 8),
    (1, 33, 2, 1, 40),
  ])
  func attentionIsItsDefinition(rows: Int, columns: Int, heads: Int, groups: Int, width: Int) throws {
    let generator = try Generator(seed: UInt64(rows * 1000 + columns))
    let q = try Tensor.randn([rows, heads, width], generator: generator)
    // Views of a larger cache, as in use.
    let k = try Tensor.randn([groups, columns + 7, width], generator: generator).narrow(1, from: 0, length: columns)
    let v = try Tensor.randn([groups, columns + 7, width], generator: generator).narrow(1, from: 0, length: columns)
    try inference {
      #expect(try (attend(q, k, v) - naive(q, k, v)).abs().max().item() < 1e-5)
      let (hq, hk, hv) = try (q.to(.bfloat16), k.to(.bfloat16), v.to(.bfloat16))
      let exact = try naive(hq.to(.float32), hk.to(.float32), hv.to(.float32))
      #expect(try (attend(hq, hk, hv).to(.float32) - exact).abs().max().item() < 0.03)
      // By products, in blocks of any size; on processors with bfloat16 arithmetic `attend` is this.
      for blockRows in [1, 2, 3, 256] {
        #expect(try (attendByProducts(q, k, v, blockRows: blockRows) - naive(q, k, v)).abs().max().item() < 1e-5)
        #expect(try (attendByProducts(hq, hk, hv, blockRows: blockRows).to(.float32) - exact).abs().max().item() < 0.06)
      }
    }
  }

  @Test(
    arguments: [
      (5, 5, 4, 2, 16), (3, 11, 4, 4, 16), (2, 30, 6, 3, 8), (33, 33, 2, 1, 40), (1, 7, 2, 2, 8), (40, 40, 3, 3, 4),
    ], [1, 3, 16, 256])
  func attentionByProductsHasItsGradients(_ c: (rows: Int, columns: Int, heads: Int, groups: Int, width: Int), _ blockRows: Int)
    throws
  {
    let generator = try Generator(seed: UInt64(c.rows * 1000 + c.columns))
    let q = try Tensor.randn([c.rows, c.heads, c.width], generator: generator).requiringGradient()
    let k = try Tensor.randn([c.groups, c.columns, c.width], generator: generator).requiringGradient()
    // As the decoder hands them over: a view of [columns, groups, width].
    let v = try Tensor.randn([c.columns, c.groups, c.width], generator: generator).requiringGradient()
    let seed = try Tensor.randn([c.rows, c.heads * c.width], generator: generator)
    let own = try gradients(
      of: [attendByProducts(q, k, v.transposed(0, 1), blockRows: blockRows)], seeds: [seed], for: [q, k, v])
    let expected = try gradients(of: [naive(q, k, v.transposed(0, 1))], seeds: [seed], for: [q, k, v])
    for (a, b) in zip(own, expected) { #expect(try (#require(a) - #require(b)).abs().max().item() < 1e-5) }
  }

  /// One row of each of several sequences at a time, their caches of different lengths, as each alone.
  @Test(arguments: [DType.float32, .bfloat16]) func oneRowOfManySequences(_ dtype: DType) throws {
    let generator = try Generator(seed: 9)
    for (heads, groups, width, counts) in [
      (4, 4, 32, [1, 5, 64, 17]), (6, 2, 40, [33, 2]), (2, 1, 96, [130]), (3, 3, 8, [3, 16, 15, 47, 1]),
    ] {
      let q = try Tensor.randn([counts.count, heads, width], generator: generator).to(dtype)
      let caches = try counts.map { count in
        try (0..<2).map { _ in
          try Tensor.randn([groups, count + 3, width], generator: generator).to(dtype).narrow(1, from: 0, length: count)
        }
      }
      let found = try q.oneRowAttention(caches.map { $0[0] }, caches.map { $0[1] }).to(.float32)
      #expect(found.shape == [counts.count, heads, width])
      for (i, cache) in caches.enumerated() {
        let row = try q.narrow(0, from: i, length: 1)
        let expected = try naive(row.to(.float32), cache[0].to(.float32), cache[1].to(.float32))
        let error = try (found.selected(0, i).reshaped([1, heads * width]) - expected).abs().max().item()
        #expect(error < (dtype == .float32 ? 1e-5 : 0.03), "\(heads), \(groups), \(width), \(counts[i])")
        let alone = try row.oneRowAttention([cache[0]], [cache[1]]).to(.float32)
        #expect(try alone.selected(0, 0).array(Float.self) == found.selected(0, i).array(Float.self))
      }
    }
  }

  @Test func oneRowAttentionRefusesWhatDoesNotFit() throws {
    let q = try Tensor.ones([1, 4, 8], .bfloat16)
    func attend(_ shape: [Int], _ dtype: DType = .bfloat16, caches: Int = 1) throws {
      let caches = try (0..<caches).map { _ in try Tensor.ones(shape, dtype) }
      _ = try q.oneRowAttention(caches, caches)
    }
    try attend([2, 5, 8])
    #expect(throws: TorchError.self) { try attend([3, 5, 8]) }
    #expect(throws: TorchError.self) { try attend([2, 5, 6]) }
    #expect(throws: TorchError.self) { try attend([2, 0, 8]) }
    #expect(throws: TorchError.self) { try attend([2, 5, 8], .float32) }
    #expect(throws: TorchError.self) { try attend([2, 5, 8], caches: 2) }
    let short = try Tensor.ones([2, 5, 8], .bfloat16)
    #expect(throws: TorchError.self) { try q.oneRowAttention([short], [short.narrow(1, from: 0, length: 4)]) }
    #expect(throws: TorchError.self) { try q.oneRowAttention([short], []) }
    #expect(throws: TorchError.self) { try Tensor.ones([8], .bfloat16).oneRowAttention([short], [short]) }
  }

  @Test func rowsArePutWhereTheyBelong() throws {
    let generator = try Generator(seed: 10)
    for dtype in [DType.float32, .bfloat16] {
      let memory = try Tensor.randn([3, 9, 4], generator: generator).to(dtype)
      let (before, rows) = (try memory * 1, try Tensor.randn([2, 3, 4], generator: generator).to(dtype))
      try memory.putRows(rows, from: 7)
      try before.narrow(1, from: 7, length: 2).copyInPlace(from: rows.transposed(0, 1))
      #expect(try memory.to(.float32).array(Float.self) == before.to(.float32).array(Float.self))
      #expect(throws: TorchError.self) { try memory.putRows(rows, from: 8) }
      #expect(throws: TorchError.self) { try memory.putRows(rows, from: -1) }
      #expect(throws: TorchError.self) { try memory.putRows(rows, from: .max) }
      #expect(throws: TorchError.self) { try memory.putRows(Tensor.ones([2, 4, 4], dtype), from: 0) }
      #expect(throws: TorchError.self) { try memory.putRows(rows.to(.float16), from: 0) }
    }
  }

  /// Every path of `linear` for bfloat16: few rows, many rows, recorded for gradients.
  @Test(arguments: [1, 4, 20, 33, 40]) func projectionsAreTheirDefinition(_ rows: Int) throws {
    let generator = try Generator(seed: UInt64(rows))
    let x = try Tensor.randn([2, rows, 70], generator: generator).to(.bfloat16)
    let w = try Tensor.randn([33, 70], generator: generator).to(.bfloat16)
    let b = try Tensor.randn([33], generator: generator).to(.bfloat16)
    let exact = try x.to(.float32).linear(w.to(.float32), b.to(.float32))
    func error(_ y: Tensor) throws -> Double { try ((y.to(.float32) - exact).abs() / (exact.abs() + 1)).max().item() }
    #expect(try inference { try error(linear(x, w, b)) } < 1.0 / 100)
    try w.requiringGradient()
    let recorded = try linear(x, w, b)
    #expect(recorded.requiresGradient && recorded.dtype == .bfloat16)
    #expect(try error(recorded.detached()) < 1.0 / 100)
    try recorded.to(.float32).sum().backward()
    let gradient = try #require(try w.gradient())
    let sums = try x.to(.float32).reshaped([-1, 70]).sum(0)
    #expect(gradient.dtype == .bfloat16)
    #expect(try ((gradient.to(.float32).selected(0, 3) - sums).abs() / (sums.abs() + 1)).max().item() < 1.0 / 50)
  }

  @Test func rotationKeepsLengthsAndDependsOnDistanceAlone() throws {
    var text = try LLaVAConfiguration.preset("tiny").text
    for scaling in [
      RotaryScaling.none, .linear(factor: 3), .dynamic(factor: 2),
      .llama3(factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalPositions: 16),
    ] {
      text.ropeScaling = scaling
      text.maximumPositions = 32
      let rotary = try RotaryEmbedding(text, on: .cpu)
      let x = try Tensor.randn([2, 1, text.headDimension], generator: Generator(seed: 3))
      func score(_ a: Int, _ b: Int) throws -> Double {
        let turned = try rotary(x, rotary.angles(Tensor([a, b]).unsqueezed(0), length: 40, .float32))
        return try (turned.selected(0, 0) * turned.selected(0, 1)).sum().item()
      }
      #expect(abs(try score(3, 9) - score(23, 29)) < 1e-4)
      #expect(abs(try score(3, 9) - score(3, 10)) > 1e-3)
      let turned = try rotary(x, rotary.angles(Tensor([5, 31]).unsqueezed(0), length: 40, .float32))
      #expect(try (turned.norm() - x.norm()).abs().max().item() < 1e-5)
    }
  }

  @Test func frequenciesAreThoseOfTheirFormulas() throws {
    var text = try LLaVAConfiguration.preset("tiny").text
    text.headDimension = 8
    text.ropeTheta = 10_000
    text.maximumPositions = 64
    func near(_ a: [Double], _ b: [Double]) -> Bool { zip(a, b).allSatisfy { abs($0 - $1) < 1e-12 } }
    let plain = [1, 0.1, 0.01, 0.001]
    #expect(near(RotaryEmbedding.frequencies(text, length: 0), plain))
    text.ropeScaling = .linear(factor: 4)
    #expect(near(RotaryEmbedding.frequencies(text, length: 0), plain.map { $0 / 4 }))
    text.ropeScaling = .dynamic(factor: 2)
    #expect(near(RotaryEmbedding.frequencies(text, length: 64), plain))
    let base = 10_000 * pow(2.0 * 128 / 64 - 1, 8.0 / 6)
    #expect(near(RotaryEmbedding.frequencies(text, length: 128), (0..<4).map { pow(base, -Double($0) / 4) }))
    // Wavelengths 6.3, 63, 628, 6283 tokens: the first is short of 100/4, the last beyond 100/1, 63 between.
    text.ropeScaling = .llama3(factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalPositions: 100)
    let blend = (100 / (2 * Double.pi / 0.1) - 1) / 3
    #expect(near(RotaryEmbedding.frequencies(text, length: 0), [1, (1 - blend) * 0.1 / 8 + blend * 0.1, 0.01 / 8, 0.001 / 8]))
  }
}
