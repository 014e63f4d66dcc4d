import Testing

@testable import Torch

@Suite struct CustomGradientTests {
  @Test func gradientIsTheOneGiven() throws {
    let a = try Tensor([2, 3] as [Float]).requiringGradient()
    let b = try Tensor([5, 7] as [Float]).requiringGradient()
    let plain = try Tensor([1, 1] as [Float])
    let product = try withoutGradient { try a * b }
    let unused = try Tensor([0] as [Float])
    let found = try withGradient(of: [product, unused], for: [a, plain, b]) { seeds in
      #expect(seeds[1] == nil)
      let seed = try #require(seeds[0])
      return [try seed * 10, nil, try seed * 100]
    }
    #expect(try found[0].array() == [10, 21] as [Float])
    try (found[0] * 2).sum().backward()
    #expect(try a.gradient()?.array() == [20, 20] as [Float])
    #expect(try b.gradient()?.array() == [200, 200] as [Float])
  }

  @Test func nothingIsRecordedWhereNobodyAsks() throws {
    let a = try Tensor([2] as [Float])
    let found = try withGradient(of: [a * 2], for: [a]) { _ in [] }
    #expect(!found[0].requiresGradient)
    try a.requiringGradient()
    #expect(try withoutGradient { try withGradient(of: [a * 2], for: [a]) { _ in [] } }[0].requiresGradient == false)
  }

  @Test func errorsOfTheGradientArrive() throws {
    struct Broken: Error, CustomStringConvertible { let description = "the lamp is out" }
    let a = try Tensor([2] as [Float]).requiringGradient()
    let failing = try withGradient(of: [a], for: [a]) { _ in throw Broken() }
    let error = #expect(throws: TorchError.self) { try failing[0].sum().backward() }
    #expect(error?.description == "backward: the lamp is out")
    let short = try withGradient(of: [a], for: [a]) { _ in [] }
    #expect(throws: TorchError.self) { try short[0].sum().backward() }
    let pair = try Tensor([2, 3] as [Float]).requiringGradient()
    let misshapen = try withGradient(of: [pair], for: [pair]) { _ in [try .ones([3])] }
    #expect(throws: TorchError.self) { try misshapen[0].sum().backward() }
  }

  @Test func whatTheGradientHoldsIsLetGo() throws {
    final class Witness: Sendable {}
    weak var held: Witness?
    let a = try Tensor([2] as [Float]).requiringGradient()
    func make() throws -> Tensor {
      let witness = Witness()
      held = witness
      return try withGradient(of: [a * 3], for: [a]) { seeds in withExtendedLifetime(witness) { seeds } }[0]
    }
    var result: Tensor? = try make()
    #expect(held != nil)
    try result?.sum().backward()
    #expect(held == nil, "after the backward pass")
    #expect(throws: TorchError.self) { try result?.backward(.ones([1])) }
    result = try make()
    #expect(held != nil)
    result = nil
    #expect(held == nil, "with the last result")
  }

  /// Two nested layers of recomputation over tanh-like maps against plain recording.
  @Test func recomputationChangesNoBit() throws {
    let generator = try Generator(seed: 1)
    let x = try Tensor.randn([6, 8], generator: generator).requiringGradient()
    let weights = try (0..<3).map { _ in try Tensor.randn([8, 8], generator: generator).requiringGradient() }
    let frozen = try Tensor.randn([8, 8], generator: generator)
    @Sendable func layer(_ x: Tensor, _ w: Tensor) throws -> Tensor { try x + x.linear(w).silu().linear(frozen) }
    func gradientsOf(_ output: Tensor) throws -> [[Float]] {
      try gradients(of: [output.power(2).sum()], for: [x] + weights).map { try #require($0).array() }
    }
    let plain = try gradientsOf(weights.reduce(x) { try layer($0, $1) })
    let again = try gradientsOf(
      weights.reduce(x) { x, w in
        let (y, rows) = try recomputingActivations(x, weights: [w, frozen]) { (try layer($0, w), $0.size(0)) }
        #expect(rows == 6)
        return y
      })
    #expect(plain == again)
    // Inputs without gradients do not keep the weights from theirs.
    let constant = try x.detached()
    let (y, _) = try recomputingActivations(constant, weights: [weights[0]]) { (try layer($0, weights[0]), ()) }
    try y.sum().backward()
    #expect(try weights[0].gradient() != nil)
    #expect(try constant.gradient() == nil)
  }
}
