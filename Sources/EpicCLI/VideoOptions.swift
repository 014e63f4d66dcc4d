import ArgumentParser
import Audio
import Foundation
import Imaging
import LLaVA
import Language
import Video

/// Which videos, and which of their frames.
struct VideoOptions: ParsableArguments {
  @Option(parsing: .upToNextOption, help: ArgumentHelp("Videos: MP4, MOV, WebM, Matroska, AVI or GIF.", valueName: "file"))
  var video: [String] = []

  @OptionGroup var frames: FrameOptions

  /// Opens the files.
  func open() throws -> [VideoReader] {
    try video.map { try VideoReader(contentsOf: URL(fileURLWithPath: $0)) }
  }
}

/// Which sounds.
struct AudioOptions: ParsableArguments {
  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Sound, for models that listen: WAV, MP3, FLAC, AAC, Ogg, or a video's.", valueName: "file"))
  var audio: [String] = []

  /// Reads the files as a model wants them.
  ///
  /// - Throws: `PromptError.noAudio` for a model that takes none, before any file is read.
  func load(_ pipeline: LLaVAPipeline) throws -> [PicturePixels] {
    if audio.isEmpty { return [] }
    guard let mel = pipeline.model.configuration.audio?.spectrogram else {
      throw PromptError.noAudio(type: pipeline.model.configuration.family.type)
    }
    return try audio.map {
      let clip = try AudioClip(contentsOf: URL(fileURLWithPath: $0), rate: mel.rate, seconds: Double(mel.seconds))
      return try pipeline.audio(clip, name: $0)
    }
  }
}

/// Which frames of a video are looked at.
struct FrameOptions: ParsableArguments {
  @Option(help: "Frames of a video's second that are looked at, evenly over the whole video.")
  var fps = FrameSampling.standardFPS

  @Option(help: "Most frames of a video; a longer one is looked at less often.")
  var maxFrames = FrameSampling.standardMaximum

  func validate() throws {
    if let fault = sampling.fault { throw ValidationError("--fps, --max-frames: \(fault)") }
  }

  var sampling: FrameSampling { FrameSampling(fps: fps, maximumFrames: maxFrames) }
}

extension LLaVAPipeline {
  /// Pictures, videos and sounds as the encoder wants them, in the order of a text's tags.
  func media(
    _ order: [Medium], _ images: [RGBImage], _ videos: [VideoReader], _ sampling: FrameSampling, _ audio: AudioOptions
  ) throws -> [PicturePixels] {
    var pictures = try pictures(images)[...]
    var films = try videos.map { try video($0, sampling) }[...]
    var sounds = try audio.load(self)[...]
    return order.compactMap { medium in
      switch medium {
      case .image: pictures.popFirst()
      case .video: films.popFirst()
      case .audio: sounds.popFirst()
      }
    }
  }
}
