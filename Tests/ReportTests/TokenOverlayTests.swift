import Compression
import Imaging
import Report
import Testing

@Suite struct TokenOverlayTests {
  private let grid = TokenGrid(rows: 4, columns: 3)
  /// 36 × 48 pixels: 12 to a patch.
  private let picture: RGBImage

  init() throws { picture = try RGBImage(width: 36, height: 48, pixels: Array(repeating: 200, count: 36 * 48 * 3)) }

  private func middle(_ image: RGBImage, _ row: Int, _ column: Int) -> UInt8 {
    image.pixels[3 * ((12 * row + 6) * 36 + 12 * column + 6)]
  }

  @Test func whatIsKeptKeepsItsColourAndTheRestIsDarker() throws {
    let drawn = try TokenOverlay(grid, keptIndices: [[0, 4, 5, 11], [4, 11]]).drawn(on: picture)
    for patch in 0..<12 {
      let found = middle(drawn, patch / 3, patch % 3)
      #expect(found == ([4, 11].contains(patch) ? 200 : [0, 5].contains(patch) ? 100 : 44), "\(patch)")
    }
  }

  @Test func aClassTokenIsNoPatch() throws {
    let grid = TokenGrid(rows: 4, columns: 3, hasClassToken: true)
    let drawn = try TokenOverlay(grid, keptIndices: [[0, 3]]).drawn(on: picture)
    for patch in 0..<12 { #expect(middle(drawn, patch / 3, patch % 3) == (patch == 2 ? 200 : 44)) }
  }

  @Test func nothingDroppedChangesNothing() throws {
    #expect(try TokenOverlay(grid, keptIndices: []).drawn(on: picture) == picture)
    #expect(try TokenOverlay(grid, keptIndices: [Array(0..<12)]).drawn(on: picture) == picture)
    #expect(try TokenOverlay(grid, pooledTo: 12).drawn(on: picture) == picture)
  }

  @Test func poolingDrawsTheRegions() throws {
    let drawn = try TokenOverlay(grid, pooledTo: 2).drawn(on: picture)
    #expect(drawn != picture)
    for patch in 0..<12 { #expect(middle(drawn, patch / 3, patch % 3) == 200) }
    // Two regions of two rows each: the line is between the second and the third.
    let coloured = Set((0..<48).filter { y in drawn.pixels[3 * (y * 36 + 18) + 2] == 0 })
    #expect(coloured == [24])
  }

  @Test func picturesStandSideBySide() throws {
    let small = try RGBImage(width: 1, height: 2, pixels: [1, 2, 3, 4, 5, 6])
    let joined = try RGBImage.sideBySide([small, small], gap: 1)
    #expect(joined.pixels == [1, 2, 3, 255, 255, 255, 1, 2, 3, 4, 5, 6, 255, 255, 255, 4, 5, 6])
  }
}
