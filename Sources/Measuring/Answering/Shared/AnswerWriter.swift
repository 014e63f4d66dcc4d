import Foundation
import LLaVA
import Torch

/// Writes the answers of streams that have read their prompts, a token of each at a time.
struct AnswerWriter {
  /// What a stream was answered.
  struct Answer {
    var tokens: [Int] = []
    var text = ""
    var finish = GenerationResult.Finish.length
  }

  private let pipeline: LLaVAPipeline
  private let streams: [Stream]
  private let limits: [Int]
  private var texts: [AnswerStream]
  private var answers: [Answer]

  /// - Parameters:
  ///   - streams: whose `hidden` is the last row of the prompt, and whose caches hold the prompt.
  ///   - limits: the most tokens of each answer.
  init(_ pipeline: LLaVAPipeline, _ streams: [Stream], limits: [Int]) throws {
    self.pipeline = pipeline
    self.streams = streams
    self.limits = limits
    texts = streams.map { _ in AnswerStream(pipeline.tokenizer, stopStrings: pipeline.template.stopStrings) }
    answers = streams.map { _ in Answer() }
  }

  /// The likeliest token of each, until an end or the limit.
  ///
  /// - Throws: `GenerationError.notFinite`.
  mutating func write() throws -> [Answer] {
    if streams.isEmpty { return [] }
    let model = pipeline.model
    var rows = try concatenate(streams.map(\.hidden))
    var active = Array(streams.indices)
    var step = 0
    while true {
      let logits = try model.decoder.logits(rows)
      guard try logits.to(.float32).sum().item().isFinite else { throw GenerationError.notFinite(step: step) }
      let tokens = try logits.argmax(-1).array(Int.self)
      active = try zip(active, tokens).filter { try accept($1, for: $0) }.map(\.0)
      if active.isEmpty { break }
      step += 1
      let caches = active.map { streams[$0].cache }
      let next = PackedBatch(
        hidden: try model.decoder.embedding.embedding(
          Tensor(active.map { answers[$0].tokens.last ?? 0 }, on: model.device)),
        positions: try Tensor(caches.map(\.nextPosition), on: model.device), lengths: active.map { _ in 1 },
        visual: active.map { _ in [] })
      rows = try model.decoder.run(layers: 0..<model.configuration.text.layers, next, caches: caches).hidden
      for cache in caches { cache.advance(by: 1) }
    }
    for index in answers.indices {
      _ = try texts[index].finish()
      answers[index].text = texts[index].answer.trimmingCharacters(in: .whitespacesAndNewlines)
    }
    return answers
  }

  /// Adds a token; false where the answer ends.
  private mutating func accept(_ token: Int, for stream: Int) throws -> Bool {
    if pipeline.model.configuration.eosTokenIDs.contains(token) {
      answers[stream].finish = .stop
      return false
    }
    answers[stream].tokens.append(token)
    if try texts[stream].append(token).stopped {
      answers[stream].finish = .stop
      return false
    }
    return answers[stream].tokens.count < limits[stream]
  }
}
