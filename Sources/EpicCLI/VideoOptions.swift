import ArgumentParser
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
  /// Pictures and videos as the encoder wants them, in the order of a text's tags.
  func media(_ order: [Medium], _ images: [RGBImage], _ videos: [VideoReader], _ sampling: FrameSampling) throws
    -> [PicturePixels]
  {
    var pictures = try pictures(images)[...]
    var films = try videos.map { try video($0, sampling) }[...]
    return order.compactMap { $0 == .image ? pictures.popFirst() : films.popFirst() }
  }
}
