import Testing

@testable import Torch

@Suite struct GradientTests {
  @Test func backwardGivesTheClosedForm() throws {
    // y = Σ (x·w)², dy/dw = 2 Σ_rows x (x·w)
    let x = try Tensor([1, 2, 3, 4] as [Float], [2, 2])
    let w = try Tensor([0.5, -1] as [Float], [2, 1]).requiringGradient()
    try x.matmul(w).power(2).sum().backward()
    let z: [Float] = [0.5 - 2, 1.5 - 4]
    let gradient = try #require(try w.gradient())
    #expect(try gradient.array() == [2 * (z[0] + 3 * z[1]), 2 * (2 * z[0] + 4 * z[1])] as [Float])
    try w.setGradient(nil)
    #expect(try w.gradient() == nil)
  }

  @Test func gradientsAccumulate() throws {
    let w = try Tensor([1] as [Float]).requiringGradient()
    for _ in 0..<3 { try (w * 2).sum().backward() }
    #expect(try w.gradient()?.array() == [6] as [Float])
  }

  @Test func scopesSwitchRecordingAndRestoreIt() throws {
    let w = try Tensor.ones([1]).requiringGradient()
    #expect(try withoutGradient { try (w * 2).requiresGradient } == false)
    #expect(try withoutGradient { try withGradient { try (w * 2).requiresGradient } })
    struct Stop: Error {}
    #expect(throws: Stop.self) { try withoutGradient { throw Stop() } }
    #expect(try (w * 2).requiresGradient, "recording is back after a throw")
    #expect(try inference { try (w * 2).requiresGradient } == false)
    #expect(try (w * 2).detached().requiresGradient == false)
  }

  @Test func gradientsOfChosenInputs() throws {
    let a = try Tensor([2] as [Float]).requiringGradient()
    let b = try Tensor([5] as [Float]).requiringGradient()
    let unused = try Tensor([1] as [Float]).requiringGradient()
    let found = try gradients(of: [a * b], seeds: [Tensor([3] as [Float])], for: [a, unused, b])
    #expect(try found[0]?.array() == [15] as [Float])
    #expect(found[1] == nil)
    #expect(try found[2]?.array() == [6] as [Float])
    #expect(try a.gradient() == nil)
  }

  @Test func integersCannotRequireGradients() throws {
    #expect(throws: TorchError.self) { try Tensor([1] as [Int]).requiringGradient() }
    #expect(throws: TorchError.self) { try Tensor([1, 2] as [Float]).requiringGradient().backward() }
  }

  @Test func generatorsRepeatFromSeedAndState() throws {
    let a = try Generator(seed: 7)
    let b = try Generator(seed: 7)
    let first = try Tensor.randn([5], generator: a).array(Float.self)
    #expect(try Tensor.randn([5], generator: b).array(Float.self) == first)
    let state = try a.state()
    let next = try Tensor.rand([9], generator: a).array(Float.self)
    #expect(try Tensor.rand([9], generator: a).array(Float.self) != next)
    try a.restore(state)
    #expect(try Tensor.rand([9], generator: a).array(Float.self) == next)
    try a.seed(7)
    #expect(try Tensor.randn([5], generator: a).array(Float.self) == first)
    #expect(throws: TorchError.self) { try a.restore(Tensor([1, 2] as [UInt8])) }
    // A standard generator follows from its state as well; seedAll is what programs start with.
    let standard = try Generator.standard()
    try seedAll(11)
    let seeded = try standard.state().array(UInt8.self)
    try standard.seed(12)
    #expect(try standard.state().array(UInt8.self) != seeded)
    try seedAll(11)
    #expect(try standard.state().array(UInt8.self) == seeded)
    #expect(try Tensor.permutation(50, generator: a).sorted().values.array(Int.self) == Array(0..<50))
  }
}
