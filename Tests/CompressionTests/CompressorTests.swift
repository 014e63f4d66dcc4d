import TestSupport
import Testing
import Torch

@testable import Compression

/// Compressors, grids and plans one by one, against closed forms.
@Suite struct CompressorTests {
  /// An image of `grid` between text rows, with random states of a layer.
  private func tokens(_ grid: TokenGrid, before: Int = 3, after: Int = 6, promptEnd: Int? = nil, seed: UInt64) throws
    -> VisualTokens
  {
    let rows = before + grid.count + after
    let generator = try Generator(seed: seed)
    let hidden = try Tensor.randn([rows, 8], generator: generator)
    let trace = AttentionTrace(
      queries: try .randn([rows, 4, 6], generator: generator), rowKeys: nil,
      keys: [try .randn([2, rows, 6], generator: generator)])
    let state = SiteRows(hidden: hidden, lengths: [rows], traces: [1: trace], lastLayer: 1)
    let span = before..<before + grid.count
    return VisualTokens(site: .decoder(layer: 2), rows: state, span: span, promptEnd: promptEnd, layout: TokenLayout(grid))
  }

  private func kept(_ reducer: any TokenReducer, _ count: Int, _ tokens: VisualTokens, seed: UInt64 = 0) throws -> [Int] {
    let found = try reducer.reduce(TokenChoice(count, of: tokens, generator: Generator(seed: seed)))
    return try #require(found.kept).array(Int.self)
  }

  // MARK: Counts

