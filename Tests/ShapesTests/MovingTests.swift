import Foundation
import Imaging
import TestSupport
import Testing

@testable import Shapes

/// Shapes that move, and what is asked about them.
@Suite struct MovingTests {
  /// Answers by looking at the frames in another way than the questions' own: cell by cell, word by word.
  private struct Watcher {
    let frames: [MovingFrame]

    private func seen(_ shape: String) -> [Int: MovingFrame.Actor] {
      Dictionary(
        uniqueKeysWithValues: frames.enumerated().compactMap { time, frame in
          frame.actors.first { $0.shape.rawValue == shape }.map { (time, $0) }
        })
    }

    func answer(_ question: String) throws -> String {
      let words = question.replacing("?", with: "").replacing(",", with: "").split(separator: " ").map(String.init)
      let shape = try #require(words.last)
      let time = words.starts(with: ["at", "the", "start"]) ? 0 : frames.count - 1
      let came = ShapeKind.allCases.compactMap { kind in
        seen(kind.rawValue).keys.min().flatMap { $0 > 0 ? (time: $0, name: kind.rawValue) : nil }
      }.sorted { $0.time < $1.time }
      switch true {
      case question.contains("which way"):
        let places = seen(shape).sorted { $0.key < $1.key }.map(\.value.place)
        let (first, last) = (try #require(places.first), try #require(places.last))
        if first.row == last.row { return last.column < first.column ? "left" : "right" }
        return last.row < first.row ? "up" : "down"
      case question.contains("appears first"): return try #require(came.first).name
      case question.contains("appears last"): return try #require(came.last).name
      case question.contains("shapes appear"): return ["zero", "one", "two", "three", "four"][came.count]
      case question.contains("shapes are there"): return ["zero", "one", "two", "three"][frames[time].actors.count]
      case question.contains("what color"): return try #require(seen(shape)[time]).color.rawValue
      case question.contains("is there a"): return seen(shape)[time] == nil ? "no" : "yes"
      case question.contains("where is"):
        let place = try #require(seen(shape)[time]).place
        return
          "\(["highest", "high", "low", "lowest"][place.row]) \(["leftmost", "left-hand", "right-hand", "rightmost"][place.column])"
      default: return String(try #require(frames[time].counter).digit)
      }
    }
  }

  private func clips(_ count: Int) -> [MovingClip] {
    (0..<count).map { MovingClip(frames: 6 + $0 % 11, seed: 5, stream: UInt64($0)) }
  }

  @Test func everyAnswerFollowsFromTheFrames() throws {
    var answers: [String: [String: Int]] = [:]
    for clip in clips(400) {
      for family in MovingFamily.allCases {
        for question in clip.questions(family) {
          #expect(try Watcher(frames: clip.frames).answer(question.text) == question.answer, "\(question.text)")
          answers["\(family) \(question.kind)", default: [:]][question.answer, default: 0] += 1
        }
      }
    }
    // Every kind is asked, and no answer of direction, order or colour is much likelier than the others.
    #expect(answers.count == 1 + 2 + 3 + 4 + 2 + 2)
    for (kind, classes) in [("direction direction", 4), ("order first", 4), ("order last", 4), ("state color at the end", 5)] {
      let counts = try #require(answers[kind])
      let most = Double(counts.values.max() ?? 0) / Double(counts.values.reduce(0, +))
      #expect(counts.count == classes && most < 1.5 / Double(classes), "\(kind): \(counts)")
    }
  }

  /// No two things are in one cell, no two shapes of one kind in a clip at different times, and steps are small.
  @Test func worldsKeepTheirRules() {
    for stream in 0..<20 {
      let frames = Array(MovingWorld(seed: 3, stream: UInt64(stream)).prefix(200))
      for (time, frame) in frames.enumerated() {
        let places = frame.actors.map(\.place) + (frame.counter.map { [$0.place] } ?? [])
        #expect(Set(places).count == places.count && frame.actors.count <= 3)
        #expect(Set(frame.actors.map(\.shape)).count == frame.actors.count)
        guard time > 0 else { continue }
        #expect(frame.actors.count { frames[time - 1].actor($0.shape) == nil } <= 1)
        for actor in frame.actors {
          guard let before = frames[time - 1].actor(actor.shape) else { continue }
          #expect(before.place == actor.place || MovingFrame.Direction(from: before.place, to: actor.place) != nil)
        }
        let digits = (frames[time - 1].counter?.digit ?? 0, frame.counter?.digit ?? 0)
        #expect(digits.1 == digits.0 || digits.1 == (digits.0 + 1) % 10)
      }
      for shape in ShapeKind.allCases {
        let times = frames.indices.filter { frames[$0].actor(shape) != nil }
        for (a, b) in zip(times, times.dropFirst()) { #expect(b == a + 1 || b - a >= MovingWorld.longestClip) }
      }
      // Something happens every few seconds, however long it lasts.
      let changes = frames.indices.dropFirst().filter {
        frames[$0].actors != frames[$0 - 1].actors || frames[$0].counter != frames[$0 - 1].counter
      }
      #expect(zip(changes, changes.dropFirst()).allSatisfy { $1 - $0 < 30 } && changes.count > 40)
    }
  }

  /// Seeds give the same bytes, today and tomorrow; noise differs from frame to frame.
  @Test func seedsGiveTheSameBytes() throws {
    let clip = MovingClip(frames: 8, seed: 1, stream: 2)
    #expect(clip == MovingClip(frames: 8, seed: 1, stream: 2) && clip != MovingClip(frames: 8, seed: 1, stream: 3))
    let pictures = try clip.frames.map { try $0.draw() }
    #expect(try pictures == MovingClip(frames: 8, seed: 1, stream: 2).frames.map { try $0.draw() })
    #expect(Set(pictures.map(\.pixels)).count == 8)
    let hash = pictures.flatMap(\.pixels).reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01b3 }
    #expect(hash == 11_306_607_111_659_480_981, "\(hash)")
  }

  /// What labels say of a cell is what the frame shows there: the mean of its middle is nearest to the colour, and the plate is light.
  @Test func labelsSayWhatIsDrawn() throws {
    let names = MovingLabels.groups.map(\.name)
    var (seen, right) = (0, 0)
    for clip in clips(60) {
      let frame = try #require(clip.frames.last)
      let (classes, picture) = (MovingLabels.classes(frame), try frame.draw())
      func group(_ name: String) throws -> [Int] { classes[try #require(names.firstIndex(of: name))] }
      /// How far the mean of a cell's middle is from a colour, squared.
      func distance(_ cell: Int, _ rgb: [Int]) -> Double {
        var sum = 0.0
        for channel in 0..<3 {
          var mean = 0.0
          for y in 6..<10 {
            for x in 6..<10 { mean += Double(picture.pixels[3 * ((cell / 4 * 16 + y) * 64 + cell % 4 * 16 + x) + channel]) / 16 }
          }
          sum += (mean - Double(rgb[channel])) * (mean - Double(rgb[channel]))
        }
        return sum
      }
      let (colors, rows, columns) = (try group("color"), try group("row"), try group("column"))
      for (cell, color) in colors.enumerated() where color >= 0 {
        let distances = ShapeColor.allCases.map { distance(cell, $0.rgb) }
        seen += 1
        right += distances[color] == distances.min() ? 1 : 0
        #expect(rows[cell] == cell / 4 && columns[cell] == cell % 4)
      }
      #expect(colors.count { $0 >= 0 } == frame.actors.count)
      #expect(try group("digit").filter { $0 >= 0 } == (frame.counter.map { [$0.digit] } ?? []))
    }
    #expect(seen > 60 && right == seen)
  }

  /// A question about the end of a long video is one about its last frames, and questions come in turns.
  @Test func streamsAskAboutTheirLastFrames() throws {
    let stream = MovingStream(frames: 300, fps: 2, spacing: 20, seed: 7)
    let (frames, questions) = (Array(stream.world), stream.questions)
    #expect(frames.count == 300 && questions.count >= 13)
    for question in questions {
      let last = Int(question.seconds * 2)
      let clip = Array(frames[(last - MovingStream.window + 1)...last])
      let text = try #require(question.question.split(separator: "\n").first)
      #expect(try Watcher(frames: clip).answer(String(text)) == question.answer)
    }
    #expect(Set(questions.map(\.family)).count >= 4)
  }
}
