import Foundation
import Imaging
import MadeVideos
import TestSupport
import Testing

@testable import Video

/// Videos whose frames and times are known, as they were written by another library's encoder for the test.
@Suite struct VideoReaderTests {
  struct Kind: Sendable, CustomTestStringConvertible {
    let file: String
    let change: @Sendable (inout MadeVideo) -> Void
    var testDescription: String { file }
  }

  static let kinds = [
    // Frames are stored in another order than they are shown in.
    Kind(file: "a.mp4") { _ in },
    Kind(file: "a.mov") { $0.codec = "mpeg4" },
    Kind(file: "a.mkv") { $0.codec = "ffv1" },
    Kind(file: "a.avi") {
      $0.codec = "ffv1"
      $0.format = "yuv444p"
    },
    Kind(file: "a.gif") {
      $0.codec = "gif"
      $0.format = "gray"
      $0.isFullRange = true
    },
    Kind(file: "a.ts") { _ in },
  ]

  /// The level that a grey sample has in RGB.
  private func level(_ sample: UInt8, _ video: MadeVideo) -> Double {
    let isLimited = !video.isFullRange
    return isLimited ? min(255, max(0, (Double(sample) - 16) * 255 / 219)) : Double(sample)
  }

  private func read(_ url: URL, at moments: [Double]) throws -> (reader: VideoReader, frames: [VideoFrame]) {
    let reader = try VideoReader(contentsOf: url)
    var frames: [VideoFrame] = []
    try reader.frames(at: moments) { frames.append($0) }
    return (reader, frames)
  }

