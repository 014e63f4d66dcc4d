import Foundation
import MadeVideos
import TestSupport
import Testing

@testable import Video

/// Files that are not what they should be: one sentence that names the file, never a crash.
@Suite struct BadVideoTests {
  private func refusal(_ data: [UInt8], _ limits: VideoLimits = .standard) throws -> String {
    let error = try #require(throws: VideoError.self) {
      try VideoReader(data: data, name: "dir/cat.mp4", limits: limits).frames(FrameSampling(fps: 1000, maximumFrames: 4096)) {
        _ in
      }
    }
    let sentence = error.description
    #expect(sentence.hasPrefix("dir/cat.mp4: ") && sentence.hasSuffix(".") && !sentence.contains("\n"), "\(sentence)")
    #expect(error.localizedDescription == sentence)
    return sentence
  }

  private func refusal(at url: URL, _ limits: VideoLimits = .standard) throws -> String {
    let error = try #require(throws: VideoError.self) { try VideoReader(contentsOf: url, limits: limits) }
    #expect(error.description.contains(url.lastPathComponent) && !error.description.contains("\n"))
    return error.description
  }

  private func bytes(_ made: MadeVideo, _ name: String) throws -> [UInt8] {
    let scratch = try Scratch()
    let url = scratch.url.appending(path: name)
    try made.write(to: url)
    return Array(try Data(contentsOf: url))
  }

  @Test func filesThatCannotBeRead() throws {
    let scratch = try Scratch()
    let folder = scratch.url
    defer { withExtendedLifetime(scratch) {} }
    let (empty, pipe) = (folder.appending(path: "empty.mp4"), folder.appending(path: "pipe"))
    try Data().write(to: empty)
    #expect(mkfifo(pipe.path, 0o600) == 0)
    #expect(try refusal(at: folder.appending(path: "missing.mp4")).contains("No such file"))
    #expect(try refusal(at: folder).contains("it is a folder"))
    #expect(try refusal(at: URL(fileURLWithPath: "/dev/zero")).contains("not a regular file"))
    #expect(try refusal(at: pipe).contains("not a regular file"))
    #expect(try refusal(at: empty).contains("the file is empty"))
    #expect(try refusal(at: URL(string: "https://example.org/cat.mp4")!).contains("not a file URL"))
    let file = folder.appending(path: "a.mp4")
    try MadeVideo(frames: 2, fps: 10).write(to: file)
    #expect(try refusal(at: file, VideoLimits(maximumBytes: 100)).contains("more than the limit of 100"))
  }

  @Test func contentsThatAreNoVideo() throws {
    #expect(try refusal([]).contains("the file is empty"))
    #expect(try refusal(Array("not a video at all, but a text".utf8)).contains("is not a video"))
    #expect(try refusal(Array(repeating: 0, count: 5000)).contains("is not a video"))
    // A playlist that names another file is no container that is opened.
    for text in [
      "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
      "ffconcat version 1.0\nfile /etc/passwd\n",
    ] {
      #expect(try refusal(Array(text.utf8)).contains("is not a video"))
    }
  }

  @Test func limitsAreKept() throws {
    let data = try bytes(MadeVideo(frames: 12, fps: 10), "a.mp4")
    #expect(try refusal(data, VideoLimits(maximumPixels: 500)).contains("32x16 pixels, more than the limit of 500 pixels"))
    #expect(try refusal(data, VideoLimits(maximumSide: 31)).contains("(31 a side)"))
    #expect(try refusal(data, VideoLimits(maximumSeconds: 1)).contains("1 seconds long, more than the limit of 1"))
    #expect(try refusal(data, VideoLimits(maximumFrames: 11)).contains("more than 11 frames"))
    let reader = try VideoReader(
      data: data, name: "a", limits: VideoLimits(maximumPixels: 512, maximumSide: 32, maximumFrames: 12))
    #expect(throws: VideoError.self) { try reader.frames(FrameSampling(fps: -1)) { _ in } }
  }

  /// Wherever a file is cut off.
  @Test(arguments: ["a.mp4", "a.mkv", "a.avi", "a.gif"]) func cutFilesAreRefused(_ name: String) throws {
    var made = MadeVideo(frames: 30, fps: 10)
    if name == "a.mkv" || name == "a.avi" { made.codec = "ffv1" }
    if name == "a.gif" { (made.codec, made.format) = ("gif", "gray") }
    if name == "a.avi" {
      made.unitsPerSecond = 10
      (made.times, made.end) = (made.times.map { $0 / 100 }, 30)
    }
    let data = try bytes(made, name)
    for share in stride(from: 0.02, to: 1, by: 0.07) {
      // Of the first bytes nobody can tell what they were to be.
      let words = try refusal(Array(data.prefix(Int(Double(data.count) * share))))
      #expect(share < 0.05 || words.contains("truncated"), "\(share): \(words)")
    }
    // Of a container that lists its frames first, what is listed and not there is missed too.
    #expect(try refusal(Array(data.dropLast())).contains("truncated"))
  }

  /// Bytes changed at random: an error of ours, or frames; never a crash, never an endless loop.
  @Test(arguments: ["a.mp4", "a.mkv", "a.avi", "a.gif"]) func changedFilesDoNoHarm(_ name: String) throws {
    var made = MadeVideo(frames: 6, fps: 10)
    if name == "a.gif" { (made.codec, made.format) = ("gif", "gray") }
    if name == "a.avi" {
      (made.codec, made.unitsPerSecond) = ("mpeg4", 10)
      (made.times, made.end) = (made.times.map { $0 / 100 }, 6)
    }
    let data = try bytes(made, name)
    var random = SplitMix(seed: 11)
    let limits = VideoLimits(maximumPixels: 1 << 20, maximumSide: 4096, maximumSeconds: 600, maximumFrames: 1000)
    for _ in 0..<40 {
      var changed = data
      for _ in 0..<Int.random(in: 1...8, using: &random) {
        changed[Int.random(in: 0..<changed.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      do {
        try VideoReader(data: changed, name: "changed", limits: limits).frames(FrameSampling(fps: 10)) { _ in }
      } catch let error as VideoError {
        #expect(!error.description.contains("\n"))
      }
    }
  }
}
