/// Why one sample cannot be trained on.
///
/// Such samples are skipped and counted; only a strict run takes one for an error.
public struct SampleFault: Error, Sendable, Equatable, Codable, CustomStringConvertible {
  /// Kinds of faults; the raw values are what files and reports call them and stay the same.
  public enum Code: String, Sendable, Codable, CaseIterable {
    /// The record is not JSON, or a field is missing or of the wrong type.
    case malformed
    /// There is no file at an image's path.
    case missingImage = "missing-image"
    /// An image's file is there and cannot be read.
    case unreadableImage = "unreadable-image"
    /// An image is cut short or corrupt.
    case damagedImage = "damaged-image"
    /// An image's file holds something else, or a format that is not decoded.
    case notAnImage = "not-an-image"
    /// An image is larger than the limits allow.
    case oversizedImage = "oversized-image"
    /// There is no file at a video's path.
    case missingVideo = "missing-video"
    /// A video's file is no video, cut short, corrupt, or larger than the limits allow.
    case badVideo = "bad-video"
    /// The record has a video, and the model takes none.
    case noVideos = "no-videos"
    /// There is no file at a sound's path.
    case missingAudio = "missing-audio"
    /// A sound's file holds none, is cut short, corrupt, or too short.
    case badAudio = "bad-audio"
    /// The record has sound, and the model takes none.
    case noAudio = "no-audio"
    /// The record has a picture, and the model takes none.
    case noPictures = "no-pictures"
    /// There is no question with an answer.
    case tooFewTurns = "too-few-turns"
    /// An unknown role, or two turns in a row of the same one.
    case roles
    /// The `<image>` tags and the images differ in number.
    case placeholders
    /// The template has no place for such a conversation.
    case template
    /// The tokenizer refuses the text.
    case untokenizable
    /// No token would be learnt from.
    case unsupervised
    /// The sample has more tokens than allowed, visual tokens included.
    case tooLong = "too-long"
  }

  /// Place of the sample in the data set, from 0.
  public let index: Int
  /// The record's own name, where it has one.
  public let id: String?
  /// The image concerned, as the record writes it.
  public let path: String?
  /// What kind of fault.
  public let code: Code
  /// What was found, in words.
  public let reason: String

  /// A fault of a sample.
  public init(index: Int, id: String?, path: String? = nil, code: Code, reason: String) {
    self.index = index
    self.id = id
    self.path = path
    self.code = code
    self.reason = reason
  }

  /// One line for people.
  public var description: String {
    "sample \(index)\(id.map { " (id \($0))" } ?? ""): \(path.map { "\($0): " } ?? "")\(reason) [\(code.rawValue)]"
  }
}

/// A fault before it is known which sample has it.
struct RecordProblem: Error {
  let code: SampleFault.Code
  let reason: String
  var path: String?

  init(_ code: SampleFault.Code, _ reason: String, path: String? = nil) {
    self.code = code
    self.reason = reason
    self.path = path
  }

  func fault(index: Int, id: String?) -> SampleFault {
    SampleFault(index: index, id: id, path: path, code: code, reason: reason)
  }
}
