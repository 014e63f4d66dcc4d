import Foundation
import Language
import Torch

/// An answer as text, growing token by token.
public struct AnswerStream {
  private var text: TextStream
  private var stops: StopStrings
  /// All text so far.
  public private(set) var answer = ""

  /// An empty answer that ends at any of the given strings.
  public init(_ tokenizer: any Tokenizer, stopStrings: [String]) {
    text = TextStream(tokenizer)
    stops = StopStrings(stopStrings)
  }

  /// Takes a token and returns the text that can be shown now, never half a character nor part of a stop string.
  public mutating func append(_ token: Int) throws -> (piece: String, stopped: Bool) {
    let output = stops.append(try text.append(token))
    answer += output.text
    return (output.text, output.stopped)
  }

  /// What was held back and can be shown after the last token.
  public mutating func finish() throws -> String {
    let output = stops.append(try text.finish())
    let rest = output.text + stops.finish()
    answer += rest
    return rest
  }
}

/// A whole answer and what it cost.
public struct Answer: Sendable {
  /// The text, without stop strings and surrounding white space.
  public let text: String
  /// Tokens, finish reason and counts.
  public let result: GenerationResult
  /// Seconds of each stage.
  public let timings: GenerationTimings

  /// An answer from its parts.
  public init(text: String, result: GenerationResult, timings: GenerationTimings) {
    self.text = text
    self.result = result
    self.timings = timings
  }

  /// New tokens per second after the first one; 0 where there was no second.
  public var tokensPerSecond: Double {
    result.tokens.count > 1 && timings.decode > 0 ? Double(result.tokens.count - 1) / timings.decode : 0
  }
}

extension LLaVAPipeline {
  /// Answers one request, handing out text as it comes.
  ///
  /// - Parameters:
  ///   - stopStrings: end the answer beside those of the template.
  ///   - receive: is given each piece of text; returns false to end the answer.
  /// - Throws: as `LLaVAModel.generate`.
  public func answer(
    _ request: GenerationRequest, _ options: GenerationOptions = GenerationOptions(), stopStrings: [String] = [],
    receive: (String) -> Bool = { _ in true }
  ) throws -> Answer {
    var cache: KeyValueCache?
    return try answer(request, options, stopStrings: stopStrings, cache: &cache, receive: receive)
  }

  /// The same from a cache.
  ///
  /// - Parameter cache: what the answer continues from; nil makes one. Comes back with what it holds in the end, nil after an error.
  public func answer(
    _ request: GenerationRequest, _ options: GenerationOptions = GenerationOptions(), stopStrings: [String] = [],
    cache: inout KeyValueCache?, receive: (String) -> Bool = { _ in true }
  ) throws -> Answer {
    var stream = AnswerStream(tokenizer, stopStrings: template.stopStrings + stopStrings)
    var caches = cache.take().map { [$0] }
    let (results, timings) = try model.generate([request], options, caches: &caches) { _, token in
      let (piece, stopped) = try stream.append(token)
      let wanted = receive(piece)
      return stopped ? .stop : wanted ? .proceed : .cancel
    }
    cache = caches?.first
    let rest = try stream.finish()
    if !rest.isEmpty { _ = receive(rest) }
    return Answer(text: stream.answer.trimmingCharacters(in: .whitespacesAndNewlines), result: results[0], timings: timings)
  }
}
