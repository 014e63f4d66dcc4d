import Foundation
import Imaging
import Testing
import Torch

@testable import Compression
@testable import LLaVA

/// Plain down-sampling: the grid, the interpolated positions, and what the tower then sees.
@Suite struct DownsampleTests {
  private func shrunk(_ grid: TokenGrid, to count: Int) throws -> TokenGrid {
    try CompressionPlan.Stage(Downsample(), .keep(count)).resized(TokenLayout(grid), to: count)
  }

  @Test func gridsAreTheMostNearlySquareOnes() throws {
    let grid = TokenGrid(rows: 24, columns: 24)
    let expected = [
      576: (24, 24), 256: (16, 16), 192: (12, 16), 128: (8, 16), 64: (8, 8), 36: (6, 6), 18: (3, 6), 9: (3, 3), 2: (1, 2),
    ]
    for (count, sides) in expected {
      let found = try shrunk(grid, to: count)
      #expect(found.rows == sides.0 && found.columns == sides.1, "\(count)")
    }
    let withClass = try shrunk(TokenGrid(rows: 24, columns: 24, hasClassToken: true), to: 65)
    #expect(withClass.rows == 8 && withClass.count == 65)
    #expect(throws: CompressionError.noGrid(37, usable: [36, 40])) { try shrunk(grid, to: 37) }
    #expect(throws: CompressionError.noGrid(0, usable: [1])) { try shrunk(grid, to: 0) }
  }

  /// Keys' cubic convolution with a = -0.75 at half-pixel centres, edges repeated, written out.
  private func cubic(_ values: [Double], _ size: Int) -> [Double] {
    func weight(_ x: Double) -> Double {
      let (a, x) = (-0.75, abs(x))
      if x <= 1 { return (a + 2) * x * x * x - (a + 3) * x * x + 1 }
      return x < 2 ? a * (x * x * x - 5 * x * x + 8 * x - 4) : 0
    }
    return (0..<size).map { index in
      let place = (Double(index) + 0.5) * Double(values.count) / Double(size) - 0.5
      let first = Int(place.rounded(.down))
      return (first - 1...first + 2).reduce(0) { $0 + weight(place - Double($1)) * values[min(max($1, 0), values.count - 1)] }
    }
  }

  @Test func cubicResamplingIsThatOfTheFormula() throws {
    let (rows, columns) = (5, 7)
    let values = (0..<rows * columns).map { Float(($0 * 37) % 11) - 4 }
    let found = try Tensor(values, [1, 1, rows, columns]).resizedBicubic(3, 4, antialias: false).array(Float.self)
    let wide = (0..<rows).map { row in cubic((0..<columns).map { Double(values[row * columns + $0]) }, 4) }
    let expected = (0..<4).map { column in cubic(wide.map { $0[column] }, 3) }
    for row in 0..<3 {
      for column in 0..<4 { #expect(abs(Double(found[row * 4 + column]) - expected[column][row]) < 1e-4) }
    }
  }

  @Test func theDecoderSeesAsManyTokensAndAFlatPictureStaysFlat() throws {
    let model = try LLaVAModel.random(.preset("tiny"), seed: 3)
    let plan = try CompressionPlan(Downsample(), layer: 2, .keep(6))
    #expect(try model.configuration.tokens(of: plan).decoder == [6, 6, 6, 6])
    try inference {
      let pixels = try Tensor.randn([2, 3, 56, 56], generator: Generator(seed: 1))
      func rows(_ plan: CompressionPlan) throws -> Tensor {
        try stack(model.encode([try PictureRequest(ids: [], pictures: PicturePixels.each(pixels), plan: plan)])[0].map(\.rows))
      }
      #expect(try rows(plan).shape == [2, 6, 64])
      // All patches: the tower as it is, bit for bit.
      let whole = try CompressionPlan(Downsample(), layer: 2, .keep(16))
      #expect(try rows(whole).array(Float.self) == model.visualTokens(pixels).array(Float.self))
      // A picture of one colour is that colour at any size; its average is kept otherwise.
      let small = try pixels.resizedBicubic(28, 42, antialias: true)
      #expect(try abs(small.mean().item() - pixels.mean().item()) < 0.02)
      let flat = try Tensor.full([1, 1, 56, 56], 0.7).resizedBicubic(28, 42, antialias: true)
      #expect(try (flat - 0.7).abs().max().item() < 1e-5)
    }
  }
}
