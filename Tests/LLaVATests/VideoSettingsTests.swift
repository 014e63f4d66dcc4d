import Foundation
import Imaging
import TestModels
import TestSupport
import Testing

@testable import LLaVA

/// What a checkpoint of LLaVA-NeXT-Video says of its frames, which are cut out of the middle.
@Suite struct VideoSettingsTests {
  /// The size of frames by a `video_preprocessor_config.json`; nil for no such file.
  private func size(_ settings: String?) throws -> FramePreprocessor.Size? {
    let scratch = try Scratch()
    let folder = scratch.url.appending(path: "model")
    try TestModel.write(LLaVAModel.random(.preset("tiny-next-video")), to: folder)
    if let settings { try Data(settings.utf8).write(to: folder.appending(path: "video_preprocessor_config.json")) }
    return try CheckpointReader(folder).videoPreparer()?.frames.size
  }

  @Test func sizesAreThoseOfTheFile() throws {
    #expect(try size(nil) == .cropped(shortestEdge: 56, side: 56))
    #expect(try size("{}") == .cropped(shortestEdge: 56, side: 56))
    #expect(
      try size(#"{"size": {"shortest_edge": 70}, "crop_size": {"height": 56, "width": 56}}"#)
        == .cropped(shortestEdge: 70, side: 56))
    #expect(try size(#"{"size": {"height": 56, "width": 56}, "do_center_crop": false}"#) == .exact(height: 56, width: 56))
  }

  @Test(arguments: [
    (#"{"size": {"shortest_edge": 40}}"#, "size"), (#"{"size": {"shortest_edge": 1000000}}"#, "size"),
    (#"{"size": {"height": 60, "width": 56}}"#, "size"), (#"{"crop_size": {"height": 60, "width": 60}}"#, "crop_size"),
    (#"{"do_center_crop": false}"#, "do_center_crop"), (#"{"size": 56}"#, "size"),
  ]) func whatTheTowerDoesNotTakeIsRefused(_ settings: String, _ field: String) throws {
    let error = try #require(throws: ConfigurationError.self) { try size(settings) }
    #expect(error.description.contains("video_preprocessor_config.json") && error.description.contains(field))
  }
}
