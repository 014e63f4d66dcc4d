import Compression
import Imaging
import LLaVA
import Language
import TestModels
import TestSupport
import Testing
import Torch

// Compressor begins
/// Keeps the tokens that differ most from the mean of their image.
struct Distinct: TokenReducer {
  func reduce(_ choice: TokenChoice) throws -> Reduction {
    let rows = try choice.tokens.hidden().to(.float32)
    let distances = try (rows - rows.mean(0)).norm(2, -1)
    return .keep(try distances.top(choice.count).indices)
  }
}
// Compressor ends

/// The compressor of the documentation, as it stands there, on a tiny model.
@Suite struct DocumentedCompressorTests {
  @Test func theDocumentedCompressorRuns() throws {
    let model = try TestModel.tiny(seed: 4)
    let pixels = try Tensor.randn([1, 3, 56, 56], generator: Generator(seed: 1))
    let request = try GenerationRequest(ids: [1, imagePlaceholderID, 7, 8, 9], pictures: PicturePixels.each(pixels))

    // Use begins
    var registry = ReducerRegistry.standard
    registry["distinct"] = .init { _ in Distinct() }

    var options = GenerationOptions()
    options.compression = try CompressionPlan("distinct:6@2", registry: registry)
    let (results, _) = try model.generate([request], options)
    print(results[0].cuts[0].keptIndices)  // of each image
    // Use ends

    for part in ["Compressor", "Use"] {
      #expect(
        try DocumentedExample.missingLines(of: part, in: "Documentation/Epic.docc/AddCompressor.md", source: #filePath) == [])
    }
    #expect(results[0].cuts[0].keptIndices == [try expected(model, pixels)])
    #expect(registry.names == (ReducerRegistry.standard.names + ["distinct"]).sorted())
  }

  /// The same choice by plain arithmetic, on the rows that the first two layers leave.
  private func expected(_ model: LLaVAModel, _ pixels: Tensor) throws -> [Int] {
    try inference {
      let visual = try model.visualTokens(pixels)
      let text = try model.decoder.embedding.embedding(Tensor([1, 7, 8, 9]))
      let hidden = try concatenate([
        text.narrow(0, from: 0, length: 1), visual.selected(0, 0), text.narrow(0, from: 1, length: 3),
      ])
      let batch = PackedBatch(hidden: hidden, positions: try Positions(.arange(0, 20), next: [20]), lengths: [20])
      let width = model.configuration.text.hiddenSize
      let values = try model.decoder.run(layers: 0..<2, batch).hidden.array(Float.self)
      let rows = (1..<17).map { Array(values[$0 * width..<($0 + 1) * width]) }
      let mean = (0..<width).map { column in rows.reduce(0) { $0 + $1[column] } / 16 }
      let distances = rows.map { zip($0, mean).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } }
      return distances.indices.sorted { distances[$0] > distances[$1] }.prefix(6).sorted()
    }
  }
}
