import TestSupport
import Testing
import Torch

@testable import Compression

/// Pictures of several grids whose rows have ends: the end of a row stays as long as one of its tokens does, and budgets do not count it.
@Suite struct RowEndTests {
  @Test(arguments: 0..<60) func endsFollowTheirRows(_ seed: Int) throws {
    var random = SplitMix(seed: UInt64(seed))
    let base = TokenGrid(rows: Int.random(in: 1...4, using: &random), columns: Int.random(in: 1...4, using: &random))
    let grid = TokenGrid(rows: Int.random(in: 0...5, using: &random), columns: Int.random(in: 1...6, using: &random))
    let ends = (0..<grid.rows).map { row in
      let start = base.count + row * (grid.columns + 1)
      return TokenLayout.RowEnd(place: start + grid.columns, row: start..<start + grid.columns)
    }
    let layout = TokenLayout(grids: [base, grid], rowEnds: ends)
    let (width, before, after) = (8, Int.random(in: 0...3, using: &random), Int.random(in: 1...4, using: &random))
    let generator = try Generator(seed: UInt64(seed))
    let name = ["random", "uniform", "pool", "dart"][seed % 4]
    let reducer = try ReducerRegistry.standard.reducer(name)
    var present = Array(0..<layout.count)
    var counted = layout.counted
    for _ in 0..<(name == "pool" ? 1 : 2) {
      let keep = Int.random(in: 0...counted, using: &random)
      let hidden = try Tensor.randn([before + present.count + after, width], generator: generator)
      let keys = try hidden.reshaped([-1, 2, 4])
      let rows = SiteRows(
        hidden: hidden, lengths: [hidden.size(0)],
        traces: [1: AttentionTrace(queries: keys, rowKeys: keys, keys: [try keys.transposed(0, 1)])], lastLayer: 1)
      let tokens = VisualTokens(
        site: .decoder(layer: 2), rows: rows, span: before..<before + present.count,
        patches: present.count == layout.count ? nil : try Tensor(present), layout: layout)
      var checks: [ChoiceCheck] = []
      let found = try reducer.checked([TokenChoice(keep, of: tokens, generator: generator)], &checks)[0]
      let left = try found?.kept?.array(Int.self).map { present[$0] } ?? present
      let places = Set(ends.map(\.place))
      let own = Set(left.filter { !places.contains($0) })
      #expect(left == left.sorted() && own.count == min(keep, counted), "\(name)")
      for end in ends { #expect(left.contains(end.place) == end.row.contains { own.contains($0) }, "\(name)") }
      #expect(left.count <= layout.most(keeping: own.count))
      if case .merge(_, let weights)? = found {
        // Rows of patches are means of patches, and ends are themselves.
        let table = try weights.array(Float.self)
        for (row, place) in left.enumerated() {
          let line = table[row * present.count..<(row + 1) * present.count]
          #expect(abs(line.reduce(0, +) - 1) < 1e-5)
          if places.contains(place) { #expect(line[line.startIndex + place] == 1) }
        }
      }
      (present, counted) = (left, own.count)
    }
  }

  /// Shares add up, are never more than there is, and differ from the exact proportion by less than one.
  @Test(arguments: 0..<50) func sharesAreInProportion(_ seed: Int) {
    var random = SplitMix(seed: UInt64(seed))
    let tokens = (0..<Int.random(in: 1...5, using: &random)).map { _ in Int.random(in: 0...30, using: &random) }
    let total = tokens.reduce(0, +)
    let count = Int.random(in: 0...total, using: &random)
    let shares = TokenLayout.shares(count, of: tokens)
    #expect(shares.reduce(0, +) == count)
    for (share, own) in zip(shares, tokens) {
      #expect((0...own).contains(share) && abs(Double(share) - Double(count * own) / Double(max(1, total))) < 1)
    }
  }
}
