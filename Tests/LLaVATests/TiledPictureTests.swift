import Foundation
import Testing
import Torch

@testable import Imaging
@testable import LLaVA

/// Pictures in tiles against what transformers' own processors and models made of them (`Resources/tiles/make_tiles.py`).
@Suite struct TiledPictureTests {
  private struct Index: Decodable {
    struct Case: Decodable {
      let name, family: String
      let height, width: Int
      let isAlone: Bool
    }
    let side: Int
    let canvases: [[Int]]
    let cases: [Case]
    /// Family, height, width, views and tokens.
    let sizes: [[Int]]
  }

  private let index: Index
  private let views: SafetensorsFile

  init() throws {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Resources/tiles")
    index = try JSONDecoder().decode(Index.self, from: Data(contentsOf: folder.appending(path: "tiles.json")))
    views = try SafetensorsFile(folder.appending(path: "tiles.safetensors"))
  }

  @Test func everyViewHasTheLevelsOfTransformers() throws {
    try #require(!index.cases.isEmpty)
    let canvases = index.canvases.map { PictureTiling.Size(height: $0[0], width: $0[1]) }
    for c in index.cases {
      let isNext = c.family == "llava_next"
      let tiling = PictureTiling(canvases: canvases, side: index.side, onlyAlone: !isNext)
      let size = isNext ? "{\"shortest_edge\":\(index.side)}" : "{\"height\":\(index.side),\"width\":\(index.side)}"
      let crop = isNext ? "\"crop_size\":{\"height\":\(index.side),\"width\":\(index.side)}," : "\"do_center_crop\":null,"
      let settings =
        "{\(crop)\"size\":\(size),\"do_rescale\":false,\"do_normalize\":false,\"image_grid_pinpoints\":\(index.canvases)}"
      let preprocessor = try ImagePreprocessor(
        configuration: Data(settings.utf8), name: "settings", aspect: .pad, tiling: tiling)
      let levels = (0..<c.height).flatMap { y in
        (0..<c.width).flatMap { x in (0..<3).map { UInt8(truncatingIfNeeded: x * 7 + y * 13 + $0 * 31 + x * y) } }
      }
      let picture = try RGBImage(width: c.width, height: c.height, pixels: levels)
      let found = try preprocessor.views(picture, isAlone: c.isAlone)
      let expected = try views.tensor(c.name)
      #expect(found.views.shape == expected.shape, "\(c.name)")
      #expect(found.shape == preprocessor.shape(height: c.height, width: c.width, isAlone: c.isAlone))
      #expect(try found.views.array(Float.self) == expected.to(.float32).array(Float.self), "\(c.name)")
    }
  }

  @Test func everySizeHasTheTokensOfTransformers() throws {
    try #require(!index.sizes.isEmpty)
    let models = try ["llava-next-7b", "llava-onevision-7b"].map { try LLaVAConfiguration.preset($0) }
    for row in index.sizes {
      let model = models[row[0]]
      let shape = model.shape(height: row[1], width: row[2])
      #expect(shape.views == row[3], "\(row)")
      let layout = model.layout(of: shape)
      #expect(layout.count == row[4], "\(row)")
      #expect(layout.count <= model.mostTokens(isAlone: true))
      #expect(
        layout.countedPlaces.joined().count == layout.counted && layout.rowEnds.allSatisfy { $0.row.upperBound == $0.place })
    }
  }
}
