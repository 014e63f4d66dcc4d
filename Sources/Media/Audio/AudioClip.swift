import CVideoCodecs
import Foundation
import Video

/// Sound of one channel.
public struct AudioClip: Sendable, Equatable {
  /// Samples, about -1...1.
  public var samples: [Float]
  /// Samples of a second.
  public var rate: Int

  /// A clip of its samples.
  public init(samples: [Float], rate: Int) { (self.samples, self.rate) = (samples, rate) }

  /// Seconds.
  public var seconds: Double { Double(samples.count) / Double(max(1, rate)) }

  /// Reads the sound of a file: WAV, MP3, FLAC, AAC, Ogg, or what a video has; its channels are mixed into one.
  ///
  /// - Parameters:
  ///   - url: a regular file.
  ///   - rate: samples of a second, to which the sound is brought; 1 to a million.
  ///   - seconds: no more than these are read, from the beginning.
  /// - Throws: ``AudioError``, naming the file.
  public init(contentsOf url: URL, rate: Int, seconds: Double, limits: VideoLimits = .standard) throws {
    let name = url.relativePath
    let source: Source
    do {
      source = try Source.file(url, limits)
    } catch let error as VideoError {
      throw AudioError(error, name)
    }
    try self.init(source, name, rate, seconds, limits)
  }

  /// Reads the sound of a file in memory.
  ///
  /// - Parameters:
  ///   - data: what the file holds.
  ///   - name: what errors call it.
  ///   - rate: samples of a second, to which the sound is brought; 1 to a million.
  ///   - seconds: no more than these are read, from the beginning.
  /// - Throws: ``AudioError``.
  public init(data: [UInt8], name: String, rate: Int, seconds: Double, limits: VideoLimits = .standard) throws {
    if data.isEmpty { throw AudioError.noSamples(file: name) }
    if data.count > limits.maximumBytes {
      throw AudioError.unreadable(
        file: name, reason: "it has \(data.count) bytes, more than the limit of \(limits.maximumBytes)")
    }
    try self.init(Source(data), name, rate, seconds, limits)
  }

  private init(_ source: Source, _ name: String, _ rate: Int, _ seconds: Double, _ limits: VideoLimits) throws {
    guard (1...1_000_000).contains(rate), seconds > 0, seconds <= limits.maximumSeconds else {
      throw AudioError.setting(reason: "\(rate) samples a second and \(seconds) seconds were asked for, which is not possible")
    }
    let bounds = EpicVideoLimits(
      pixels: Int64(max(1, min(limits.maximumPixels, Int(Int32.max)))), side: Int64(max(1, limits.maximumSide)),
      seconds: limits.maximumSeconds, frames: Int64(max(1, limits.maximumFrames)))
    var (count, message) = (Int64(0), EpicVideoMessage())
    let wanted = Int64((Double(rate) * seconds).rounded(.up))
    guard let found = epic_audio_read(source.bytes, bounds, Int32(rate), wanted, &count, &message) else {
      throw AudioError(message, name)
    }
    defer { epic_audio_free(found) }
    self.init(samples: Array(UnsafeBufferPointer(start: found, count: Int(count))), rate: rate)
  }
}

/// What can go wrong between a file and its sound.
public enum AudioError: Error, Sendable, Equatable, CustomStringConvertible, LocalizedError {
  /// The file could not be opened or read.
  case unreadable(file: String, reason: String)
  /// The content is that of no container that is known here, or has no sound in it.
  case notAudio(file: String, reason: String)
  /// The sound is of a codec that is not decoded.
  case unsupportedCodec(file: String, codec: String)
  /// There is no sample.
  case noSamples(file: String)
  /// The content cannot be decoded, because it is cut short or corrupt.
  case damaged(file: String, reason: String)
  /// Fewer samples than make one token.
  case tooShort(name: String, seconds: Double)
  /// A setting makes no sense.
  case setting(reason: String)

  /// One sentence, on one line, that names the file, what was found and what to do.
  public var description: String {
    let sentence =
      switch self {
      case .unreadable(let file, let reason):
        "\(file): the file cannot be read (\(reason)); check the path and its permissions."
      case .notAudio(let file, let reason):
        "\(file): the content is not sound (\(reason)); give WAV, MP3, FLAC, AAC, Ogg or a video."
      case .unsupportedCodec(let file, let codec):
        "\(file): sound of the codec \(codec) is not decoded; convert it to WAV, MP3, FLAC, AAC or Opus."
      case .noSamples(let file): "\(file): the file has no sound; record it again."
      case .damaged(let file, let reason): "\(file): the sound is truncated or damaged (\(reason)); fetch or export it again."
      case .tooShort(let name, let seconds): "\(name): \(seconds) s of sound are too few; give 0.05 s at least."
      case .setting(let reason): "\(reason)."
      }
    // File names may hold line breaks.
    return sentence.split(whereSeparator: \.isNewline).joined(separator: " ")
  }

  /// The same sentence as ``description``.
  public var errorDescription: String? { description }

  /// What was wrong before anything was decoded.
  init(_ error: VideoError, _ file: String) {
    self =
      switch error {
      case .unreadable(_, let reason): .unreadable(file: file, reason: reason)
      case .emptyFile: .noSamples(file: file)
      case .tooManyBytes(_, let found, let limit):
        .unreadable(file: file, reason: "it has \(found) bytes, more than the limit of \(limit)")
      default: .unreadable(file: file, reason: "\(error)")
      }
  }

  /// What the C side found.
  init(_ message: EpicVideoMessage, _ file: String) {
    let reason = withUnsafeBytes(of: message.text) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    self =
      switch message.kind {
      case EPIC_VIDEO_NOT_A_VIDEO: .notAudio(file: file, reason: reason)
      case EPIC_VIDEO_UNSUPPORTED: .unsupportedCodec(file: file, codec: reason)
      case EPIC_VIDEO_NO_FRAMES: .noSamples(file: file)
      default: .damaged(file: file, reason: reason)
      }
  }
}
