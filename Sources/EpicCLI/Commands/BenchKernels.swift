import ArgumentParser
import Basics
import Foundation
import Torch

/// The kernels between which the model chooses, side by side.
struct BenchKernels: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kernels", abstract: "Compare the kernels between which the model chooses, in bfloat16 on the CPU.")

  @Option(help: "Width of the matrices' rows.")
  var inputs = 768

  @Option(help: "Number of the matrices' rows.")
  var outputs = 2048

  @Option(help: "Tokens in the cache for the attention of one row.")
  var cached = 640

  @Option(help: "CPU threads; all cores unless given.")
  var threads: Int?

  func validate() throws {
    for (name, value) in [("inputs", inputs), ("outputs", outputs), ("cached", cached)] where !(1...1 << 16).contains(value) {
      throw ValidationError("--\(name) is \(value), expected 1...\(1 << 16)")
    }
  }

  func run() async throws {
    if let threads { Runtime.threads = threads }
    try printLine("\(Runtime.threads) threads, bfloat16 arithmetic in hardware: \(Runtime.hasNativeBFloat16 ? "yes" : "no")")
    try inference {
      try products()
      try attention()
    }
  }

  private func products() throws {
    // Enough matrices that none stays in a cache between two visits, as in a model.
    let generator = try Generator(seed: 0)
    let count = max(1, 160_000_000 / (2 * inputs * outputs))
    let weights = try (0..<count).map { _ in try Tensor.randn([outputs, inputs], generator: generator).to(.bfloat16) }
    try printLine("\ny = x·wᵀ, w [\(outputs), \(inputs)]: milliseconds; GB/s of weights for ours")
    try printLine(row(["rows", "libtorch", "through f32", "ours", "GB/s"]))
    for rows in [1, 2, 4, 8, 16, 32, 48, 64, 128, 640] {
      let x = try Tensor.randn([rows, inputs], generator: generator).to(.bfloat16)
      let times = try fastest(
        weights,
        [
          { _ = try x.linear($0) },
          { _ = try x.to(.float32).linear($0.to(.float32)).to(.bfloat16) },
          { _ = try x.fewRowsLinear($0, nil) },
        ])
      let rate = Double(2 * inputs * outputs) / times[2] / 1e9
      try printLine(row(["\(rows)"] + times.map { String(format: "%.3f", $0 * 1e3) } + [String(format: "%.1f", rate)]))
    }
  }

  private func attention() throws {
    let generator = try Generator(seed: 1)
    let (heads, width) = (12, 64)
    let caches = try (0..<64).map { _ in try Tensor.randn([heads, cached + 64, width], generator: generator).to(.bfloat16) }
    let query = try Tensor.randn([heads, width], generator: generator).to(.bfloat16)
    let times = try fastest(
      caches,
      [
        { cache in
          let keys = try cache.narrow(1, from: 0, length: self.cached).unsqueezed(0)
          _ = try query.reshaped([1, heads, 1, width]).attention(keys, keys, causal: false)
        },
        { cache in
          let keys = try cache.narrow(1, from: 0, length: self.cached)
          _ = try (query * 0.125).reshaped([heads, 1, width]).matmul(keys.transposed(1, 2)).softmax(-1).matmul(keys)
        },
        { cache in
          let keys = try cache.narrow(1, from: 0, length: self.cached)
          _ = try query.oneRowAttention(keys, keys)
        },
      ])
    try printLine("\nattention of one row, \(heads) heads of \(width), \(cached) tokens cached: milliseconds")
    try printLine(row(["", "fused", "products", "ours"]))
    try printLine(row([""] + times.map { String(format: "%.3f", $0 * 1e3) }))
  }

  /// Seconds of each side over all operands, the sides in turns, the fastest of several rounds.
  private func fastest(_ operands: [Tensor], _ sides: [(Tensor) throws -> Void]) throws -> [Double] {
    var best = [Double](repeating: .infinity, count: sides.count)
    for _ in 0..<5 {
      for (index, side) in sides.enumerated() {
        let start = ContinuousClock.now
        for operand in operands { try side(operand) }
        best[index] = min(best[index], (ContinuousClock.now - start) / .seconds(1) / Double(operands.count))
      }
    }
    return best
  }

  private func row(_ cells: [String]) -> String {
    cells.map { $0.rightAligned(12) }.joined()
  }
}
