import Foundation
import TestSupport
import Testing

@testable import Language

private struct Golden: Decodable {
  struct Sample: Decodable {
    struct Message: Decodable {
      let from, value: String
    }
    let id: String
    let conversations: [Message]

    func turns() throws -> [Turn] { try conversations.map { Turn(try .init(named: $0.from), $0.value) } }
  }
  struct Mode: Decodable {
    let error: String?
    let input_ids: [Int]?
    let labels: [Int]?
    let mismatch: Bool
  }
  struct Case: Decodable {
    let sample: Sample
    let has_image: Bool
    let values_after_preprocess_multimodal: [String]
    let legacy_false, legacy_true: Mode

    func mode(legacy: Bool) -> Mode { legacy ? legacy_true : legacy_false }
  }
  struct Batch: Decodable {
    let legacy: Bool
    let samples: [String]
    let input_ids, labels: [[Int]]
  }
  let model_max_length: Int
  let vicuna_v1, plain: [Case]
  let collated_batches: [Batch]
}

@Suite struct SampleEncoderTests {
  private let golden: Golden

  init() throws {
    golden = try Fixtures.decode(Golden.self, "conversations.json")
    _ = try (Fixtures.some(golden.vicuna_v1), Fixtures.some(golden.plain), Fixtures.some(golden.collated_batches))
  }

  private func encoder(
    _ template: ConversationTemplate, legacy: Bool, _ semantics: SampleEncoder.Semantics
  ) throws -> SampleEncoder {
    try SampleEncoder(
      template: template, tokenizer: Fixtures.sentencePiece(legacy: legacy), semantics: semantics,
      maximumLength: golden.model_max_length)
  }

  @Test(arguments: [true, false]) func referenceEqualsLLaVA(legacy: Bool) throws {
    for (template, cases) in [(ConversationTemplate.vicunaV1, golden.vicuna_v1), (.plain, golden.plain)] {
      let encoder = try encoder(template, legacy: legacy, .reference)
      for golden in cases {
        let mode = golden.mode(legacy: legacy)
        let turns = try golden.sample.turns()
        if mode.error != nil {
          #expect(throws: LanguageError.self) { try encoder.encode(turns, hasImage: golden.has_image) }
          continue
        }
        let sample = try encoder.encode(turns, hasImage: golden.has_image)
        #expect(sample.ids == mode.input_ids, "\(golden.sample.id)")
        #expect(sample.labels == mode.labels, "\(golden.sample.id)")
        #expect(sample.isMismatched == mode.mismatch, "\(golden.sample.id)")
      }
    }
  }

  @Test(arguments: [true, false]) func correctedEqualsLLaVAWhereItCountsRight(legacy: Bool) throws {
    for (template, cases) in [(ConversationTemplate.vicunaV1, golden.vicuna_v1), (.plain, golden.plain)] {
      let encoder = try encoder(template, legacy: legacy, .corrected)
      for golden in cases where !golden.mode(legacy: legacy).mismatch {
        let mode = golden.mode(legacy: legacy)
        let turns = try golden.sample.turns()
        if mode.error != nil {
          #expect(throws: LanguageError.self) { try encoder.encode(turns, hasImage: golden.has_image) }
          continue
        }
        let sample = try encoder.encode(turns, hasImage: golden.has_image)
        #expect(sample.ids == mode.input_ids, "\(golden.sample.id)")
        #expect(sample.labels == mode.labels, "\(golden.sample.id)")
      }
    }
  }

  /// Where LLaVA gives up, the supervised ids must spell the answers with their ends, and the ids stay LLaVA's unless an
  /// answer is empty.
  @Test(arguments: [true, false]) func correctedSupervisesWhatLLaVAThrowsAway(legacy: Bool) throws {
    let encoder = try encoder(.vicunaV1, legacy: legacy, .corrected)
    let tokenizer = try Fixtures.sentencePiece(legacy: legacy)
    for golden in golden.vicuna_v1 where golden.mode(legacy: legacy).mismatch {
      let sample = try encoder.encode(try golden.sample.turns(), hasImage: golden.has_image)
      var messages = Array(zip(golden.sample.conversations, golden.values_after_preprocess_multimodal))
      if messages.first?.0.from == "gpt" { messages.removeFirst() }
      let endsEmpty = messages.last.map { $0.0.from == "gpt" && $0.1.isEmpty } ?? false
      let answers = messages.enumerated().filter { $1.0.from == "gpt" && (!$1.1.isEmpty || $0 == messages.count - 1) }
        .map(\.element.1)
      if !endsEmpty {
        #expect(sample.ids == golden.mode(legacy: legacy).input_ids, "\(golden.sample.id)")
      }
      guard golden.mode(legacy: legacy).input_ids?.count ?? 0 < self.golden.model_max_length else { continue }
      let supervised = zip(sample.ids, sample.labels).filter { $1 != ignoredLabel }
      #expect(supervised.allSatisfy { $0 == $1 })
      let spelling = try tokenizer.decode(
        supervised.map(\.0).filter { $0 != imagePlaceholderID }, skipSpecialTokens: false)
      // Images have no text. An end token inside an answer changes the spaces that decoding puts around it, so spaces are left out.
      let expected = answers.map { $0 + "</s>" }.joined()
      let spaceless: (String) -> [Unicode.Scalar] = { $0.unicodeScalars.filter { $0 != " " && $0 != "\u{2581}" } }
      let words = golden.has_image ? split(expected, separator: imageTag).joined() : expected
      #expect(spaceless(spelling) == spaceless(words), "\(golden.sample.id)")
    }
  }

