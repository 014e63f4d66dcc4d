import TestSupport
import Testing
import Torch

@testable import Compression

/// Choosing for all images of a batch at once is choosing for one after the other.
@Suite struct BatchChoiceTests {
  /// Images of some sizes in samples of some lengths, several to a sample, over one batch of random rows.
  private static func images(_ random: inout SplitMix, _ seed: UInt64, on device: Device = .cpu) throws -> [VisualTokens] {
    let generator = try Generator(seed: seed)
    let grids = [TokenGrid(rows: 4, columns: 5), TokenGrid(rows: 3, columns: 3)]
    var samples: [(length: Int, images: [(grid: TokenGrid, span: Range<Int>)], promptEnd: Int)] = []
    for index in 0..<Int.random(in: 2...6, using: &random) {
      var (length, images) = (Int.random(in: 0...3, using: &random), [(grid: TokenGrid, span: Range<Int>)]())
      for _ in 0..<Int.random(in: index == 0 ? 1...2 : 0...2, using: &random) {
        let grid = grids[Int.random(in: 0...1, using: &random)]
        images.append((grid, length..<length + grid.count))
        length += grid.count + Int.random(in: 0...5, using: &random)
      }
      length = max(1, length)
      let promptEnd = Int.random(in: (images.last?.span.upperBound ?? 0)...length, using: &random)
      samples.append((length, images, promptEnd))
    }
    let rows = samples.reduce(0) { $0 + $1.length }
    let hidden = try Tensor.randn([rows, 16], generator: generator).to(device)
    let queries = try Tensor.randn([rows, 4, 6], generator: generator).to(device)
    let keys = try Tensor.randn([rows, 2, 6], generator: generator).to(device)
    let lengths = samples.map(\.length)
    let trace = AttentionTrace(
      queries: queries, rowKeys: keys, keys: try keys.split(lengths).map { try $0.transposed(0, 1) })
    let batch = SiteRows(hidden: hidden, lengths: lengths, traces: [0: trace], lastLayer: 0) { try $0 * 0.5 }
    return samples.enumerated().flatMap { index, sample in
      sample.images.map { image in
        VisualTokens(
          site: .decoder(layer: 1), rows: batch, sample: index, span: image.span, visual: sample.images.map(\.span),
          promptEnd: sample.promptEnd, layout: TokenLayout(image.grid))
      }
    }
  }

  @Test(arguments: UInt64(0)..<100) func dartChoosesTheSame(_ seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    let images = try Self.images(&random, seed)
    try #require(!images.isEmpty)
    let dart = try DART(
      imagePivots: Int.random(in: 1...4, using: &random), textPivots: Int.random(in: 0...4, using: &random),
      semantics: seed % 2 == 0 ? .corrected : .reference, order: seed % 3 == 0 ? .imageThenText : .ascending)
    let choices = try images.map { image in
      // Few different counts, so that several images have the same.
      TokenChoice([1, 3, 5, 8][Int.random(in: 0...3, using: &random)], of: image, generator: try Generator(seed: seed))
    }
    let together = try dart.reduce(choices).map { try $0.kept?.array(Int.self) }
    let alone = try choices.map { try dart.reduce($0).kept?.array(Int.self) }
    #expect(together == alone)
  }

  @Test(.enabled(if: Device.cudaCount > 0, "needs a GPU"), arguments: UInt64(0)..<20)
  func aGPUChoosesAsTheCPU(_ seed: UInt64) throws {
    func kept(on device: Device) throws -> [[Int]?] {
      var random = SplitMix(seed: seed)
      let images = try Self.images(&random, seed, on: device)
      return try DART().reduce(images.map { TokenChoice(6, of: $0, generator: try Generator(seed: seed)) }).map {
        try $0.kept?.array(Int.self)
      }
    }
    #expect(try kept(on: .cuda(0)) == kept(on: .cpu))
  }
}
