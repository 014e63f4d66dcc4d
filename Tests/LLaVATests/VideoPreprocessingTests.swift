import Foundation
import Testing
import Torch
import Video

@testable import Imaging
@testable import LLaVA

/// Frames against what transformers' video processors made of them (`Resources/video/make_video.py`).
@Suite struct VideoPreprocessingTests {
  private struct Index: Decodable {
    struct Choice: Decodable {
      let total: Int
      let fps, asked: Double
      let most: Int
      let indices: [Int]
    }
    let patch, merge, least, most, side, edge: Int
    /// Frames, height and width.
    let cases: [[Int]]
    let chosen: [Choice]
  }

  private let index: Index
  private let expected: SafetensorsFile
  private let resolution: NativeResolution

  init() throws {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Resources/video")
    index = try JSONDecoder().decode(Index.self, from: Data(contentsOf: folder.appending(path: "video.json")))
    expected = try SafetensorsFile(folder.appending(path: "video.safetensors"))
    resolution = NativeResolution(multiple: index.patch * index.merge, minimumPixels: index.least, maximumPixels: index.most)
  }

  private func frames(_ count: Int, _ height: Int, _ width: Int) throws -> [RGBImage] {
    try (0..<count).map { t in
      let levels = (0..<height).flatMap { y in
        (0..<width).flatMap { x in (0..<3).map { UInt8(truncatingIfNeeded: x * 7 + y * 13 + $0 * 31 + x * y + t * 57) } }
      }
      return try RGBImage(width: width, height: height, pixels: levels)
    }
  }

  /// Patches of a video as Qwen2.5-VL's tower takes them.
  private func patches(_ video: PicturePixels) throws -> Tensor {
    var configuration = try LLaVAConfiguration.preset("tiny-qwen2.5-vl")
    configuration.vision.patchSize = index.patch
    configuration.windowed?.resolution = resolution
    let windowed = try #require(configuration.windowed)
    let scope = try ParameterScope(RandomParameters(seed: 0)) / "tower"
    return try WindowedTower(scope, configuration.vision, windowed).patchRows(video.views)
  }

  @Test func everyLevelIsThatOfTransformers() throws {
    try #require(!index.cases.isEmpty)
    let bare = FramePreprocessor(size: .native(resolution), rescaleFactor: nil, normalizes: false)
    let squares: [(String, FramePreprocessor.Size)] = [
      ("exact", .exact(height: index.side, width: index.side)), ("cropped", .cropped(shortestEdge: index.edge, side: index.side)),
    ]
    for size in index.cases {
      let frames = try frames(size[0], size[1], size[2])
      let name = size.map(String.init).joined(separator: "x")
      let native = try expected.tensor("native/\(name)/levels")
      let own = try patches(bare.video(frames, secondsPerFrame: 1))
      #expect(own.shape == native.shape)
      #expect(try own.array(Float.self) == native.to(.float32).array(Float.self), "native, \(name)")
      for (kind, size) in squares {
        let whole = try expected.tensor("\(kind)/\(name)/levels")
        let views = try FramePreprocessor(size: size, rescaleFactor: nil, normalizes: false).video(frames, secondsPerFrame: 1)
          .views
        #expect(try views.array(Float.self) == whole.to(.float32).array(Float.self), "\(kind), \(name)")
      }
    }
  }

  @Test func everySampleIsThatOfTransformers() throws {
    let frames = try frames(3, 23, 41)
    let native = try patches(FramePreprocessor(size: .native(resolution)).video(frames, secondsPerFrame: 1))
    #expect(try native.array(Float.self) == expected.tensor("native/normalized").array(Float.self))
    let exact = FramePreprocessor(size: .exact(height: index.side, width: index.side))
    #expect(
      try exact.video(frames, secondsPerFrame: 1).views.array(Float.self) == expected.tensor("exact/normalized").array(Float.self)
    )
    let cropped = FramePreprocessor(size: .cropped(shortestEdge: index.edge, side: index.side))
    let found = try cropped.video(frames, secondsPerFrame: 1).views.array(Float.self)
    #expect(try found == expected.tensor("cropped/normalized").array(Float.self))
  }

  @Test func framesAreThoseOfTransformers() throws {
    try #require(!index.chosen.isEmpty)
    let rules = try #require(VideoPreparer(LLaVAConfiguration.preset("tiny-qwen2.5-vl")))
    for choice in index.chosen {
      let sampling = FrameSampling(
        fps: choice.asked, maximumFrames: choice.most, minimumFrames: rules.fewestFrames, multiple: rules.multiple)
      let times = sampling.times(frames: choice.total, seconds: Double(choice.total) / choice.fps)
      // The frame that is on show then. By rounding, theirs may name a frame behind the last one.
      #expect(times.map { Int(($0 + 1e-6) * choice.fps) } == choice.indices.filter { $0 < choice.total }, "\(choice)")
    }
  }
}
