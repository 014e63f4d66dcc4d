import Foundation
import TestSupport
import Testing
import Torch

@testable import Compression

/// Compressors that look at time, against a plain statement of their rules over lists of numbers.
@Suite struct VideoReducerTests {
  /// A video of random rows, some of whose tokens stay as they were from one frame to the next.
  private struct Film {
    let rows: [[Double]]
    let frames, cells: Int
    let hasEnd: Bool

    init(_ random: inout SplitMix, hasEnd: Bool) {
      (frames, cells) = (Int.random(in: 2...6, using: &random), [1, 2, 6, 12][Int.random(in: 0..<4, using: &random)])
      self.hasEnd = hasEnd
      var rows: [[Double]] = []
      for place in 0..<frames * cells {
        let isStill = place >= cells && Bool.random(using: &random)
        rows.append(
          isStill
            ? rows[place - cells] : (0..<5).map { _ in Double(Float(Double.random(in: -1...1, using: &random))) })
      }
      self.rows = rows
    }

    var levels: [Float] { rows.flatMap { (row: [Double]) -> [Float] in row.map { Float($0) } } }

    var layout: TokenLayout {
      let grid = TokenGrid(rows: 1, columns: cells)
      let count = frames * cells
      return TokenLayout(
        grids: Array(repeating: grid, count: frames), rowEnds: hasEnd ? [.init(place: count, row: 0..<count)] : [], isVideo: true)
    }

    /// 1 - cosine with the frame before; of the first frame 255, as vLLM writes it.
    func change(_ place: Int) -> Double {
      if place < cells { return 255 }
      let (a, b) = (rows[place], rows[place - cells])
      func product(_ x: [Double], _ y: [Double]) -> Double { zip(x, y).reduce(0) { $0 + $1.0 * $1.1 } }
      return 1 - product(a, b) / (product(a, a) * product(b, b)).squareRoot()
    }

    func kept(_ reducer: any TokenReducer, _ count: Int) throws -> [Int] {
      let all: [Float] = levels + (hasEnd ? [1, 2, 3, 4, 5] : [])
      let hidden = try Tensor(all, [layout.count, 5])
      let tokens = VisualTokens(
        site: .features, rows: SiteRows(hidden: hidden, lengths: [layout.count]), span: 0..<layout.count, layout: layout)
      var checks: [ChoiceCheck] = []
      let found = try reducer.checked([TokenChoice(count, of: tokens, generator: Generator(seed: 0))], &checks)
      return try #require(found[0]?.kept).array(Int.self)
    }
  }

  /// vLLM: a stable descending sort of all changes at once, cut at the number of tokens that are left.
  @Test(arguments: [false, true]) func evsKeepsWhatVLLMKeeps(_ hasEnd: Bool) throws {
    var random = SplitMix(seed: 5)
    for _ in 0..<40 {
      let film = Film(&random, hasEnd: hasEnd)
      let total = film.frames * film.cells
      let count = max(film.cells, Int(Double(total) * (1 - Double.random(in: 0..<1, using: &random))))
      guard count < total else { continue }
      // Changes of equal tokens differ in their last bits on the two sides.
      let changes = (0..<total).map { (film.change($0) * 1e4).rounded() }
      let order = (0..<total).sorted { (changes[$1], $0) < (changes[$0], $1) }
      let kept = try film.kept(EVS(), count)
      let own = hasEnd ? Array(kept.dropLast()) : kept
      #expect(!hasEnd || kept.last == total)
      #expect(Array(own.prefix(film.cells)) == Array(0..<film.cells))
      #expect(own.map { changes[$0] }.sorted() == order.prefix(count).map { changes[$0] }.sorted())
    }
  }

