import Foundation
import Testing
import Torch

@testable import Compression
@testable import Imaging
@testable import LLaVA

/// Pictures of their own resolution against what transformers' processor made of them (`Resources/native/make_native.py`).
@Suite struct NativePictureTests {
  private struct Index: Decodable {
    let patch, merge, least, most: Int
    let cases: [[Int]]
    /// Height and width before and after.
    let sizes: [[Int]]
  }

  private let index: Index
  private let patches: SafetensorsFile

  init() throws {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Resources/native")
    index = try JSONDecoder().decode(Index.self, from: Data(contentsOf: folder.appending(path: "native.json")))
    patches = try SafetensorsFile(folder.appending(path: "native.safetensors"))
  }

  @Test func everyPatchHasTheLevelsOfTransformers() throws {
    try #require(!index.cases.isEmpty)
    var configuration = try LLaVAConfiguration.preset("tiny-qwen2.5-vl")
    let resolution = NativeResolution(multiple: index.patch * index.merge, minimumPixels: index.least, maximumPixels: index.most)
    configuration.vision.patchSize = index.patch
    configuration.windowed?.resolution = resolution
    let windowed = try #require(configuration.windowed)
    let tower = try WindowedTower(ParameterScope(RandomParameters(seed: 0)) / "tower", configuration.vision, windowed)
    let settings =
      #"{"do_rescale":false,"do_normalize":false,"size":{"shortest_edge":\#(index.least),"longest_edge":\#(index.most)}}"#
    let preprocessor = try ImagePreprocessor(
      configuration: Data(settings.utf8), name: "settings", aspect: .pad, resolution: resolution)
    for size in index.cases {
      let levels = (0..<size[0]).flatMap { y in
        (0..<size[1]).flatMap { x in (0..<3).map { UInt8(truncatingIfNeeded: x * 7 + y * 13 + $0 * 31 + x * y) } }
      }
      let found = try preprocessor.views(RGBImage(width: size[1], height: size[0], pixels: levels), isAlone: true)
      let rows = try tower.patchRows(found.views)
      let expected = try patches.tensor("\(size[0])x\(size[1])")
      #expect(rows.shape == expected.shape && found.shape == configuration.shape(height: size[0], width: size[1]))
      #expect(try rows.array(Float.self) == expected.to(.float32).array(Float.self), "\(size)")
    }
    let narrow = try RGBImage(width: 401, height: 2, pixels: Array(repeating: 0, count: 3 * 802))
    #expect(throws: ImagingError.tooNarrow(width: 401, height: 2, ratio: 200)) { try preprocessor.views(narrow, isAlone: true) }
  }

  @Test func everySizeIsThatOfTransformers() throws {
    try #require(!index.sizes.isEmpty)
    let resolution = NativeResolution(multiple: 28, minimumPixels: 56 * 56, maximumPixels: 28 * 28 * 1280)
    for row in index.sizes {
      let found = resolution.size(height: row[0], width: row[1])
      #expect([found.height, found.width] == Array(row[2...]), "\(row)")
    }
  }

  /// Each cell once, in windows that no cell of another one lies in.
  @Test(arguments: [(1, 1, 4), (5, 3, 2), (8, 8, 4), (9, 10, 4), (2, 7, 3)]) func windowsCoverTheGrid(
    _ rows: Int, _ columns: Int, _ side: Int
  ) {
    let order = WindowOrder(TokenGrid(rows: rows, columns: columns), side: side)
    #expect(order.cells.sorted() == Array(0..<rows * columns))
    #expect(order.inverse.map { order.cells[$0] } == Array(0..<rows * columns))
    var rest = order.cells[...]
    for group in order.windows {
      for _ in 0..<group.count {
        let window = rest.prefix(group.cells)
        rest = rest.dropFirst(group.cells)
        #expect(Set(window.map { [$0 / columns / side, $0 % columns / side] }).count == 1)
      }
    }
    #expect(rest.isEmpty)
  }
}
