import Audio
import Foundation
import Imaging
import LLaVA
import Torch

/// Which media a model takes, and how those of a data set that are no pictures are read.
public struct MediaReading: Sendable {
  /// Whether pictures are taken.
  public var hasPictures: Bool
  /// How videos are read; nil where none are taken.
  public var videos: VideoReading?
  /// How sound is read; nil where none is taken.
  public var audio: AudioReading?

  /// Pictures, and what else is named.
  public init(hasPictures: Bool = true, videos: VideoReading? = nil, audio: AudioReading? = nil) {
    (self.hasPictures, self.videos, self.audio) = (hasPictures, videos, audio)
  }

  /// What a model takes.
  public init(_ configuration: LLaVAConfiguration, videos: VideoReading?) {
    self.init(
      hasPictures: configuration.audio == nil, videos: videos,
      audio: configuration.audio.map { AudioReading($0.spectrogram) })
  }

  /// A video or sound as the model takes it; nil where nothing prepares it.
  ///
  /// - Throws: `RecordProblem` for what is wrong with the file, or where the model takes no such medium.
  func video(_ path: String, in dataset: InstructionDataset) throws -> PicturePixels? {
    guard let videos else { throw RecordProblem(.noVideos, "it is a video, and the model takes none", path: path) }
    return try videos.video(path, at: dataset.url(ofImage: path))
  }

  /// The same of sound.
  func audio(_ path: String, in dataset: InstructionDataset) throws -> PicturePixels? {
    guard let audio else { throw RecordProblem(.noAudio, "it is sound, and the model takes none", path: path) }
    return try audio.audio(path, at: dataset.url(ofImage: path))
  }

  /// Throws where the model takes no pictures.
  func requirePictures(_ path: String) throws(RecordProblem) {
    if !hasPictures { throw RecordProblem(.noPictures, "it is a picture, and the model takes none", path: path) }
  }
}

/// How the sound of a data set is read.
public struct AudioReading: Sendable {
  /// How it is prepared; nil where it is read and nothing else.
  public var spectrogram: MelSpectrogram?

  /// A way of reading.
  public init(_ spectrogram: MelSpectrogram?) { self.spectrogram = spectrogram }

  /// Sound as the model takes it; nil where nothing prepares it.
  ///
  /// - Throws: `RecordProblem` for what is wrong with the file.
  func audio(_ path: String, at url: URL) throws -> PicturePixels? {
    let mel = spectrogram ?? MelSpectrogram()
    do {
      let clip = try AudioClip(contentsOf: url, rate: mel.rate, seconds: Double(mel.seconds))
      return try spectrogram?(clip, name: path)
    } catch let error as AudioError {
      // The record's own path is named beside it.
      let (text, prefix) = (error.description, url.relativePath + ": ")
      let reason = text.hasPrefix(prefix) ? String(text.dropFirst(prefix.count)) : text
      let isThere = FileManager.default.fileExists(atPath: url.path)
      throw RecordProblem(isThere ? .badAudio : .missingAudio, isThere ? reason : "no such file", path: path)
    }
  }
}
