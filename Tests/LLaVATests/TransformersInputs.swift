import Imaging
import Torch

@testable import LLaVA

/// Pictures, videos and sound as `Tests/Python/model_inputs.py` hands them to transformers.
enum TransformersInputs {
  /// Pictures as transformers takes them: as many views for each, and their sizes, where they are shown in tiles.
  static func items(_ name: String, _ all: [PicturePixels], _ c: LLaVAConfiguration) throws -> [SafetensorsItem] {
    let (pictures, videos) = (all.filter { !$0.shape.isVideo }, all.filter(\.shape.isVideo))
    if let audio = c.audio {
      if all.isEmpty { return [] }
      return [
        SafetensorsItem("\(name)/features", try concatenate(all.map { try $0.views.selected(0, 0) })),
        SafetensorsItem("\(name)/lengths", try Tensor(all.map { min($0.shape.width, 2 * audio.positions) }, [all.count])),
      ]
    }
    if let windowed = c.windowed {
      let tower = try WindowedTower(ParameterScope(RandomParameters(seed: 0)) / "tower", c.vision, windowed)
      let patch = c.vision.patchSize
      return try [("", pictures), ("video-", videos)].flatMap { kind, media in
        if media.isEmpty { return [SafetensorsItem]() }
        let sides = media.flatMap {
          [c.layout(of: $0.shape).grids.count, $0.shape.viewHeight / patch, $0.shape.viewWidth / patch]
        }
        return [
          SafetensorsItem("\(name)/\(kind)pixels", try concatenate(media.map { try tower.patchRows($0.views) })),
          SafetensorsItem("\(name)/\(kind)grids", try Tensor(sides, [media.count, 3])),
          SafetensorsItem(
            "\(name)/\(kind)seconds", try Tensor(media.map { Float(2 * ($0.shape.secondsPerFrame ?? 0)) }, [media.count])),
        ]
      }
    }
    let found = try items(name, ofPictures: pictures, c)
    return try found + videos.enumerated().map { SafetensorsItem("\(name)/video-pixels-\($0)", try $1.views.unsqueezed(0)) }
  }

  private static func items(_ name: String, ofPictures pictures: [PicturePixels], _ c: LLaVAConfiguration) throws
    -> [SafetensorsItem]
  {
    if pictures.isEmpty { return [] }
    guard c.picturesVary else { return [SafetensorsItem("\(name)/pixels", try concatenate(pictures.map(\.views)))] }
    let most = pictures.map(\.shape.views).max() ?? 0
    let padded = try pictures.map { picture in
      try concatenate([picture.views, .zeros([most - picture.shape.views] + picture.views.shape.dropFirst())])
    }
    return [
      SafetensorsItem("\(name)/pixels", try stack(padded)),
      SafetensorsItem("\(name)/sizes", try Tensor(pictures.flatMap { [$0.shape.height, $0.shape.width] }, [pictures.count, 2])),
    ]
  }
}
