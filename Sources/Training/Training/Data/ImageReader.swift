import Foundation
import Imaging

/// Reads the pictures of a data set as training sees them, or says why not.
struct ImageReader: Sendable {
  let dataset: InstructionDataset
  let limits: ImageLimits

  /// Endings that pictures have where a data set's own names do not fit, as in copies of OCR-VQA.
  private static let endings = ["jpg", "jpeg", "png", "gif", "webp", "JPG"]

  /// Decodes a picture; its type is told from the content, its EXIF orientation ignored, as the reference does.
  ///
  /// - Parameter path: of a file, or a data URI that holds the picture.
  func image(_ path: String) throws -> RGBImage {
    let url = Self.isInRecord(path) ? URL(fileURLWithPath: "the picture") : dataset.url(ofImage: path)
    let shown = Self.isInRecord(path) ? "a data URI" : path
    do {
      if Self.isInRecord(path) {
        return try RGBImage(data: data(path), name: url.relativePath, orientation: .ignored, limits: limits)
      }
      return try RGBImage(contentsOf: url, orientation: .ignored, limits: limits)
    } catch let error as ImagingError {
      // The record's own path is named beside it.
      let text = error.description
      let prefix = url.relativePath + ": "
      let reason = text.hasPrefix(prefix) ? String(text.dropFirst(prefix.count)) : text
      switch error {
      case .unreadable where !exists(path): throw missing(path)
      case .unreadable: throw RecordProblem(.unreadableImage, reason, path: shown)
      case .notAnImage, .unsupportedFormat: throw RecordProblem(.notAnImage, reason, path: shown)
      case .tooManyBytes, .tooManyPixels: throw RecordProblem(.oversizedImage, reason, path: shown)
      case .emptyFile, .noPixels, .damaged: throw RecordProblem(.damagedImage, reason, path: shown)
      case .configuration, .wrongPixelCount, .tooNarrow, .unwritable: throw error
      }
    }
  }

  /// Whether a path is a picture itself: `data:image/png;base64,…`.
  static func isInRecord(_ path: String) -> Bool { path.hasPrefix("data:") }

  private func data(_ path: String) throws -> Data {
    guard let comma = path.firstIndex(of: ","), path[..<comma].hasSuffix(";base64"),
      let data = Data(base64Encoded: String(path[path.index(after: comma)...])), !data.isEmpty
    else {
      throw RecordProblem(.damagedImage, "it is no data URI in base64; begin it with data:image/png;base64,", path: "a data URI")
    }
    return data
  }

  /// Whether there is anything at an image's path.
  func exists(_ path: String) -> Bool {
    Self.isInRecord(path) || FileManager.default.fileExists(atPath: dataset.url(ofImage: path).path)
  }

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
