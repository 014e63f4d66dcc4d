import TestSupport
import Testing
import Torch

@testable import LLaVA

/// Attention of a whole packed batch at once: where its rows lie, and, where there is a GPU, what it computes.
@Suite struct PackedAttentionTests {
  private struct Batch {
    let lengths: [Int]
    let runs: [[Range<Int>]]

    /// Some samples with some runs of rows, or all rows of each.
    init(_ random: inout some RandomNumberGenerator, all: Bool = false) {
      lengths = (0..<Int.random(in: 1...5, using: &random)).map { _ in Int.random(in: 2...90, using: &random) }
      runs = lengths.map { length in
        if all { return [0..<length] }
        let bounds = Set((0..<Int.random(in: 0...6, using: &random)).map { _ in Int.random(in: 0...length, using: &random) })
          .sorted()
        return stride(from: 0, to: bounds.count - 1, by: 2).map { bounds[$0]..<bounds[$0 + 1] }
      }
    }

    /// Rows of the batch that each query sees, straight from the definition.
    var visible: [[Int]] {
      var (start, result) = (0, [[Int]]())
      for (length, runs) in zip(lengths, runs) {
        for row in runs.joined() { result.append(Array(start...start + row)) }
        start += length
      }
      return result
    }
  }

  @Test func layoutSaysWhatEachRowSees() {
    var random = SplitMix(seed: 35)
    for index in 0..<300 {
      let batch = Batch(&random, all: index % 3 == 0)
      let layout = PackedAttention.Layout(lengths: batch.lengths, runs: batch.runs)
      let all = Array(0..<batch.lengths.reduce(0, +))
      let rows =
        layout.columns.map { columns in
          var rest = all[...]
          let pieces = columns.sizes.map { size in
            defer { rest = rest.dropFirst(size) }
            return rest.prefix(size)
          }
          #expect(rest.isEmpty)
          return columns.pieces.flatMap { pieces[$0] }
        } ?? all
      #expect(rows.count == Int(layout.keyStarts.last ?? -1))
      var found: [[Int]] = []
      for run in 0..<layout.queryStarts.count - 1 {
        let (first, count) = (Int(layout.keyStarts[run]), Int(layout.queryStarts[run + 1] - layout.queryStarts[run]))
        let columns = Int(layout.keyStarts[run + 1]) - first
        // As the kernel does: the last row sees all columns, the one before it one less.
        for row in 0..<count { found.append(Array(rows[first..<first + columns - count + 1 + row])) }
      }
      #expect(found == batch.visible)
      #expect(layout.columns == nil || index % 3 != 0)
    }
  }

  @Test func onlyWhereThereIsAKernel() throws {
    #expect(try PackedAttention(lengths: [3], runs: [[0..<3]], headDimension: 64, .bfloat16, on: .cpu) == nil)
  }

  @Test(.enabled(if: Device.cudaCount > 0, "needs a GPU"), arguments: [(4, 4, 64), (6, 2, 24), (8, 1, 128)])
  func equalsAttentionSampleBySample(heads: Int, groups: Int, width: Int) throws {
    var random = SplitMix(seed: 69)
    let device = Device.cuda(0)
    for index in 0..<20 {
      let batch = Batch(&random, all: index % 2 == 0)
      guard
        let packed = try PackedAttention(
          lengths: batch.lengths, runs: batch.runs, headDimension: width, .bfloat16, on: device)
      else {
        #expect(!batch.runs.contains { !$0.isEmpty })
        continue
      }
      let (rows, all) = (batch.visible.count, batch.lengths.reduce(0, +))
      func noise(_ shape: [Int]) throws -> Tensor { try Tensor.randn(shape).to(.bfloat16).to(device).requiringGradient() }
      let (q, k, v) = try (noise([rows, heads, width]), noise([all, groups, width]), noise([all, groups, width]))
      let seed = try Tensor.randn([rows, heads * width]).to(.bfloat16).to(device)
      var (first, start, pieces) = (0, 0, [Tensor]())
      for (length, runs) in zip(batch.lengths, batch.runs) {
        for run in runs {
          func seen(_ t: Tensor) throws -> Tensor { try t.narrow(0, from: start, length: run.upperBound).transposed(0, 1) }
          pieces.append(try attend(q.narrow(0, from: first, length: run.count), seen(k), seen(v)))
          first += run.count
        }
        start += length
      }
      let (own, expected) = (try packed(q, k, v), try concatenate(pieces))
      func distance(_ a: Tensor, _ b: Tensor) throws -> Double { try (a.to(.float32) - b.to(.float32)).abs().max().item() }
      let difference = try distance(own, expected)
      #expect(difference < 0.03)
      let gradients = try [own, expected].map { try Torch.gradients(of: [$0], seeds: [seed], for: [q, k, v]) }
      for (a, b) in zip(gradients[0], gradients[1]) {
        let (a, b) = (try #require(a), try #require(b))
        let largest = try b.to(.float32).abs().max().item()
        let difference = try distance(a, b)
        #expect(difference < 0.02 * max(1, largest))
      }
    }
  }
}
