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

  /// A video or sound of a record as the model takes it; nil where nothing prepares it.
  ///
  /// - Throws: `RecordProblem` for what is wrong with the file, or where the model takes no such medium.
  func video(_ path: String, of index: Int, in dataset: InstructionDataset) throws -> PicturePixels? {
    guard let videos else {
      throw RecordProblem(.noVideos, "it is a video, and the model takes none", path: InlineMedium.shown(path))
    }
    return try videos.video(path, at: dataset.place(of: path, at: index))
  }

  /// The same of sound.
  func audio(_ path: String, of index: Int, in dataset: InstructionDataset) throws -> PicturePixels? {
    guard let audio else {
      throw RecordProblem(.noAudio, "it is sound, and the model takes none", path: InlineMedium.shown(path))
    }
    return try audio.audio(path, at: dataset.place(of: path, at: index))
  }

  /// Throws where the model takes no pictures.
  func requirePictures(_ path: String) throws(RecordProblem) {
    if !hasPictures {
      throw RecordProblem(.noPictures, "it is a picture, and the model takes none", path: InlineMedium.shown(path))
    }
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
  func audio(_ path: String, at place: MediumPlace) throws -> PicturePixels? {
    let mel = spectrogram ?? MelSpectrogram()
    let shown = InlineMedium.shown(path)
    do {
      let clip: AudioClip
      switch place {
      case .file(let url): clip = try AudioClip(contentsOf: url, rate: mel.rate, seconds: Double(mel.seconds))
      case .inside(let medium):
        clip = try AudioClip(
          data: medium.read(orThrow: .badAudio, shown), name: place.name, rate: mel.rate, seconds: Double(mel.seconds))
      case .absent(let reason): throw RecordProblem(.missingAudio, reason, path: shown)
      }
      return try spectrogram?(clip, name: shown)
    } catch let error as AudioError {
      let isThere = place.isThere
      throw RecordProblem(isThere ? .badAudio : .missingAudio, isThere ? place.reason(error) : "no such file", path: shown)
    }
  }
}