  @Test func countsAreTheReferencesCounts() throws {
    let dart = try DART()
    for (ratio, count) in [
      (0, 576), (0.1, 516), (0.2, 460), (0.556, 252), (0.667, 188), (0.778, 124), (0.889, 60), (0.9, 60), (0.9375, 36), (1, 4),
    ] { #expect(dart.count(ratio: ratio, of: 576) == count) }
    for (ratio, count) in [(0, 576), (0.1, 518), (0.2, 460), (0.778, 127), (0.889, 63), (0.9, 57), (1, 0)] {
      #expect(FastV().count(ratio: ratio, of: 576) == count)
      #expect(RandomChoice().count(ratio: ratio, of: 576) == count)
      #expect(Uniform().count(ratio: ratio, of: 576) == count)
      #expect(AveragePool().count(ratio: ratio, of: 576) == count)
    }
  }

  // MARK: DART

  /// The definition, written with sorting and Swift arrays.
  @Test(arguments: UInt64(0)..<200) func dartFollowsItsDefinition(_ seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    let grid = TokenGrid(rows: Int.random(in: 1...5, using: &random), columns: Int.random(in: 2...6, using: &random))
    let after = Int.random(in: 0...6, using: &random)
    let tokens = try tokens(grid, after: after, seed: seed)
    let dart = try DART(
      imagePivots: Int.random(in: 1...4, using: &random), textPivots: Int.random(in: 0...4, using: &random))
    let count = Int.random(in: 1..<grid.count, using: &random)
    let norms = try tokens.rows.keyNorms().array(Float.self)
    let hidden = try (0..<tokens.rows.count(of: 0)).map {
      try tokens.rows.hidden.selected(0, $0).array(Float.self).map(Double.init)
    }
    func cosine(_ a: Int, _ b: Int) -> Double {
      let dot = zip(hidden[a], hidden[b]).map(*).reduce(0, +)
      func length(_ v: [Double]) -> Double { v.map { $0 * $0 }.reduce(0, +).squareRoot() }
      return dot / (length(hidden[a]) * length(hidden[b]))
    }
    let image = tokens.span.sorted { norms[$0] > norms[$1] }.prefix(min(dart.imagePivots, count))
    // Without text after the image, the text before it.
    let texts = after > 0 ? Array(tokens.span.upperBound..<tokens.rows.count(of: 0)) : Array(0..<3)
    let text = texts.sorted { norms[$0] > norms[$1] }.prefix(dart.textPivots)
    let pivots = (Array(image) + text).sorted()
    var expected = Set(image)
    let rest = count - image.count
    for (turn, pivot) in pivots.enumerated() {
      let quota = rest / pivots.count + (turn < rest % pivots.count ? 1 : 0)
      let free = tokens.span.filter { !expected.contains($0) }.sorted { cosine(pivot, $0) < cosine(pivot, $1) }
      expected.formUnion(free.prefix(quota))
    }
    #expect(try Set(kept(dart, count, tokens).map { $0 + tokens.span.lowerBound }) == expected)
    #expect(expected.count == count)
  }

  @Test func anImageWithoutAnyTextIsNoTrouble() throws {
    let tokens = try tokens(TokenGrid(rows: 3, columns: 3), before: 0, after: 0, seed: 1)
    for name in ["dart", "fastv", "random", "uniform"] {
      #expect(try Set(kept(ReducerRegistry.standard.reducer(name), 4, tokens)).count == 4, "\(name)")
    }
  }

  // MARK: FastV

  @Test(arguments: UInt64(0)..<50) func fastVKeepsWhatTheLastInstructionTokenLooksAt(_ seed: UInt64) throws {
    let grid = TokenGrid(rows: 3, columns: 4)
    let (promptEnd, rows) = (17, 21)
    let tokens = try tokens(grid, promptEnd: promptEnd, seed: seed)
    let corrected = try tokens.rows.attention(of: promptEnd - 1, in: 0).array(Float.self)
    let reference = try tokens.rows.attention(of: rows - 1, in: 0).array(Float.self)
    for (semantics, scores) in [(CompressionSemantics.corrected, corrected), (.reference, reference)] {
      let best = tokens.span.sorted { scores[$0] > scores[$1] }.prefix(5)
      #expect(try Set(kept(FastV(semantics: semantics), 5, tokens).map { $0 + 3 }) == Set(best))
    }
    // A probability: what the row sees adds up to one, the future gets nothing.
    #expect(abs(corrected[..<promptEnd].reduce(0, +) - 1) < 1e-5 && corrected[promptEnd...].allSatisfy { $0 == 0 })
  }

  // MARK: Random

  @Test func everyTokenIsDrawnEquallyOften() throws {
    let tokens = try tokens(TokenGrid(rows: 4, columns: 4), seed: 0)
    var counts = [Int](repeating: 0, count: 16)
    for seed in 0..<2000 { for index in try kept(RandomChoice(), 4, tokens, seed: UInt64(seed)) { counts[index] += 1 } }
    // 500 each are expected; five standard deviations are 97.
    #expect(counts.allSatisfy { abs($0 - 500) < 97 }, "\(counts)")
    #expect(try kept(RandomChoice(), 4, tokens, seed: 7) == kept(RandomChoice(), 4, tokens, seed: 7))
  }

  // MARK: Grids

  @Test(arguments: 0..<300) func regionsCoverTheGridOnce(_ seed: Int) throws {
    var random = SplitMix(seed: UInt64(seed))
    let grid = TokenGrid(rows: Int.random(in: 1...24, using: &random), columns: Int.random(in: 1...24, using: &random))
    let count = Int.random(in: 0...grid.patches, using: &random)
    let regions = grid.regions(count)
    #expect(regions.count == count)
    var covered = [Int](repeating: 0, count: grid.patches)
    for region in regions {
      for row in region.rows { for column in region.columns { covered[row * grid.columns + column] += 1 } }
    }
    if count > 0 { #expect(covered.allSatisfy { $0 == 1 }) }
    // Nearly equal: no side differs by more than one patch, or one part, from what even division gives.
    let heights = Set(regions.map(\.rows.count))
    #expect((heights.max() ?? 0) - (heights.min() ?? 0) <= 1)
  }

  @Test func evenNumbersGiveSquares() {
    let grid = TokenGrid(rows: 24, columns: 24)
    for (count, side) in [(64, 3), (144, 2), (36, 4), (9, 8), (4, 12), (1, 24), (576, 1)] {
      #expect(grid.regions(count).allSatisfy { $0.rows.count == side && $0.columns.count == side }, "\(count)")
    }
  }

  @Test func uniformTakesTheMiddleOfEachSquare() throws {
    let grid = TokenGrid(rows: 6, columns: 6)
    #expect(try kept(Uniform(), 4, tokens(grid, seed: 0)) == [7, 10, 25, 28])
    let classed = TokenGrid(rows: 6, columns: 6, hasClassToken: true)
    #expect(try kept(Uniform(), 5, tokens(classed, seed: 0)) == [0, 8, 11, 26, 29])
    #expect(try kept(Uniform(), 1, tokens(classed, seed: 0)) == [0])
  }

  @Test func aSecondUniformCutTakesTheNearestThatAreLeft() throws {
    let grid = TokenGrid(rows: 6, columns: 6)
    let state = try tokens(grid, seed: 0).rows
    // Left: the four corners and the middle (2, 2).
    let left = VisualTokens(
      site: .decoder(layer: 2), rows: state, span: 3..<8, promptEnd: 9, patches: try Tensor([0, 5, 14, 30, 35]),
      layout: TokenLayout(grid))
    #expect(try kept(Uniform(), 1, left) == [2])
    #expect(try Set(kept(Uniform(), 4, left)).count == 4)
  }

  @Test(arguments: 0..<60) func poolingAverages(_ seed: Int) throws {
    var random = SplitMix(seed: UInt64(seed))
    let side = [2, 3, 4, 6][seed % 4]
    let cells = Int.random(in: 1...3, using: &random)
    let grid = TokenGrid(rows: side * cells, columns: side * cells)
    let features = try Tensor.randn([2, grid.count, 5], generator: Generator(seed: UInt64(seed)))
    func pool(_ count: Int) throws -> Tensor {
      try stack(
        (0..<2).map { image in
          let rows = SiteRows(hidden: try features.selected(0, image), lengths: [grid.count])
          let tokens = VisualTokens(site: .tower(layer: nil), rows: rows, span: 0..<grid.count, layout: TokenLayout(grid))
          return try AveragePool().reduce(TokenChoice(count, of: tokens, generator: Generator(seed: 0))).applied(
            to: tokens.hidden())
        })
    }
    let pooled = try pool(cells * cells)
    let images = try features.transposed(1, 2).reshaped([2, 5, grid.rows, grid.columns])
    let expected = try Operator("aten::avg_pool2d")(.tensor(images), .ints([side, side])).reshaped([2, 5, -1]).transposed(1, 2)
    #expect(try distance(pooled, expected) < 1e-6)
    // Any number keeps the mean of all patches, each weighted by the area that it stands for.
    let count = Int.random(in: 1...grid.patches, using: &random)
    let areas = grid.regions(count).map { Float($0.rows.count * $0.columns.count) / Float(grid.patches) }
    let total = try Tensor(areas, [1, count]).matmul(pool(count))
    #expect(try distance(total, features.mean(1, keepingDimension: true)) < 1e-5)
  }

  // MARK: Plans and names

  @Test func plansAreChecked() throws {
    func drop(_ cuts: CompressionPlan.Cut...) throws -> CompressionPlan { try CompressionPlan(Uniform(), cuts: cuts) }
    for bad in [
      { try drop(.init(layer: 2, .ratio(-0.1))) }, { try drop(.init(layer: 2, .ratio(1.1))) },
      { try drop(.init(layer: 2, .ratio(.nan))) }, { try drop(.init(layer: 2, .keep(-1))) },
      { try drop(.init(layer: 2, .keep(9)), .init(layer: 2, .keep(4))) },
      { try drop(.init(layer: 2, .keep(4)), .init(layer: 3, .keep(9))) },
      { try CompressionPlan(AveragePool(), cuts: [.init(layer: 2, .keep(9)), .init(layer: 3, .keep(4))]) },
    ] as [() throws -> CompressionPlan] {
      #expect(throws: CompressionError.self) { try bad() }
    }
    for layer in [0, -1, 5] {
      let error = #expect(throws: CompressionError.self) {
        try drop(.init(layer: layer, .keep(4))).resolve(imageTokens: [[16]], layers: 4)
      }
      #expect(error == .layer(layer, allowed: 1...4))
    }
    let error = #expect(throws: CompressionError.self) {
      try drop(.init(layer: 1, .keep(17))).resolve(imageTokens: [[16]], layers: 4)
    }
    #expect(error == .keep(17, available: 16))
    #expect(throws: CompressionError.self) {
      try drop(.init(layer: 1, .ratio(0.9)), .init(layer: 2, .keep(8))).resolve(imageTokens: [[16]], layers: 4)
    }
    let two = try drop(.init(layer: 1, .keep(16)), .init(layer: 3, .keep(0))).resolve(imageTokens: [[16, 16], []], layers: 4)
    #expect(two.map(\.layer) == [3] && two.map(\.counts) == [[[0, 0], []]], "a cut that drops nothing is left out")
  }

  @Test func unknownNamesListTheKnownOnes() throws {
    let error = #expect(throws: CompressionError.self) { try ReducerRegistry.standard.reducer("drat") }
    #expect(
      error?.description == "there is no compressor drat; known are \(ReducerRegistry.standard.names.joined(separator: ", "))")
    #expect(ReducerRegistry.standard.names.contains("visionzip"))
    #expect(throws: CompressionError.self) { try DART(imagePivots: 0) }
    #expect(throws: CompressionError.self) { try DART(textPivots: -1) }
  }
}
