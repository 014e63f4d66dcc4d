import Foundation
import Imaging
import LLaVA
import Torch

/// Small models with random weights, for tests of programs that use this package.
public enum TestModel {
  /// A LLaVA with 4 decoder layers and 16 visual tokens for an image, speaking bytes.
  public static func tiny(seed: UInt64 = 0, dtype: DType = .float32) throws -> LLaVAModel {
    var configuration = try LLaVAConfiguration.preset("tiny")
    ByteTokenizer.adopt(into: &configuration)
    return try LLaVAModel.random(configuration, seed: seed, dtype: dtype)
  }

  /// Writes a model as a checkpoint with the byte tokenizer.
  ///
  /// - Throws: `CheckpointError.exists` where the folder is there already.
  public static func write(_ model: LLaVAModel, to folder: URL, layout: CheckpointLayout = .huggingFace) throws {
    let companions = FileManager.default.temporaryDirectory.appendingPathComponent("epic-tokenizer-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: companions, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: companions) }
    try ByteTokenizer.write(to: companions)
    try CheckpointWriter.write(model, to: folder, layout: layout, companions: companions)
  }

  /// A house under a sun, drawn by arithmetic: 240 by 180 pixels.
  public static func drawing() throws -> RGBImage {
    let (width, height) = (240, 180)
    var pixels: [UInt8] = []
    pixels.reserveCapacity(width * height * 3)
    for y in 0..<height {
      for x in 0..<width { pixels += color(x, y) }
    }
    return try RGBImage(width: width, height: height, pixels: pixels)
  }

  private static func color(_ x: Int, _ y: Int) -> [UInt8] {
    if (x - 195) * (x - 195) + (y - 40) * (y - 40) < 24 * 24 { return [250, 205, 60] }
    if (80...105).contains(x), (105...145).contains(y) { return [95, 60, 40] }
    if (120...145).contains(x), (100...120).contains(y) { return [190, 225, 245] }
    if (55...160).contains(x), (85...145).contains(y) { return [225, 200, 165] }
    if (35..<85).contains(y), abs(x - 107) * 50 < (y - 35) * 66 { return [170, 60, 50] }
    return y > 140 ? [95, 150, 75] : [150 + UInt8(y / 3), 195, 235]
  }
}
