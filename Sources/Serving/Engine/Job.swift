import Audio
import Compression
import Crypto
import Foundation
import Imaging
import LLaVA
import Language
import Torch
import Video

/// A picture, a video or sound as the model takes it, and what it is known by.
public struct PreparedImage: Sendable {
  /// Its views.
  public let pixels: PicturePixels
  /// SHA-256 of its size, its pixels, how it was prepared and in how many views.
  ///
  /// Of the size too: 30 × 100 and 100 × 30 pixels can be the same bytes.
  public let digest: String
  /// The picture, where somebody wants to see it.
  public let image: RGBImage?

  /// Prepares a picture.
  ///
  /// - Parameters:
  ///   - isAlone: false where its conversation has further pictures.
  ///   - keepsImage: for an overlay.
  /// - Throws: `ImagingError`, `TorchError`.
  public init(_ image: RGBImage, _ preprocessor: ImagePreprocessor, isAlone: Bool = true, keepsImage: Bool = false) throws {
    pixels = try preprocessor.views(image, isAlone: isAlone)
    var hash = SHA256()
    for number in [image.width, image.height, pixels.shape.views] {
      withUnsafeBytes(of: Int64(number).littleEndian) { hash.update(bufferPointer: $0) }
    }
    image.pixels.withUnsafeBytes { hash.update(bufferPointer: $0) }
    hash.update(data: try preprocessor.jsonData())
    digest = hash.finalize().map { String(format: "%02x", $0) }.joined()
    self.image = keepsImage ? image : nil
  }

  /// Prepares a video.
  ///
  /// - Parameters:
  ///   - file: its bytes, by which it is known.
  ///   - sampling: which frames are looked at.
  /// - Throws: `VideoError`, `ImagingError`, `TorchError`.
  public init(video file: [UInt8], _ preparer: VideoPreparer, _ sampling: FrameSampling, limits: VideoLimits) throws {
    pixels = try preparer(VideoReader(data: file, name: "the video", limits: limits), sampling)
    var hash = SHA256()
    hash.update(data: Data("video".utf8))
    hash.update(data: try sampling.jsonData())
    hash.update(data: try preparer.jsonData())
    file.withUnsafeBytes { hash.update(bufferPointer: $0) }
    digest = hash.finalize().map { String(format: "%02x", $0) }.joined()
    image = nil
  }

  /// Prepares sound.
  ///
  /// - Parameter file: its bytes, by which it is known.
  /// - Throws: `AudioError`, `TorchError`.
  public init(sound file: [UInt8], _ spectrogram: MelSpectrogram, limits: VideoLimits) throws {
    let clip = try AudioClip(
      data: file, name: "the sound", rate: spectrogram.rate, seconds: min(Double(spectrogram.seconds), limits.maximumSeconds),
      limits: limits)
    pixels = try spectrogram(clip)
    var hash = SHA256()
    hash.update(data: Data("sound".utf8))
    hash.update(data: try spectrogram.jsonData())
    file.withUnsafeBytes { hash.update(bufferPointer: $0) }
    digest = hash.finalize().map { String(format: "%02x", $0) }.joined()
    image = nil
  }

  /// A picture of its parts, for tests.
  package init(pixels: PicturePixels, digest: String) { (self.pixels, self.digest, image) = (pixels, digest, nil) }
}

/// What the engine is to answer.
public struct Job: Sendable {
  /// Token ids, pictures as `imagePlaceholderID`.
  public var ids: [Int]
  /// Pictures in the order of their placeholders.
  public var pictures: [PreparedImage]
  /// Ids that belong to the first prompt of a conversation, by which visual tokens are chosen; nil for all.
  public var promptLength: Int?
  /// How the answer is drawn, and the plan with the numbers that were decided on.
  public var options: GenerationOptions
  /// Strings that end the answer.
  public var stops: [String]
  /// Keeps what is computed from others who do not name the same word.
  public var salt: String?
  /// Its place among those that wait for a first token, which the engine keeps up to date; nil for one that no forecast reckons with.
  public var entry: Backlog.Entry?

  /// A job.
  public init(ids: [Int], pictures: [PreparedImage] = [], options: GenerationOptions, stops: [String] = []) {
    (self.ids, self.pictures, self.options, self.stops) = (ids, pictures, options, stops)
  }

  var request: GenerationRequest {
    GenerationRequest(ids: ids, pictures: pictures.map(\.pixels), promptLength: promptLength)
  }

  /// Whether pictures come to the decoder whole, so that what they are there does not depend on the prompt.
  var keepsPicturesWhole: Bool { options.compression?.stages.allSatisfy { $0.site.decoderLayer != nil } ?? true }

  /// What a picture's rows at the decoder's input follow from.
  func featureKey(_ picture: Int) -> String {
    let traces = options.compression?.needs.towerLayers.isEmpty ?? true ? "" : options.compression?.description ?? ""
    return Self.key(["features", pictures[picture].digest, traces, salt ?? ""])
  }

  /// What the rows up to the last picture's end follow from, and the number of ids up to there; nil without pictures.
  func prefixKey() -> (key: String, ids: Int)? {
    guard let last = ids.lastIndex(of: imagePlaceholderID) else { return nil }
    let plan = options.compression
    let isRandom = plan?.stages.contains { $0.reducer.drawsAtRandom } ?? false
    let parts =
      ["prefix", plan?.description ?? "", isRandom ? "\(options.seed)" : "", salt ?? ""] + pictures.map(\.digest)
      + ids[...last].map(String.init)
    return (Self.key(parts), last + 1)
  }

  /// Parts are told apart by their lengths, so none can pass for two.
  private static func key(_ parts: [String]) -> String {
    var hash = SHA256()
    for part in parts { hash.update(data: Data("\(part.utf8.count):\(part)".utf8)) }
    return hash.finalize().map { String(format: "%02x", $0) }.joined()
  }
}