  /// TimeChat-Online: of each frame behind the first the share of the most similar tokens goes.
  @Test func dtdDropsTheSameShareOfEachFrame() throws {
    var random = SplitMix(seed: 6)
    for _ in 0..<40 {
      let film = Film(&random, hasEnd: false)
      let dropped = Int(Double(film.cells) * Double.random(in: 0..<1, using: &random))
      let count = film.frames * film.cells - (film.frames - 1) * dropped
      guard count < film.frames * film.cells else { continue }
      let kept = Set(try film.kept(DTD(), count))
      for frame in 0..<film.frames {
        let places = (frame * film.cells..<(frame + 1) * film.cells)
        let changes = places.map { (film.change($0) * 1e4).rounded() }.sorted()
        let own = places.filter { kept.contains($0) }.map { (film.change($0) * 1e4).rounded() }.sorted()
        #expect(own == Array(frame == 0 ? changes[...] : changes.dropFirst(dropped)))
      }
    }
  }

  /// In the decoder a threshold decides how many stay: all whose cosine at the decoder's input is not above it.
  @Test func dtdKeepsWhatTheThresholdLeaves() throws {
    var random = SplitMix(seed: 7)
    for _ in 0..<20 {
      let film = Film(&random, hasEnd: false)
      let threshold = Double.random(in: -0.5...0.9, using: &random)
      let total = film.frames * film.cells
      let rows = try Tensor(film.levels, [total, 5])
      // What the layers made of it is something else.
      let later = try Tensor.randn([total, 5], generator: Generator(seed: 1))
      let tokens = VisualTokens(
        site: .decoder(layer: 2), rows: SiteRows(hidden: later, lengths: [total]), span: 0..<total, layout: film.layout,
        input: DecoderInput(rows: rows, images: [0..<total]))
      let dtd = try DTD(threshold: threshold)
      let choice = TokenChoice(total / 2, of: tokens, generator: try Generator(seed: 0))
      let expected = (0..<total).filter { film.change($0) >= 1 - threshold }
      let budget = try dtd.checkedBudget(choice, later: [PlannedCount(layer: 5, count: 1)])
      #expect(budget == [2: expected.count, 5: expected.count])
      let kept = try dtd.reduce(TokenChoice(expected.count, of: tokens, generator: Generator(seed: 0))).kept?.array(Int.self)
      #expect(kept?.sorted() == expected)
    }
    #expect(throws: CompressionError.self) { try CompressionPlan("dtd:9:threshold=2@2") }
    #expect(throws: CompressionError.self) { try CompressionPlan("dtd:9:threshold=much@2") }
  }

  /// By hand: 3 frames of 3 tokens; in the second the middle one changed, in the third the last one turned round.
  @Test func aWorkedExample() throws {
    let layout = TokenLayout(grids: Array(repeating: TokenGrid(rows: 1, columns: 3), count: 3), isVideo: true)
    let rows: [Float] = [1, 0, 0, 1, 0, 2, /**/ 1, 0, 1, 0, 0, 2, /**/ 1, 0, 1, 0.1, 0, -2]
    let hidden = try Tensor(rows, [9, 2])
    let tokens = VisualTokens(site: .features, rows: SiteRows(hidden: hidden, lengths: [9]), span: 0..<9, layout: layout)
    func kept(_ reducer: any TokenReducer, _ count: Int) throws -> [Int]? {
      try reducer.reduce(TokenChoice(count, of: tokens, generator: Generator(seed: 0))).kept?.array(Int.self).sorted()
    }
    #expect(try kept(EVS(), 4) == [0, 1, 2, 8])
    #expect(try kept(EVS(), 5) == [0, 1, 2, 4, 8])
    #expect(try kept(EVS(), 6) == [0, 1, 2, 4, 7, 8])
    #expect(try kept(DTD(), 5) == [0, 1, 2, 4, 8])
    // The two frames' shares of 4 are 2 each.
    #expect(try kept(DTD(), 7) == [0, 1, 2, 3, 4, 7, 8])
    #expect(try kept(EVS(), 2) == [0, 1])
  }
}