  @Test func emptyLastAnswerEndsBehindTheHeader() throws {
    let tokenizer = try Fixtures.sentencePiece(legacy: false)
    let encoder = try SampleEncoder(template: .vicunaV1, tokenizer: tokenizer)
    let asked = [Turn(.user, "One."), Turn(.assistant, ""), Turn(.user, "Two.")]
    let sample = try encoder.encode(asked + [Turn(.assistant, "")], hasImage: false)
    let prompt = try tokenizer.encode(ConversationTemplate.vicunaV1.prompt(for: asked), addSpecialTokens: true)
    let end = try #require(tokenizer.eosTokenID)
    #expect(sample.ids == prompt + [end])
    #expect(sample.labels == [Int](repeating: ignoredLabel, count: prompt.count) + [end])
  }

  /// Every prompt that inference would build for a turn is the beginning of the sample, and what follows it up to the end
  /// token is exactly what is supervised there.
  @Test(arguments: ["vicuna_v1", "llama_2", "chatml"]) func supervisionBeginsWhereGenerationWould(name: String) throws {
    let template = try ConversationTemplate.named(name)
    let tokenizers: [any Tokenizer] =
      name == "chatml"
      ? [try TokenizerLoader.load(from: Fixtures.bytePair("qwen2"))]
      : [try Fixtures.sentencePiece(legacy: false), try Fixtures.sentencePiece(legacy: true)]
    let end = name == "chatml" ? "<|im_end|>" : "</s>"
    var random = SplitMix(seed: 21)
    let words = ["the", "man", "14", "café", "你好", "😀", "don't", "A cat.", "x = 1;", "ASSISTANT:", "a\nb"]
    for tokenizer in tokenizers {
      let encoder = try SampleEncoder(template: template, tokenizer: tokenizer)
      for _ in 0..<40 {
        let turns = (0..<2 * Int.random(in: 1..<4, using: &random)).map { index in
          let text = (0..<Int.random(in: 1..<6, using: &random)).compactMap { _ in words.randomElement(using: &random) }
          return Turn(index % 2 == 0 ? .user : .assistant, text.joined(separator: " "))
        }
        let sample = try encoder.encode(turns, hasImage: false)
        #expect(sample.ids == (try tokenizer.encode(try template.render(turns), addSpecialTokens: true)))
        var expected = [Int](repeating: ignoredLabel, count: sample.ids.count)
        let endID = try #require(tokenizer.tokenID(of: end))
        for count in stride(from: 1, to: turns.count, by: 2) {
          let prompt = try tokenizer.encode(try template.prompt(for: Array(turns.prefix(count))), addSpecialTokens: true)
          #expect(Array(sample.ids.prefix(prompt.count)) == prompt)
          let stop = try #require(sample.ids[prompt.count...].firstIndex(of: endID))
          expected.replaceSubrange(prompt.count...stop, with: sample.ids[prompt.count...stop])
        }
        #expect(sample.labels == expected, "\(turns)")
      }
    }
  }

  @Test func batchesEqualTheCollators() throws {
    let samples = Dictionary(uniqueKeysWithValues: golden.vicuna_v1.map { ($0.sample.id, $0) })
    for batch in golden.collated_batches {
      let encoder = try encoder(.vicunaV1, legacy: batch.legacy, .corrected)
      let rows = try batch.samples.map { id in
        let golden = try #require(samples[id])
        return try encoder.encode(golden.sample.turns(), hasImage: golden.has_image)
          .truncated(to: self.golden.model_max_length)
      }
      let width = rows.map(\.ids.count).max() ?? 0
      func padded(_ row: [Int], _ value: Int) -> [Int] { row + [Int](repeating: value, count: width - row.count) }
      #expect(rows.map { padded($0.ids, 0) } == batch.input_ids)
      #expect(rows.map { padded($0.labels, ignoredLabel) } == batch.labels)
    }
  }

  @Test func imageTagsMoveAsInLLaVA() throws {
    for golden in golden.vicuna_v1 where golden.has_image {
      let texts = try golden.sample.turns().map { $0.withImageTagInFront().text }
      #expect(texts == golden.values_after_preprocess_multimodal, "\(golden.sample.id)")
    }
  }

  @Test func captionsNeedOneImageAndOneAnswer() throws {
    let encoder = try encoder(.plain, legacy: false, .corrected)
    for turns in [[], [Turn(.user, "<image>")], [Turn(.user, "no image"), Turn(.assistant, "a")]] {
      #expect(throws: LanguageError.self) { try encoder.encode(turns, hasImage: true) }
    }
    #expect(throws: LanguageError.noReferenceLabels(template: "chatml")) {
      _ = try self.encoder(.chatML, legacy: false, .reference)
    }
  }
}
