import Foundation
import Testing

@testable import Torch

/// Every operation of `Tensor` against numbers worked out by hand, so that an argument in the wrong place shows.
@Suite struct TensorOperationTests {
  private let a: Tensor
  private let b: Tensor

  init() throws {
    a = try Tensor([1, -2, 3, 4, 0, -6] as [Float], [2, 3])
    b = try Tensor([2, 2, -1, 0.5, 1, 3] as [Float], [2, 3])
  }

  private func expect(_ found: Tensor, _ values: [Float], _ shape: [Int]? = nil, line: Int = #line) throws {
    let array = try found.to(.float32).array(Float.self)
    let near = array.count == values.count && zip(array, values).allSatisfy { abs($0 - $1) <= 1e-5 * max(1, abs($1)) || $0 == $1 }
    #expect(near, "line \(line): \(array), expected \(values)")
    if let shape { #expect(found.shape == shape, "line \(line)") }
  }

  @Test func arithmetic() throws {
    try expect(a + b, [3, 0, 2, 4.5, 1, -3])
    try expect(a - b, [-1, -4, 4, 3.5, -1, -9])
    try expect(a * b, [2, -4, -3, 2, 0, -18])
    try expect(b / a.clamped(1, nil), [2, 2, -1.0 / 3, 0.125, 1, 3])
    try expect(a + 1, [2, -1, 4, 5, 1, -5])
    try expect(a - 1, [0, -3, 2, 3, -1, -7])
    try expect(a * 2, [2, -4, 6, 8, 0, -12])
    try expect(a / 2, [0.5, -1, 1.5, 2, 0, -3])
    try expect(-a, [-1, 2, -3, -4, 0, 6])
    try expect(a + Tensor([10, 20, 30] as [Float]), [11, 18, 33, 14, 20, 24])
    let own = try a.copy()
    try own.addInPlace(b)
    try own.multiplyInPlace(by: 2)
    try expect(own, [6, 0, 4, 9, 2, -6])
    try own.multiplyInPlace(by: Tensor([2, -1] as [Float], [2, 1]))
    try expect(own, [12, 0, 8, -9, -2, 6])
    try own.addProductInPlace(Tensor([1, 2] as [Float], [2, 1]), Tensor([1, 0, -3] as [Float], [1, 3]))
    try expect(own, [13, 0, 5, -7, -2, 0])
    try own.scatterAddInPlace(1, Tensor([2, 0], [2, 1]), Tensor([1, 2] as [Float], [2, 1]))
    try expect(own, [13, 0, 6, -5, -2, 0])
    // g - p · Σ g for p = (1/4, 3/4) and g = (1, 3).
    let logs = try Tensor([0.25, 0.75] as [Float], [1, 2]).log()
    try expect(Tensor([1, 3] as [Float], [1, 2]).throughLogSoftmax(logs), [0, 0])
    try expect(Tensor([2, 2] as [Float], [1, 2]).throughLogSoftmax(logs), [1, -1])
    try expect(a, [1, -2, 3, 4, 0, -6])
  }

  @Test func functions() throws {
    let x = try Tensor([0.5, 2] as [Float])
    try expect(x.exp(), [1.6487213, 7.389056])
    try expect(x.log(), [-0.6931472, 0.6931472])
    try expect(x.cos(), [0.87758255, -0.41614684])
    try expect(x.sin(), [0.47942555, 0.9092974])
    try expect(x.rsqrt(), [1.4142135, 0.70710677])
    try expect(x.sigmoid(), [0.62245935, 0.880797])
    try expect(x.power(3), [0.125, 8])
    try expect(x.gelu(), [0.34573123, 1.9544997])
    try expect(x.silu(), [0.31122968, 1.761594])
    try expect(a.abs(), [1, 2, 3, 4, 0, 6])
    try expect(a.clamped(-1, 2), [1, -1, 2, 2, 0, -1])
    try expect(a.clamped(nil, 0), [0, -2, 0, 0, 0, -6])
    try expect(Tensor([0.5, 1.5, -2.5, 0.6] as [Float]).rounded(), [0, 2, -2, 1])
  }

  @Test func comparisons() throws {
    try expect(a.equals(0), [0, 0, 0, 0, 1, 0])
    try expect(a.isLess(than: b), [1, 1, 0, 0, 1, 1])
    try expect(a.isAtLeast(b), [0, 0, 1, 1, 0, 0])
    try expect(a.selected(where: a.isLess(than: b), else: b), [1, -2, -1, 0.5, 0, -6])
    try expect(a.filled(where: a.equals(3), with: 9), [1, -2, 9, 4, 0, -6])
    try expect(Tensor([1, .infinity, .nan] as [Float]).isFinite(), [1, 0, 0])
    #expect(try a.isFinite().all())
    #expect(try a.equals(3).all() == false)
    #expect(try a.equals(3).nonzero().array(Int.self) == [0, 2])
  }

  @Test func shapes() throws {
    try expect(a.reshaped([3, -1]), [1, -2, 3, 4, 0, -6], [3, 2])
    try expect(a.transposed(0, 1), [1, 4, -2, 0, 3, -6], [3, 2])
    try expect(a.reshaped([1, 2, 3]).permuted([2, 0, 1]), [1, 4, -2, 0, 3, -6], [3, 1, 2])
    try expect(a.unsqueezed(1), [1, -2, 3, 4, 0, -6], [2, 1, 3])
    try expect(a.unsqueezed(1).squeezed(1), [1, -2, 3, 4, 0, -6], [2, 3])
    try expect(a.narrow(1, from: 1, length: 2), [-2, 3, 0, -6], [2, 2])
    try expect(a.selected(0, 1), [4, 0, -6], [3])
    try expect(a.split([1, 2], 1)[1], [-2, 3, 0, -6], [2, 2])
    try expect(a.rows(Tensor([1, 0, 1])), [4, 0, -6, 1, -2, 3, 4, 0, -6], [3, 3])
    try expect(a.rows(Tensor([2]), 1), [3, -6], [2, 1])
    try expect(a.gathered(1, Tensor([2, 0], [2, 1])), [3, 4], [2, 1])
    try expect(a.scattered(1, Tensor([2, 0], [2, 1]), Tensor([7, 8] as [Float], [2, 1])), [1, -2, 7, 8, 0, -6])
    try expect(a.selected(0, 0).repeatedInterleaved(2, 0), [1, 1, -2, -2, 3, 3])
    try expect(a.narrow(0, from: 0, length: 1).expanded([2, -1]), [1, -2, 3, 1, -2, 3], [2, 3])
    try expect(concatenate([a, b], 1), [1, -2, 3, 2, 2, -1, 4, 0, -6, 0.5, 1, 3], [2, 6])
    try expect(stack([a.selected(0, 0), b.selected(0, 0)], 1), [1, 2, -2, 2, 3, -1], [3, 2])
    let target = try Tensor.zeros([2, 3], .bfloat16)
    try target.copyInPlace(from: a)
    try expect(target, [1, -2, 3, 4, 0, -6])
    let turned = try a.transposed(0, 1)
    #expect(!turned.isContiguous)
    #expect(try turned.contiguous().isContiguous)
  }

  @Test func reductions() throws {
    try expect(a.sum(), [0])
    try expect(a.sum(0), [5, -2, -3])
    try expect(a.mean(), [0])
    try expect(a.mean(1, keepingDimension: true), [2.0 / 3, -2.0 / 3], [2, 1])
    try expect(a.max(), [4])
    try expect(a.argmax(), [2, 0])
    try expect(a.top(2, largest: false).values, [-2, 1, -6, 0])
    try expect(a.sorted(descending: true).values, [3, 1, -2, 4, 0, -6])
    try expect(a.sorted().indices, [1, 0, 2, 2, 1, 0])
    try expect(a.cumulativeSum(), [1, -1, 2, 4, 4, -2])
    try expect(a.norm(1), [6, 10])
    try expect(a.norm(2, 0), [4.1231055, 2, 6.708204])
  }

  @Test func factories() throws {
    try expect(Tensor.arange(2, 5), [2, 3, 4])
    try expect(Tensor.full([2], 1.5), [1.5, 1.5])
    #expect(try Tensor.empty([3, 0], .int64).shape == [3, 0])
    let drawn = try Tensor.randint(3..<5, [200], generator: Generator(seed: 1)).array(Int.self)
    #expect(Set(drawn) == [3, 4])
    let uniform = try Tensor.rand([1000], generator: Generator(seed: 1)).array(Float.self)
    #expect(uniform.allSatisfy { (0..<1).contains($0) } && abs(uniform.reduce(0, +) / 1000 - 0.5) < 0.05)
    let normal = try Tensor.randn([2000], generator: Generator(seed: 1))
    let (mean, square) = try (normal.mean().item(), normal.power(2).mean().item())
    #expect(abs(mean) < 0.1 && abs(square - 1) < 0.1)
    #expect(try Tensor([0, 1, 0] as [Float]).multinomial(1).item() == 1)
  }

  @Test func networks() throws {
    try expect(a.matmul(b.transposed(0, 1)), [-5, 7.5, 14, -16], [2, 2])
    try expect(a.linear(b, Tensor([1, 2] as [Float])), [-4, 9.5, 15, -14])
    try expect(a.embedding(Tensor([1, 1, 0])), [4, 0, -6, 4, 0, -6, 1, -2, 3], [3, 3])
    let ones = try Tensor.ones([3])
    try expect(
      a.rmsNorm(ones, epsilon: 0),
      [1, -2, 3].map { $0 / Float(14.0 / 3).squareRoot() } + [4, 0, -6].map { $0 / Float(52.0 / 3).squareRoot() })
    let centred: [Float] = [1.0 / 3, -8.0 / 3, 7.0 / 3]
    let deviation = (centred.map { $0 * $0 }.reduce(0, +) / 3).squareRoot()
    try expect(a.layerNorm(ones, ones, epsilon: 0).selected(0, 0), centred.map { $0 / deviation + 1 })
    let exponentials = [1, -2, 3].map { Float(exp(Double($0))) }
    let total = exponentials.reduce(0, +)
    try expect(a.softmax().selected(0, 0), exponentials.map { $0 / total })
    try expect(a.logSoftmax().selected(0, 0), exponentials.map { log($0 / total) })
    let loss = try a.crossEntropy(Tensor([2, -100]))
    try expect(loss, [-log(exponentials[2] / total)])
    try expect(Tensor.ones([2, 3]).upperTriangle(1), [0, 1, 1, 0, 0, 1])
  }
}
