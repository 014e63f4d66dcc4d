import Foundation
import Imaging
import Torch
import Video

/// From a video file to what the encoder takes: frames chosen by a rule and by what the model wants, each prepared as it is read.
public struct VideoPreparer: Sendable, Hashable, Encodable {
  /// How frames are prepared.
  public let frames: FramePreprocessor
  /// Fewest frames, of a video that has as many.
  public let fewestFrames: Int
  /// The number of frames is a multiple of this.
  public let multiple: Int

  /// The way of a model; nil where it takes no videos.
  ///
  /// - Parameter frames: nil for what is usual in its family.
  public init?(_ configuration: LLaVAConfiguration, frames: FramePreprocessor? = nil) {
    guard let rules = configuration.family.video else { return nil }
    self.frames = frames ?? rules.preprocessing(configuration)
    (fewestFrames, multiple) = (rules.fewestFrames, rules.multiple)
  }

  /// Most tokens of a video of so many frames, before it has been read.
  public func mostTokens(_ configuration: LLaVAConfiguration, frames: Int) -> Int {
    guard case .native(let resolution) = self.frames.size, let depth = configuration.windowed?.temporalPatchSize else {
      return configuration.layout(
        of: PictureShape(height: 1, width: 1, views: frames, viewHeight: 1, viewWidth: 1, secondsPerFrame: 1)
      ).count
    }
    return (frames + depth - 1) / depth * resolution.mostCells
  }

  /// The frames of a video, as one medium of a prompt.
  ///
  /// - Parameter clip: from when to when it is looked at, in seconds from the beginning; nil for all of it.
  /// - Throws: `VideoError`, `ImagingError`, `TorchError`.
  public func callAsFunction(
    _ source: some FrameSource, _ sampling: FrameSampling, in clip: ClosedRange<Double>? = nil
  ) throws -> PicturePixels {
    var sampling = sampling
    (sampling.minimumFrames, sampling.multiple) = (fewestFrames, multiple)
    let (moments, seconds) = try source.moments(sampling, in: clip)
    var views: [Tensor] = []
    try source.frames(at: moments) { frame in views.append(try frames(frame.image)) }
    return try frames.video(views, height: source.height, width: source.width, seconds / Double(max(1, views.count)))
  }
}

extension CheckpointReader {
  /// How a checkpoint's videos are prepared; nil where the model takes none.
  ///
  /// Settings are looked for where transformers looks: the section `video_processor` of `processor_config.json`, then
  /// `video_preprocessor_config.json`, then `preprocessor_config.json`, which says it for pictures.
  /// - Throws: `ConfigurationError`, naming file and field.
  public func videoPreparer() throws -> VideoPreparer? {
    guard let standard = VideoPreparer(configuration) else { return nil }
    func object(_ name: String) throws -> JSONObject? {
      let url = folder.appendingPathComponent(name)
      return FileManager.default.fileExists(atPath: url.path) ? try JSONObject(contentsOf: url) : nil
    }
    let own = try object("processor_config.json")?.object("video_processor") ?? object("video_preprocessor_config.json")
    guard let found = try own ?? object("preprocessor_config.json") else { return standard }
    return VideoPreparer(configuration, frames: try standard.frames.reading(found, configuration, isOwn: own != nil))
  }
}

extension FramePreprocessor {
  /// These settings, but for what a file says.
  ///
  /// - Parameter isOwn: false for a file about pictures, whose way to the tower's size may be none for frames.
  fileprivate func reading(_ object: JSONObject, _ configuration: LLaVAConfiguration, isOwn: Bool) throws -> FramePreprocessor {
    func wrong(_ field: String, _ reason: String) -> ConfigurationError {
      .invalid(file: object.file, field: object.prefix + field, reason: reason)
    }
    if try object.bool("do_resize") == false { throw wrong("do_resize", "is false, but the tower takes its own sizes only") }
    if let filter = try object.int("resample"), filter != 3 { throw wrong("resample", "is \(filter); 3 (bicubic) is supported") }
    func requireSides(_ field: String, _ height: Int, _ width: Int) throws {
      guard let found = try object.object(field) else { return }
      let sides = (try found.int("height") ?? height, try found.int("width") ?? width)
      if sides != (height, width) { throw wrong(field, "is \(sides.0)x\(sides.1), the tower takes \(height)x\(width)") }
    }
    var size = self.size
    switch self.size {
    case .exact(let height, let width) where isOwn:
      if try object.bool("do_center_crop") == true { throw wrong("do_center_crop", "is true, which is not supported for videos") }
      try requireSides("size", height, width)
    case .exact: break
    case .cropped(let edge, let side):
      // Pictures are cut in the same way where they are shown whole, so a file about them says it for frames too.
      for field in ["size", "crop_size"] { try requireSides(field, side, side) }
      let found = try object.object("size")
      if found?.fields["height"] != nil {
        size = .exact(height: side, width: side)
      } else if try object.bool("do_center_crop") == false {
        throw wrong("do_center_crop", "is false, which leaves frames of unequal sizes; set it to true")
      } else {
        size = .cropped(shortestEdge: try found?.int("shortest_edge") ?? edge, side: side)
      }
    case .native(let standard):
      var (least, most) = (standard.minimumPixels, standard.maximumPixels)
      if case .object? = object.fields["size"], let found = try object.object("size") {
        least = try found.int("shortest_edge") ?? found.int("min_pixels") ?? least
        most = try found.int("longest_edge") ?? found.int("max_pixels") ?? most
      }
      least = try object.int("min_pixels") ?? least
      most = try object.int("max_pixels") ?? most
      if let depth = try object.int("temporal_patch_size"), let own = configuration.windowed?.temporalPatchSize, depth != own {
        throw wrong("temporal_patch_size", "\(depth) differs from the tower's \(own)")
      }
      size = .native(NativeResolution(multiple: standard.multiple, minimumPixels: least, maximumPixels: most))
    }
    let found = FramePreprocessor(
      size: size, mean: try object.doubles("image_mean") ?? ImagePreprocessor.clipMean,
      std: try object.doubles("image_std") ?? ImagePreprocessor.clipStd,
      rescaleFactor: try object.bool("do_rescale") ?? true ? try object.double("rescale_factor") ?? 1 / 255 : nil,
      normalizes: try object.bool("do_normalize") ?? true)
    if let fault = found.fault { throw wrong(fault.field, fault.reason) }
    return found
  }
}
