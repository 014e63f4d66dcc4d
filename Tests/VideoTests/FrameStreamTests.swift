import Foundation
import MadeVideos
import TestSupport
import Testing

@testable import Video

/// Frames as they come, whose end nobody knows.
@Suite struct FrameStreamTests {
  private func all(_ stream: FrameStream, where isWanted: (Double) -> Bool = { _ in true }) throws -> [VideoFrame] {
    var found: [VideoFrame] = []
    while let frame = try stream.next(where: isWanted) { found.append(frame) }
    return found
  }

  /// The frames of a file that is read to its end first, at other rates than its own and at uneven times too.
  @Test(arguments: ["a.mp4", "a.mkv", "a.webm", "a.ts"]) func aStreamHasTheFramesOfTheFile(_ name: String) throws {
    let scratch = try Scratch()
    let url = scratch.url.appending(path: name)
    var made = MadeVideo(frames: 12, fps: 4)
    if name.hasSuffix("webm") { made.codec = "libvpx" }
    try made.write(to: url)
    for fps in [1.0, 2, 3, 4, 8] {
      let reader = try VideoReader(contentsOf: url)
      var expected: [VideoFrame] = []
      try reader.frames(at: (0..<Int(3 * fps)).map { Double($0) / fps }) { expected.append($0) }
      let found = try all(FrameStream(contentsOf: url, fps: fps))
      #expect(found.map(\.time) == expected.map(\.time) && found.map(\.shownAt) == expected.map(\.shownAt), "\(fps)")
      #expect(found.map(\.image) == expected.map(\.image), "\(fps)")
    }
  }

  @Test func framesStayOnShowUntilTheNextOne() throws {
    let scratch = try Scratch()
    let url = scratch.url.appending(path: "a.mkv")
    var made = MadeVideo(times: [0, 100, 1500, 2000], end: 2500)
    made.codec = "ffv1"
    try made.write(to: url)
    let frames = try all(FrameStream(contentsOf: url, fps: 2))
    #expect(frames.map(\.time) == [0, 0.5, 1, 1.5, 2])
    #expect(zip(frames.map(\.shownAt), [0, 0.1, 0.1, 1.5, 2]).allSatisfy { abs($0 - $1) < 0.002 })
    #expect(frames[1].image == frames[2].image && frames[2].image != frames[3].image)
  }

  /// What nobody wants is counted and passed over.
  @Test func unwantedFramesArePassedOver() throws {
    let scratch = try Scratch()
    let url = scratch.url.appending(path: "a.mkv")
    try MadeVideo(frames: 12, fps: 4).write(to: url)
    var asked: [Double] = []
    let whole = try all(FrameStream(contentsOf: url, fps: 4))
    let some = try all(FrameStream(contentsOf: url, fps: 4)) {
      asked.append($0); return $0 == 0.5 || $0 > 2
    }
    #expect(asked == whole.map(\.time))
    #expect(some == whole.filter { $0.time == 0.5 || $0.time > 2 })
  }

  /// A pipe is read without going back, and what needs going back is refused.
  @Test(arguments: ["a.mkv", "a.ts", "a.mov"]) func aPipeIsAStream(_ name: String) throws {
    let scratch = try Scratch()
    let url = scratch.url.appending(path: name)
    var made = MadeVideo(frames: 40, fps: 4)
    // What such a file says about itself stands behind all its frames, which are many bytes here.
    if name.hasSuffix("mov") { (made.codec, made.width, made.height) = ("rawvideo", 160, 120) }
    try made.write(to: url)
    let pipe = Pipe()
    let bytes = try Data(contentsOf: url)
    let writer = Thread {
      // Where the reader gives up, writing fails.
      try? pipe.fileHandleForWriting.write(contentsOf: bytes)
      try? pipe.fileHandleForWriting.close()
    }
    writer.start()
    if name.hasSuffix("mov") {
      let error = #expect(throws: VideoError.self) {
        _ = try all(FrameStream(pipe: pipe.fileHandleForReading, name: "standard input", fps: 2))
      }
      #expect("\(error as Any)".contains("standard input"))
    } else {
      let found = try all(FrameStream(pipe: pipe.fileHandleForReading, name: "standard input", fps: 2))
      #expect(try found == all(FrameStream(contentsOf: url, fps: 2)) && found.count == 20)
    }
  }

  @Test func whatIsNoStreamIsRefused() throws {
    let scratch = try Scratch()
    let url = scratch.url.appending(path: "a.mkv")
    try MadeVideo(frames: 12, fps: 4).write(to: url)
    #expect(throws: VideoError.self) { _ = try FrameStream(contentsOf: url, fps: 0) }
    #expect(throws: VideoError.self) { _ = try FrameStream(contentsOf: scratch.url, fps: 1) }
    let cut = scratch.url.appending(path: "cut.mkv")
    try Data("no video at all, but some text".utf8).write(to: cut)
    #expect(throws: VideoError.self) { _ = try FrameStream(contentsOf: cut, fps: 1) }
  }
}