  @Test(arguments: kinds) func timesAndFramesAreThoseWritten(_ kind: Kind) throws {
    let scratch = try Scratch()
    var random = SplitMix(seed: 7)
    let isVariable = !kind.file.hasSuffix("avi") && !kind.file.hasSuffix("gif")
    for round in 0..<3 {
      let count = [1, 5, 12][round]
      var times: [Int64] = [0]
      // Steps of 20 ms to 200 ms; a GIF counts hundredths, an AVI frames.
      while times.count < count {
        times.append(times[times.count - 1] + (isVariable ? 20 * Int64.random(in: 1...10, using: &random) : 100))
      }
      var made = MadeVideo(times: times, end: times[count - 1] + 100)
      kind.change(&made)
      if kind.file.hasSuffix("avi") {
        made.unitsPerSecond = 10
        made.times = times.map { $0 / 100 }
        made.end = made.end / 100
      }
      let url = scratch.url.appending(path: "\(round)-\(kind.file)")
      try made.write(to: url)
      // Between two frames, at each, and far behind the end.
      let written = times.map { Double($0) / 1000 }
      let moments: [Double] = written.flatMap { (time: Double) -> [Double] in [time, time + 0.011] } + [60]
      let (reader, frames) = try read(url, at: moments)
      #expect(reader.times.count == count && reader.width == 32 && reader.height == 16)
      for (found, written) in zip(reader.times, written) { #expect(abs(found - written) < 2e-3) }
      // These do not say how long their last frame is shown.
      let slack = kind.file == "a.ts" || kind.file == "a.mkv" ? 0.2 : 2e-3
      #expect(abs(reader.seconds - written[count - 1] - 0.1) < slack, "\(reader.seconds)")
      #expect(frames.map(\.time) == moments)
      for (index, frame) in frames.enumerated() {
        let expected = min(index / 2, count - 1)
        let found = Double(frame.image.pixels[frame.image.pixels.count / 2])
        #expect(abs(found - level(made.levels[expected], made)) <= 3, "\(kind.file), \(moments[index]) s")
        #expect(abs(frame.shownAt - written[expected]) < 2e-3)
      }
    }
  }

  @Test(arguments: 1...8) func framesAreTurnedUpright(_ orientation: Int) throws {
    let scratch = try Scratch()
    let one: Int32 = 1 << 16
    // (a, b, c, d): a point (x, y) goes to (a x + c y, b x + d y).
    let turns: [(Int32, Int32, Int32, Int32)] = [
      (1, 0, 0, 1), (-1, 0, 0, 1), (-1, 0, 0, -1), (1, 0, 0, -1), (0, 1, 1, 0), (0, 1, -1, 0), (0, -1, -1, 0), (0, -1, 1, 0),
    ]
    let (a, b, c, d): (Int32, Int32, Int32, Int32) = turns[orientation - 1]
    var made = MadeVideo(frames: 2, fps: 10)
    made.codec = "mpeg4"
    (made.width, made.height) = (64, 32)
    (made.levels, made.mark) = ([60, 60], 220)
    made.matrix = [a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30]
    let url = scratch.url.appending(path: "turned.mp4")
    try made.write(to: url)
    let (reader, frames) = try read(url, at: [0])
    let image = try #require(frames.first?.image)
    #expect(image.width == (orientation > 4 ? 32 : 64) && image.height == (orientation > 4 ? 64 : 32))
    #expect(reader.width == image.width && reader.height == image.height)
    // The mark was in the first row's first quarter: where does the matrix bring it?
    var (sum, x, y): (Double, Double, Double) = (0, 0, 0)
    for row in 0..<image.height {
      for column in 0..<image.width {
        let weight: Double = max(0, Double(image.pixels[3 * (row * image.width + column)]) - 90)
        sum += weight
        x += weight * Double(column)
        y += weight * Double(row)
      }
    }
    // Its middle, seen from the frame's middle, before and after.
    let (left, up) = (7.5 - 31.5, 0.0 - 15.5)
    let (centreX, centreY) = (Double(image.width - 1) / 2, Double(image.height - 1) / 2)
    let expectedX: Double = centreX + Double(a) * left + Double(c) * up
    let expectedY: Double = centreY + Double(b) * left + Double(d) * up
    #expect(abs(x / sum - expectedX) < 2, "\(x / sum)")
    #expect(abs(y / sum - expectedY) < 2, "\(y / sum)")
  }

  @Test func coloursHaveTheRangeThatTheStreamSays() throws {
    let scratch = try Scratch()
    for (index, isFull) in [false, true].enumerated() {
      var made = MadeVideo(times: [0, 100, 200, 300], end: 400)
      made.levels = [16, 60, 128, 235]
      made.isFullRange = isFull
      made.format = isFull ? "yuvj420p" : "yuv420p"
      let url = scratch.url.appending(path: "\(index).mp4")
      try made.write(to: url)
      let (_, frames) = try read(url, at: [0, 0.1, 0.2, 0.3])
      for (frame, sample) in zip(frames, made.levels) {
        for channel in 0..<3 {
          #expect(abs(Double(frame.image.pixels[300 + channel]) - level(sample, made)) <= 1, "\(isFull), \(sample)")
        }
      }
    }
  }

  @Test func framesAreChosenAsTransformersChoosesThem() {
    // transformers: torch.arange(0, total, total / count).int(), in float32; count = int(total / fps * asked).
    var random = SplitMix(seed: 3)
    for _ in 0..<300 {
      let total = Int.random(in: 1...900, using: &random)
      let fps: Double = ([8, 23.976, 24, 25, 29.97, 30, 60] as [Double]).randomElement(using: &random) ?? 25
      let asked: Double = ([0.25, 0.5, 1, 2, 3] as [Double]).randomElement(using: &random) ?? 1
      let most = Int.random(in: 1...64, using: &random)
      let sampling = FrameSampling(fps: asked, maximumFrames: most)
      let seconds = Double(total) / fps
      let count = max(1, min(Int(Double(total) / fps * asked + 1e-6), most, total))
      #expect(sampling.count(frames: total, seconds: seconds) == count)
      let indices = (0..<count).map { Int(Float(Double($0) * (Double(total) / Double(count)))) }
      let chosen: [Int] = sampling.times(frames: total, seconds: seconds).map { (time: Double) -> Int in
        (0..<total).last { (frame: Int) -> Bool in Double(frame) / fps <= time + 1e-6 } ?? 0
      }
      #expect(chosen == indices)
    }
  }

  @Test func framesOfAModelOfPairsComeInPairs() {
    // Qwen2-VL: min(max(total / fps · asked, 4), floor(min(most, total) / 2) · 2, total), floored to pairs.
    let rows: [(frames: Int, seconds: Double, fps: Double, most: Int, expected: Int)] = [
      (300, 10, 2, 768, 20), (300, 10, 2, 15, 14), (300, 1, 2, 768, 4), (3, 0.1, 2, 768, 2), (1, 0.04, 2, 768, 1),
      (300, 10, 0.75, 768, 6), (5, 10, 2, 768, 4), (300, 10, 2, 1, 1),
    ]
    for row in rows {
      let sampling = FrameSampling(fps: row.fps, maximumFrames: row.most, minimumFrames: 4, multiple: 2)
      #expect(sampling.count(frames: row.frames, seconds: row.seconds) == row.expected, "\(row)")
    }
    #expect(
      FrameSampling(fps: .nan).fault != nil && FrameSampling(fps: 0).fault != nil && FrameSampling(maximumFrames: 0).fault != nil)
  }
}
