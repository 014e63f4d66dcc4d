import Foundation
import Imaging
import TestSupport
import Testing

@testable import Video

/// Videos of JPEG pictures, by who reads them: FFmpeg's libraries.
@Suite struct MotionJPEGTests {
  /// One gray for each frame, with a corner that says where is up.
  private static func frame(_ number: Int, width: Int, height: Int) throws -> RGBImage {
    var pixels = [UInt8](repeating: UInt8(40 + 10 * number), count: 3 * width * height)
    for y in 0..<height / 2 { for x in 0..<width / 2 { pixels[3 * (y * width + x)] = 250 } }
    return try RGBImage(width: width, height: height, pixels: pixels)
  }

  @Test(arguments: [(1, 8, 8, 1.0), (5, 64, 48, 2.0), (12, 33, 17, 29.97), (3, 80, 80, 0.5)])
  func framesComeBack(count: Int, width: Int, height: Int, fps: Double) throws {
    let scratch = try Scratch()
    let file = scratch.url.appending(path: "video.avi")
    var video = try MotionJPEG(width: width, height: height, fps: fps)
    let frames = try (0..<count).map { try Self.frame($0, width: width, height: height) }
    for frame in frames { try video.append(frame) }
    try video.data().write(to: file)
    let reader = try VideoReader(contentsOf: file)
    #expect(reader.width == width && reader.height == height && reader.times.count == count)
    #expect(abs(reader.seconds - Double(count) / fps) < 0.01 * Double(count))
    for (number, time) in reader.times.enumerated() { #expect(abs(time - Double(number) / fps) < 0.01 * Double(number + 1)) }
    var found: [RGBImage] = []
    try reader.frames(at: reader.times) { found.append($0.image) }
    #expect(found.count == count)
    for (a, b) in zip(found, frames) {
      // The middle of the lower right half, where no edge is near.
      let place = 3 * ((height * 3 / 4) * width + width * 3 / 4)
      for channel in 0..<3 { #expect(abs(Int(a.pixels[place + channel]) - Int(b.pixels[place + channel])) <= 4) }
      #expect(a.pixels[3 * (height / 4 * width + width / 4)] > 200)
    }
  }

  @Test func whatCannotBeIsRefused() throws {
    #expect(throws: VideoError.self) { try MotionJPEG(width: 8, height: 8, fps: 0) }
    var video = try MotionJPEG(width: 8, height: 8, fps: 2)
    let other = try Self.frame(0, width: 8, height: 6)
    #expect(throws: VideoError.sampling(reason: "a frame has 8x6 pixels where the video has 8x8")) { try video.append(other) }
    // Nobody reads a file that is cut short.
    try video.append(Self.frame(1, width: 8, height: 8))
    let scratch = try Scratch()
    let file = scratch.url.appending(path: "cut.avi")
    try video.data().dropLast(200).write(to: file)
    #expect(throws: VideoError.self) {
      let reader = try VideoReader(contentsOf: file)
      try reader.frames(at: reader.times) { _ in }
    }
  }
}
