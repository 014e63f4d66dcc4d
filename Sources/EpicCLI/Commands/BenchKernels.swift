import ArgumentParser
import Basics
import Foundation
import Torch

/// The kernels between which the model chooses, side by side.
struct BenchKernels: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kernels", abstract: "Compare the kernels between which the model chooses, on the CPU.",
    discussion: "Example: epic bench kernels --threads 1")

  @Option(help: "Width of the matrices' rows.")
  var inputs = 768

  @Option(help: "Number of the matrices' rows.")
  var outputs = 2048

  @Option(help: "Tokens in the cache for the attention of one row.")
  var cached = 640

  @Option(help: "Numbers of weights and caches.")
  var dtype = DType.bfloat16

  @Option(help: "Sequences that attend at a time, with a cache each.")
  var sequences = 1

  @Option(help: "CPU threads; all cores unless given.")
  var threads: Int?

  func validate() throws {
    if dtype != .bfloat16 && dtype != .float32 { throw ValidationError("--dtype is \(dtype), expected bf16 or f32") }
    for (name, value) in [("inputs", inputs), ("outputs", outputs), ("cached", cached), ("sequences", sequences)]
    where !(1...1 << 16).contains(value) {
      throw ValidationError("--\(name) is \(value), expected 1...\(1 << 16)")
    }
  }

  func run() async throws {
    if let threads { Runtime.threads = threads }
    try printLine("\(Runtime.threads) threads, bfloat16 arithmetic in hardware: \(Runtime.hasNativeBFloat16 ? "yes" : "no")")
    try inference {
      try products()
      for bits in [8, 4] where inputs % QuantizedMatrix.block == 0 { try quantizedProducts(bits) }
      try attention()
    }
  }

  /// A way to do the same thing.
  private typealias Side = (name: String, body: (Tensor) throws -> Void)

  private func products() throws {
    // Enough matrices that none stays in a cache between two visits, as in a model.
    let generator = try Generator(seed: 0)
    let bytes = dtype.size * inputs * outputs
    let weights = try (0..<max(1, 160_000_000 / bytes)).map { _ in
      try Tensor.randn([outputs, inputs], generator: generator).to(dtype)
    }
    try printLine("\ny = x·wᵀ, w [\(outputs), \(inputs)], \(dtype): milliseconds; GB/s of weights for ours")
    for (number, rows) in [1, 2, 4, 8, 16, 32, 48, 64, 128, 640].enumerated() {
      let x = try Tensor.randn([rows, inputs], generator: generator).to(dtype)
      var sides: [Side] = [("libtorch", { _ = try x.linear($0) })]
      if dtype != .float32 { sides.append(("through f32", { _ = try x.to(.float32).linear($0.to(.float32)).to(self.dtype) })) }
      sides.append(("ours", { _ = try x.fewRowsLinear($0, nil) }))
      if number == 0 { try printLine(row(["rows"] + sides.map(\.name) + ["GB/s"])) }
      let times = try fastest(weights, sides.map(\.body))
      let rate = Double(bytes) / times[times.count - 1] / 1e9
      try printLine(row(["\(rows)"] + times.map { String(format: "%.3f", $0 * 1e3) } + [String(format: "%.1f", rate)]))
    }
  }

  private func quantizedProducts(_ bits: Int) throws {
    let generator = try Generator(seed: 0)
    let group = bits == 8 ? inputs : QuantizedMatrix.block
    let first = try QuantizedMatrix(
      Tensor.randn([outputs, inputs], generator: generator).to(dtype), bits: bits, group: group)
    let matrices = try (0..<max(1, 160_000_000 / first.byteCount)).map { _ in
      try QuantizedMatrix(
        bits: bits, codes: first.codes.copy(), scales: first.scales.copy(), zeros: first.zeros?.copy(), dtype: dtype)
    }
    try printLine("\nthe same in \(bits) bits: milliseconds; GB/s of codes and scales for ours")
    try printLine(row(["rows", "made dense", "ours", "GB/s"]))
    for rows in [1, 2, 4, 8, 16, 32, 64, 640] {
      let x = try Tensor.randn([rows, inputs], generator: generator).to(dtype)
      let times = try fastest(
        matrices, [{ _ = try x.linear($0.dense(self.dtype)) }, { _ = try $0.fewRowsLinear(x, nil) }])
      let rate = Double(first.byteCount) / times[1] / 1e9
      try printLine(row(["\(rows)"] + times.map { String(format: "%.3f", $0 * 1e3) } + [String(format: "%.1f", rate)]))
    }
  }

  private func attention() throws {
    let generator = try Generator(seed: 1)
    let (heads, width) = (12, 64)
    let caches = try (0..<64).map { _ in try Tensor.randn([heads, cached + 64, width], generator: generator).to(dtype) }
    let query = try Tensor.randn([sequences, heads, width], generator: generator).to(dtype)
    func each(_ cache: Tensor, _ body: (Tensor, Tensor) throws -> Void) throws {
      let keys = try cache.narrow(1, from: 0, length: cached)
      for sequence in 0..<sequences { try body(query.selected(0, sequence), keys) }
    }
    let sides: [Side] = [
      (
        "fused",
        {
          try each($0) { _ = try $0.reshaped([1, heads, 1, width]).attention($1.unsqueezed(0), $1.unsqueezed(0), causal: false) }
        }
      ),
      (
        "products",
        { try each($0) { _ = try ($0 * 0.125).reshaped([heads, 1, width]).matmul($1.transposed(1, 2)).softmax(-1).matmul($1) } }
      ),
      (
        "ours",
        { cache in
          let keys = Array(repeating: try cache.narrow(1, from: 0, length: cached), count: sequences)
          _ = try query.oneRowAttention(keys, keys)
        }
      ),
    ]
    let times = try fastest(caches, sides.map(\.body))
    try printLine(
      "\nattention of one row, \(sequences) sequences, \(heads) heads of \(width), \(cached) tokens cached, \(dtype): milliseconds"
    )
    try printLine(row([""] + sides.map(\.name)))
    try printLine(row([""] + times.map { String(format: "%.3f", $0 * 1e3) }))
  }

  /// Seconds of each side over all operands, the sides in turns, the fastest of several rounds.
  private func fastest<Operand>(_ operands: [Operand], _ sides: [(Operand) throws -> Void]) throws -> [Double] {
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
