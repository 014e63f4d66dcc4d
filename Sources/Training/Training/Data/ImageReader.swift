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
  /// - Parameters:
  ///   - path: one of the record's.
  ///   - index: of the record.
  func image(_ path: String, of index: Int) throws -> RGBImage {
    let place = try dataset.place(of: path, at: index)
    do {
      switch place {
      case .file(let url): return try RGBImage(contentsOf: url, orientation: .ignored, limits: limits)
      case .inside(let medium):
        if medium.count > limits.maximumBytes {
          throw ImagingError.tooManyBytes(file: place.name, found: medium.count, limit: limits.maximumBytes)
        }
        return try RGBImage(data: medium.read(), name: place.name, orientation: .ignored, limits: limits)
      case .absent(let reason): throw RecordProblem(.missingImage, reason, path: path)
      }
    } catch let error as ImagingError {
      let (reason, shown) = (place.reason(error), InlineMedium.shown(path))
      switch error {
      case .unreadable where !place.isThere:
        let hint = otherEnding(of: place).map { ", but \($0) is there" } ?? ""
        throw RecordProblem(.missingImage, "no such file\(hint)", path: path)
      case .unreadable: throw RecordProblem(.unreadableImage, reason, path: shown)
      case .notAnImage, .unsupportedFormat: throw RecordProblem(.notAnImage, reason, path: shown)
      case .tooManyBytes, .tooManyPixels: throw RecordProblem(.oversizedImage, reason, path: shown)
      case .emptyFile, .noPixels, .damaged: throw RecordProblem(.damagedImage, reason, path: shown)
      case .configuration, .wrongPixelCount, .tooNarrow, .unwritable: throw error
      }
    }
  }

  /// The name under which a missing picture is there after all, but for the ending.
  private func otherEnding(of place: MediumPlace) -> String? {
    guard case .file(let url) = place else { return nil }
    let stem = url.deletingPathExtension()
    return Self.endings.lazy.map { stem.appendingPathExtension($0) }
      .first { FileManager.default.fileExists(atPath: $0.path) }?.lastPathComponent
  }
}
