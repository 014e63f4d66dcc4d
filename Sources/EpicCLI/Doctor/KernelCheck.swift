import Basics
import Foundation
import Torch

/// Whether this project's own kernels compute on this processor what libtorch computes.
enum KernelCheck {
  /// Compares each kernel with libtorch on random numbers.
  ///
  /// - Returns: one finding; a problem names the kernels that differ by more than rounding.
  /// - Throws: `TorchError`.
  static func finding() throws -> Finding {
    let worst = try differences()
    let wrong = worst.filter { !($0.difference <= $0.tolerance) }
    if wrong.isEmpty {
      return Finding(name: "kernels", value: "agree with libtorch (\(worst.map(\.name).joined(separator: ", ")))")
    }
    let list = wrong.map { "\($0.name) by \(String(format: "%.2g", $0.difference))" }.joined(separator: ", ")
    return Finding(
      name: "kernels", value: "differ from libtorch: \(list)", state: .problem,
      advice: "answers would be wrong on this processor; report it with this output")
  }

  /// The largest difference of each kernel, as a share of the largest number of the result.
  private static func differences() throws -> [(name: String, difference: Double, tolerance: Double)] {
    let (rows, inputs, outputs) = (3, 256, 96)
    let generator = try Generator(seed: 0)
    let x = try Tensor.randn([rows, inputs], generator: generator)
    let weights = try Tensor.randn([outputs, inputs], generator: generator)
    func difference(_ ours: Tensor, _ theirs: Tensor) throws -> Double {
      let theirs = try theirs.to(.float32)
      return try (ours.to(.float32) - theirs).abs().max().item() / theirs.abs().max().item()
    }
    return try inference {
      var found: [(name: String, difference: Double, tolerance: Double)] = []
      for (dtype, tolerance) in [(DType.float32, 1e-5), (.bfloat16, 1e-2)] {
        let (a, b) = (try x.to(dtype), try weights.to(dtype))
        let expected = try a.to(.float32).linear(b.to(.float32))
        found.append(("\(dtype) rows", try difference(a.fewRowsLinear(b, nil), expected), tolerance))
      }
      for bits in [8, 4] {
        let matrix = try QuantizedMatrix(weights, bits: bits, group: bits == 8 ? inputs : QuantizedMatrix.block)
        let expected = try x.linear(matrix.dense(.float32))
        found.append(("\(bits)-bit rows", try difference(matrix.fewRowsLinear(x, nil), expected), 1e-3))
      }
      let (heads, width, cached) = (2, 32, 40)
      let keys = try Tensor.randn([heads, cached, width], generator: generator)
      let query = try Tensor.randn([1, heads, width], generator: generator)
      let scores = try (query * (1 / Double(width).squareRoot())).reshaped([heads, 1, width]).matmul(keys.transposed(1, 2))
      let expected = try scores.softmax(-1).matmul(keys).reshaped([1, heads, width])
      found.append(("attention of a row", try difference(query.oneRowAttention([keys], [keys]), expected), 1e-4))
      return found
    }
  }
}
