import Basics
import Foundation
import LLaVA

/// What `epic watch` found: answers, and what the stream took.
struct WatchReport: Encodable {
  struct Item: Encodable {
    let question: String
    let seconds: Double
    let text: String
    let tokens: [Int]
    let timings: GenerationTimings
    /// What is right, where it is known.
    let right: String?

    /// Whether it is right, whatever the case; nil where nobody knows.
    var isRight: Bool? {
      func plain(_ text: String) -> String { text.lowercased().trimmingCharacters(in: .whitespacesAndNewlines) }
      return right.map { plain($0) == plain(text) }
    }

    init(_ question: StreamRun.Question, _ answer: Answer, right: String?) {
      self.right = right
      (self.question, seconds, text) = (question.text, question.seconds, answer.text)
      (tokens, timings) = (answer.result.tokens, answer.timings)
    }
  }

  /// What was held after a minute of the video.
  struct Memory: Encodable {
    let seconds: Double
    let kvCacheBytes: Int
    let residentBytes: Int
  }

  var answers: [Item] = []
  private(set) var stream = StreamReport()
  private(set) var keptPerSecond = 0.0
  private(set) var pace = StreamRun.Counts()
  /// At the first frame of each minute.
  private(set) var memory: [Memory] = []
  private(set) var peakMemoryBytes = 0

  /// Writes memory down once a minute.
  mutating func note(_ seconds: Double, _ stream: StreamReport) {
    guard seconds >= 60 * Double(memory.count) else { return }
    memory.append(Memory(seconds: seconds, kvCacheBytes: stream.kvCacheBytes, residentBytes: residentMemoryBytes()))
  }

  mutating func finish(_ stream: StreamReport, _ counts: StreamRun.Counts) {
    (self.stream, pace, keptPerSecond) = (stream, counts, stream.keptPerSecond)
    peakMemoryBytes = EpicCLI.peakMemoryBytes()
  }

  /// A line for each kind of figure.
  var text: String {
    let share = stream.tokens > 0 ? 100 * Double(stream.keptTokens) / Double(stream.tokens) : 0
    let known = answers.compactMap(\.isRight)
    let rights = known.isEmpty ? [] : ["right       \(known.count { $0 }) of \(known.count) answers"]
    let minutes = memory.dropFirst().map { "\(formatBytes($0.residentBytes)) after \(Int($0.seconds / 60)) min" }
    let memories =
      minutes.isEmpty ? [] : ["memory      " + ([minutes[0]] + minutes.dropFirst().suffix(1)).joined(separator: ", ")]
    return
      (rights + [
        "frames      \(stream.frames) in \(String(format: "%.1f", stream.seconds)) s, \(pace.droppedFrames) dropped as they were late",
        String(
          format: "tokens      %.1f read a second, %d of %d (%.1f %%)", keptPerSecond, stream.keptTokens, stream.tokens, share),
        String(format: "lag         %.2f s on average, %.2f s at most", pace.meanLag, pace.maxLag),
        "cache       \(stream.cachedTokens) tokens, \(formatBytes(stream.kvCacheBytes)); \(stream.forgottenTokens) forgotten",
      ] + memories).joined(separator: "\n")
  }
}
