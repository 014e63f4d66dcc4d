import Testing

@testable import Torch

/// Kernels over rows against the same made of libtorch's operators in float32, forwards and backwards.
@Suite struct DecoderRowsTests {
  private typealias Function = ([Tensor]) throws -> Tensor

  /// Widths that are multiples of a vector and ones that are not, one row and many.
  private static let shapes = [[1, 1], [1, 16], [3, 5], [70, 48], [129, 100], [2, 3, 33], [200, 768]]

  /// Compares results and gradients with those of `expected` in float32.
  private func compare(
    _ found: Function, _ expected: Function, _ inputs: [Tensor], _ dtype: DType, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    // bfloat16 keeps 8 bits, and results are sums of some products.
    let tolerance = dtype == .float32 ? 1e-5 : 1.0 / 128
    let rounded = try inputs.map { try $0.to(dtype) }
    let own = try rounded.map { try ($0 * 1).detached().requiringGradient() }
    let wide = try rounded.map { try ($0.to(.float32) * 1).detached().requiringGradient() }
    let (y, z) = (try found(own), try expected(wide))
    #expect(y.dtype == dtype && y.shape == z.shape, sourceLocation: sourceLocation)
    let seed = try Tensor.randn(y.shape, generator: Generator(seed: 9)).to(dtype)
    let (a, b) = (try gradients(of: [y], seeds: [seed], for: own), try gradients(of: [z], seeds: [seed.to(.float32)], for: wide))
    for (one, other) in zip([y] + a.compactMap { $0 }, [z] + b.compactMap { $0 }) {
      #expect(one.dtype == dtype && one.shape == other.shape, sourceLocation: sourceLocation)
      let scale = try max(1, other.detached().abs().max().item())
      let distance = try (one.detached().to(.float32) - other.detached()).abs().max().item()
      #expect(distance <= tolerance * scale, "\(distance) of \(scale)", sourceLocation: sourceLocation)
    }
    #expect(a.count == inputs.count && a.allSatisfy { $0 != nil }, sourceLocation: sourceLocation)
  }

  @Test(arguments: [DType.float32, .bfloat16], shapes) func norms(_ dtype: DType, _ shape: [Int]) throws {
    let generator = try Generator(seed: UInt64(shape.count + shape[0]))
    let x = try Tensor.randn(shape, generator: generator) * 3
    let w = try Tensor.randn([shape.last ?? 1], generator: generator) + 1
    try compare(
      { try $0[0].rmsNorm($0[1], epsilon: 1e-5) },
      { try $0[0] * ($0[0].power(2).mean(-1, keepingDimension: true) + 1e-5).power(-0.5) * $0[1] }, [x, w], dtype)
  }

  @Test(arguments: [DType.float32, .bfloat16], shapes) func gates(_ dtype: DType, _ shape: [Int]) throws {
    let generator = try Generator(seed: UInt64(shape.count + shape[0]))
    // Far into both tails as well.
    let (g, u) = (try Tensor.randn(shape, generator: generator) * 20, try Tensor.randn(shape, generator: generator))
    try compare({ try $0[0].gating($0[1]) }, { try $0[0].silu() * $0[1] }, [g, u], dtype)
  }

  @Test(arguments: [DType.float32, .bfloat16], [[1, 1, 2], [3, 2, 8], [50, 3, 32], [7, 4, 36], [20, 12, 64], [5, 1, 128]])
  func rotations(_ dtype: DType, _ shape: [Int]) throws {
    let generator = try Generator(seed: UInt64(shape[0]))
    let x = try Tensor.randn(shape, generator: generator)
    let half = try Tensor.rand([shape[0], 1, shape[2] / 2], generator: generator) * 6
    let angles = try concatenate([half, half], -1)
    let (c, s) = (try angles.cos().to(dtype), try angles.sin().to(dtype))
    func plain(_ x: [Tensor]) throws -> Tensor {
      let halves = try x[0].split([shape[2] / 2, shape[2] / 2], -1)
      return try x[0] * c.to(.float32) + concatenate([-halves[1], halves[0]], -1) * s.to(.float32)
    }
    try compare({ try $0[0].rotatingHalves(c, s) }, plain, [x], dtype)
    try compare({ try $0[0].composedRotation(c, s) }, plain, [x], dtype)
  }

  @Test func extremesStayFinite() throws {
    let g = try Tensor([-1e30, -200, -100, -88, 0, 88, 100, 200, 1e30] as [Float])
    let y = try g.gating(Tensor.ones([9])).array(Float.self)
    let expected = try g.silu().array(Float.self)
    #expect(zip(y, expected).allSatisfy { abs($0 - $1) <= max(1e-30, 1e-6 * abs($1)) }, "\(y)")
    let zero = try Tensor.zeros([2, 8]).requiringGradient()
    let normed = try zero.rmsNorm(Tensor.ones([8]), epsilon: 1e-6)
    #expect(try normed.detached().abs().max().item() == 0)
    let gradient = try #require(gradients(of: [normed.sum()], for: [zero])[0])
    #expect(try gradient.abs().max().item() <= 1001)
    let infinite = try Tensor([Float.nan, 1, .infinity, 2]).to(.bfloat16).gating(Tensor.ones([4], .bfloat16))
    #expect(try infinite.to(.float32).array(Float.self).map(\.isNaN) == [true, false, false, false])
  }

  @Test func whatDoesNotFitIsRefused() throws {
    #expect(throws: TorchError.self) { try Tensor.ones([2, 4]).rmsNorm(.ones([3]), epsilon: 1e-5) }
    #expect(throws: TorchError.self) { try Tensor.ones([2, 4]).gating(.ones([4, 2])) }
    #expect(throws: TorchError.self) { try Tensor.ones([2, 1, 4]).rotatingHalves(.ones([3, 1, 4]), .ones([3, 1, 4])) }
  }

  /// Sums over rows are the same however many threads work on them.
  @Test func threadsChangeNoBit() throws {
    let before = Runtime.threads
    defer { Runtime.threads = before }
    let generator = try Generator(seed: 5)
    let x = try Tensor.randn([333, 96], generator: generator).requiringGradient()
    let w = try Tensor.randn([96], generator: generator).requiringGradient()
    func run(_ threads: Int) throws -> [[Float]] {
      Runtime.threads = threads
      return try gradients(of: [x.rmsNorm(w, epsilon: 1e-5).power(2).sum()], for: [x, w]).map { try $0?.array(Float.self) ?? [] }
    }
    #expect(try run(1) == run(2))
  }
}
