import Foundation

/// What can go wrong between a file and the pixels that a model sees.
///
/// The description is one sentence that names the file, what was found and what to do.
public enum ImagingError: Error, Sendable, Equatable {
  /// The file could not be opened or read.
  case unreadable(file: String, reason: String)
  /// The file holds no bytes.
  case emptyFile(file: String)
  /// The file is larger than ``ImageLimits/maximumBytes``.
  case tooManyBytes(file: String, found: Int, limit: Int)
  /// The content is that of no picture format that is known here.
  case notAnImage(file: String)
  /// The content is a picture of a format that is recognised but not decoded.
  case unsupportedFormat(file: String, format: String)
  /// The header claims a width or height of zero.
  case noPixels(file: String, format: String, width: Int, height: Int)
  /// The header claims more pixels, or a longer side, than ``ImageLimits`` allows.
  case tooManyPixels(file: String, width: Int, height: Int, limit: ImageLimits)
  /// The content starts like a picture but cannot be decoded, because it is cut short or corrupt.
  case damaged(file: String, format: String, reason: String)
  /// A preprocessor setting is missing or not usable.
  case configuration(file: String, field: String, reason: String)
  /// A pixel buffer does not fit its width and height.
  case wrongPixelCount(width: Int, height: Int, found: Int)
  /// A side is too many times as long as the other.
  case tooNarrow(width: Int, height: Int, ratio: Int)
  /// A picture could not be written.
  case unwritable(file: String, reason: String)
}

extension ImagingError: CustomStringConvertible, LocalizedError {
  /// One sentence, on one line, that names the file, what was found and what to do.
  public var description: String {
    // File names may hold line breaks.
    sentence.split(whereSeparator: \.isNewline).joined(separator: " ")
  }

  private var sentence: String {
    switch self {
    case .unreadable(let file, let reason):
      "\(file): the file cannot be read (\(reason)); check the path and its permissions."
    case .emptyFile(let file):
      "\(file): the file is empty; fetch or export the image again."
    case .tooManyBytes(let file, let found, let limit):
      "\(file): the file has \(found) bytes, more than the limit of \(limit); shrink it or raise the limit."
    case .notAnImage(let file):
      "\(file): the content is not an image; give a JPEG, PNG, WebP or GIF file."
    case .unsupportedFormat(let file, let format):
      "\(file): \(format) images are not supported; convert it to JPEG, PNG, WebP or GIF."
    case .noPixels(let file, let format, let width, let height):
      "\(file): this \(format) image is \(width)x\(height) and so has no pixels; export it again."
    case .tooManyPixels(let file, let width, let height, let limit):
      """
      \(file): the image claims \(width)x\(height) pixels, more than the limit of \(limit.maximumPixels) pixels \
      (\(limit.maximumSide) a side); shrink it or raise the limit.
      """
    case .damaged(let file, let format, let reason):
      "\(file): this \(format) image is truncated or damaged (\(reason)); fetch or export it again."
    case .configuration(let file, let field, let reason):
      "\(file): \(field) \(reason)."
    case .wrongPixelCount(let width, let height, let found):
      "a \(width)x\(height) RGB image needs 3 bytes for each of its pixels and at least one pixel, but got \(found) bytes."
    case .tooNarrow(let width, let height, let ratio):
      "the image is \(width)x\(height) pixels, a side more than \(ratio) times as long as the other; crop it or give another."
    case .unwritable(let file, let reason):
      "\(file): the image cannot be written (\(reason)); check the folder and its permissions."
    }
  }

  /// The same sentence as ``description``.
  public var errorDescription: String? { description }
}
