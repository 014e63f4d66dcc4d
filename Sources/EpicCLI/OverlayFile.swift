import ArgumentParser
import Compression
import Foundation
import Imaging
import LLaVA
import Report

/// The file that `--overlay` draws.
struct OverlayFile {
  /// Pictures smaller than this, in pixels, are magnified.
  private static let comfortableSize = 672

  private let url: URL

  /// A file that can probably be written: said before minutes of generation, not after.
  init(_ path: String, pictures: Int) throws {
    if pictures == 0 { throw ValidationError("--overlay draws pictures; give some with --image") }
    url = URL(fileURLWithPath: path)
    let files = FileManager.default
    var isFolder: ObjCBool = false
    if files.fileExists(atPath: url.path, isDirectory: &isFolder), isFolder.boolValue {
      throw InputError(description: "\(path): is a folder; name a file for --overlay")
    }
    let folder = url.deletingLastPathComponent().path
    if !files.isWritableFile(atPath: folder) {
      throw InputError(
        description: "\(path): the folder does not exist or cannot be written; make it, or choose another for --overlay")
    }
  }

  /// Draws all pictures side by side.
  func write(_ answer: Answer, _ pictures: [RGBImage], _ pipeline: LLaVAPipeline, _ plan: CompressionPlan?) throws {
    let drawings = try pictures.enumerated().map { index, picture in
      try pipeline.seen(
        picture, index, of: pictures.count, in: answer.result, plan, side: Self.comfortableSize)
    }
    try RGBImage.sideBySide(drawings).writePNG(to: url)
  }
}

extension LLaVAPipeline {
  /// A picture as the model saw it, with what the decoder did without dark.
  ///
  /// - Parameters:
  ///   - index: its place among the `count` pictures of its sample.
  ///   - result: what was generated under `plan`.
  ///   - side: about how long its sides are to be at least, in pixels.
  func seen(
    _ picture: RGBImage, _ index: Int, of count: Int, in result: GenerationResult, _ plan: CompressionPlan?, side: Int
  ) throws -> RGBImage {
    let merged = plan?.stages.first { $0.site.decoderLayer == nil && !$0.reducer.keepsPositions }
    let (view, layout) = try shown(picture, of: count, side: side)
    let overlay =
      try merged.map { TokenOverlay(layout, pooledTo: try $0.count(of: layout.counted, clamped: true)) }
      ?? TokenOverlay(layout, keptIndices: result.cuts.map { $0.keptIndices[index] })
    return try overlay.drawn(on: view)
  }
}
