import Foundation
import Imaging
import MadeVideos
import TestSupport
import Testing

@testable import Video

/// Parts of videos, and videos that lie as pictures in a folder.
@Suite struct FrameSourceTests {
  /// Frames of a file and of a folder of the same pictures are the same, whichever part is looked at.
  @Test func aFolderOfPicturesIsAVideo() throws {
    let scratch = try Scratch()
    var made = MadeVideo(frames: 12, fps: 4)
    made.codec = "ffv1"
    let file = scratch.url.appending(path: "a.mkv")
    try made.write(to: file)
    let folder = scratch.url.appending(path: "frames", directoryHint: .isDirectory)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    var number = 0
    try VideoReader(contentsOf: file).frames(FrameSampling(fps: 4)) { frame in
      number += 1
      try frame.image.pngData().write(to: folder.appending(path: String(format: "%05d.jpg", number)))
    }
    #expect(number == 12)
    for stranger in ["notes.txt", "cover.jpg", "1.2.jpg"] { try Data("x".utf8).write(to: folder.appending(path: stranger)) }

    // From when to when, frames a second, how many at most, and which of the twelve these are.
    let rows: [([Double], Double, Int, [Int])] = [
      ([], 2, 32, [0, 2, 4, 6, 8, 10]), ([], 100, 32, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]), ([1, 2], 4, 32, [4, 5, 6, 7]),
      ([1.1, 1.3], 1, 32, [4]), ([1, 2], 100, 32, [4, 5, 6, 7]), ([1.2, 1.8], 100, 32, [4, 5, 6, 6]),
      ([2.5, 9], 4, 32, [10, 11]),
      ([-1, 0.5], 4, 32, [0, 1]), ([0, 3], 4, 3, [0, 4, 8]), ([2, 2], 4, 8, [8]),
    ]
    for (bounds, fps, most, shown) in rows {
      let clip = bounds.isEmpty ? nil : bounds[0]...bounds[1]
      let sampling = FrameSampling(fps: fps, maximumFrames: most)
      var found: [[VideoFrame]] = []
      let sources: [any FrameSource] = try [VideoReader(contentsOf: file), FrameFolder(folder, perSecond: 4)]
      for source in sources {
        #expect(source.width == 32 && source.height == 16 && source.times.count == 12 && abs(source.seconds - 3) < 1e-9)
        var frames: [VideoFrame] = []
        try source.frames(sampling, in: clip) { frames.append($0) }
        #expect(frames.map { Int(($0.shownAt * 4).rounded()) } == shown, "\(bounds) \(fps)")
        found.append(frames)
      }
      #expect(found[0].map(\.image) == found[1].map(\.image) && found[0].map(\.time) == found[1].map(\.time))
    }
  }

  /// A picture of another size is brought to that of the first.
  @Test func picturesOfOtherSizes() throws {
    let scratch = try Scratch()
    for (name, side) in [("2", 8), ("10", 4)] {
      let picture = try RGBImage(width: side, height: 6, pixels: [UInt8](repeating: 90, count: side * 18))
      try picture.pngData().write(to: scratch.url.appending(path: "\(name).png"))
    }
    let folder = try FrameFolder(scratch.url, perSecond: 2)
    var widths: [Int] = []
    try folder.frames(FrameSampling(fps: 2)) { widths.append($0.image.width) }
    #expect(widths == [8, 8] && folder.seconds == 1)
  }

  @Test func whatCannotBeRead() throws {
    let scratch = try Scratch()
    func refusal(_ body: () throws -> Void) -> String {
      do { try body() } catch { return "\(error)" }
      return ""
    }
    #expect(refusal { _ = try FrameFolder(scratch.url, perSecond: 3) }.contains("no frames"))
    #expect(refusal { _ = try FrameFolder(scratch.url.appending(path: "none"), perSecond: 3) }.contains("No such file"))
    try Data("x".utf8).write(to: scratch.url.appending(path: "00001.jpg"))
    #expect(refusal { _ = try FrameFolder(scratch.url, perSecond: 3) }.contains("00001.jpg"))
    #expect(refusal { _ = try FrameFolder(scratch.url, perSecond: 0) }.contains("frames per second"))
    let film = scratch.url.appending(path: "a.mp4")
    try MadeVideo(frames: 4, fps: 4).write(to: film)
    for (start, end) in [(1.0, 2.0), (-3.0, -1.0)] {
      let text = refusal { try VideoReader(contentsOf: film).frames(FrameSampling(), in: start...end) { _ in } }
      #expect(text.contains("a.mp4") && text.contains("not in the video"))
    }
  }
}
