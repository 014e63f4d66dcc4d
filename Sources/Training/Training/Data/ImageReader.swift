import Foundation
import Imaging

/// Reads the pictures of a data set as training sees them, or says why not.
struct ImageReader: Sendable {
  let dataset: InstructionDataset
  let limits: ImageLimits

  /// Endings that pictures have where a data set's own names do not fit, as in copies of OCR-VQA.
  private static let endings = ["jpg", "jpeg", "png", "gif", "webp", "JPG"]

  /// Decodes a picture; its type is told from the content, its EXIF orientation ignored, as the reference does.
  func image(_ path: String) throws -> RGBImage {
    let url = dataset.url(ofImage: path)
    do {
      return try RGBImage(contentsOf: url, orientation: .ignored, limits: limits)
    } catch let error as ImagingError {
      // The record's own path is named beside it.
      let text = error.description
      let prefix = url.relativePath + ": "
      let reason = text.hasPrefix(prefix) ? String(text.dropFirst(prefix.count)) : text
      switch error {
      case .unreadable where !exists(path): throw missing(path)
      case .unreadable: throw RecordProblem(.unreadableImage, reason, path: path)
      case .notAnImage, .unsupportedFormat: throw RecordProblem(.notAnImage, reason, path: path)
      case .tooManyBytes, .tooManyPixels: throw RecordProblem(.oversizedImage, reason, path: path)
      case .emptyFile, .noPixels, .damaged: throw RecordProblem(.damagedImage, reason, path: path)
      case .configuration, .wrongPixelCount, .tooNarrow, .unwritable: throw error
      }
    }
  }

  /// Whether there is anything at an image's path.
  func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: dataset.url(ofImage: path).path) }

  /// The name under which a missing picture is there after all, but for the ending.
  func otherEnding(of path: String) -> String? {
    let stem = dataset.url(ofImage: path).deletingPathExtension()
    return Self.endings.lazy.map { stem.appendingPathExtension($0) }
      .first { FileManager.default.fileExists(atPath: $0.path) }?.lastPathComponent
  }

  private func missing(_ path: String) -> RecordProblem {
    let hint = otherEnding(of: path).map { ", but \($0) is there" } ?? ""
    return RecordProblem(.missingImage, "no such file\(hint)", path: path)
  }
}
