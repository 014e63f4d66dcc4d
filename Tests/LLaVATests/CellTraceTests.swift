import Foundation
import TestSupport
import Testing
import Torch

@testable import Compression
@testable import LLaVA

/// Compressors of CLIP's class token on a tower of windows, whose cells become tokens behind it.
///
/// `reducers/lightcompress` was recorded by running LightCompress' own functions for Qwen2.5-VL (commit 9701d03) on random queries, keys and
/// rows, with transformers' order of windows. It belongs to this project, so these tests read it wherever other golden data lie.
@Suite struct CellTraceTests {
  struct Case: Decodable, Sendable, CustomStringConvertible {
    let id, method: String
    let grids, rows, columns: Int
    /// Rows of each window of a grid, in their order.
    let windows: [Int]
    let order: [Int]
    let dominant, contextual: Int
    let kept: [Int]
    var description: String { id }
  }

  private struct Index: Decodable { let cases: [Case] }

  private static let folder = Fixtures.bundled("reducers/lightcompress")

  static let cases = Fixtures.cases {
    try JSONDecoder().decode(Index.self, from: Data(contentsOf: folder.appending(path: "index.json"))).cases
  }

  @Test(arguments: cases) func tokensAreThoseOfLightCompress(_ golden: GoldenCase<Case>) throws {
    let own = try golden.get()
    let file = try SafetensorsFile(Self.folder.appending(path: "cases.safetensors"))
    func stored(_ name: String) throws -> Tensor { try file.tensor("\(own.id)/\(name)") }
    let cells = own.grids * own.rows * own.columns
    let trace = try CellTrace.trace(
      queries: stored("queries"), keys: stored("keys"), grids: own.grids, windows: own.windows.map { (count: 1, rows: $0) },
      rowsPerToken: 4, order: Tensor(own.order))
    // Theirs adds up over the rows that pay, and is the mean of those that are paid.
    let paid = try trace.meanAttention() * Double(cells)
    #expect(try (paid - stored("paid")).abs().max().item() < 1e-5)
    #expect(try abs(trace.meanAttention().sum().item() - 1) < 1e-5)

    let embeddings = try stored("embeddings")
    let rows = SiteRows(hidden: embeddings, lengths: [cells])
    let image = VisualTokens(
      site: .tower(layer: nil), rows: rows, span: 0..<cells,
      layout: TokenLayout(
        grids: Array(repeating: TokenGrid(rows: own.rows, columns: own.columns), count: own.grids), rowEnds: [],
        isVideo: own.grids > 1),
      tower: [-1: trace])
    let count = own.dominant + own.contextual
    let reducer: any TokenReducer =
      own.method == "visionzip" ? VisionZip(contextualShare: Double(own.contextual) / Double(count)) : VisPruner()
    var checks: [ChoiceCheck] = []
    let found = try reducer.checked([TokenChoice(count, of: image, generator: try Generator(seed: 0))], &checks)
    let reduction = try #require(found[0])
    #expect(try reduction.kept?.array(Int.self) == own.kept)
    #expect(try (reduction.applied(to: embeddings, classRow: nil) - stored("rows")).abs().max().item() < 1e-5)
  }

  /// A few rows at a time or all of them, in the order of the windows or of the picture.
  @Test(arguments: 0..<6) func attentionOfOneWindowIsThatOfATower(_ seed: Int) throws {
    let generator = try Generator(seed: UInt64(seed))
    let (tokens, area, heads, width) = (5 + 3 * seed, [1, 2, 4][seed % 3], 2, 4)
    let queries = try Tensor.randn([tokens * area, heads, width], generator: generator)
    let keys = try Tensor.randn([tokens * area, heads, width], generator: generator)
    let order = (0..<tokens).map { ($0 * 2 + 1) % tokens == $0 ? $0 : tokens - 1 - $0 }
    let permutation = Set(order).count == tokens ? order : Array(0..<tokens)
    let trace = try CellTrace.trace(
      queries: queries, keys: keys, grids: 1, windows: [(1, tokens * area)], rowsPerToken: area, order: Tensor(permutation))
    let plain = TowerTrace(
      queries: try queries.transposed(0, 1), keys: try keys.transposed(0, 1), hasClassToken: false, firstToken: 0)
    let sums = try plain.meanAttention().reshaped([tokens, area]).sum(1).rows(Tensor(permutation))
    #expect(try (trace.meanAttention() - sums).abs().max().item() < 1e-6)
    let means = try keys.reshaped([tokens, area, heads, width]).mean(1).rows(Tensor(permutation))
    #expect(try (trace.tokenKeys() - means.mean(1)).abs().max().item() < 1e-6)
  }
}
