import Imaging
import Language
import TestModels
import TestSupport
import Testing
import Torch

@testable import LLaVA

/// What the cache keeps of a conversation changes nothing but the time.
@Suite struct ChatSessionTests {
  private func pipeline(_ seed: UInt64) throws -> LLaVAPipeline {
    var configuration = try LLaVAConfiguration.preset("tiny")
    ByteTokenizer.adopt(into: &configuration)
    let scratch = try Scratch()
    try ByteTokenizer.write(to: scratch.url)
    return LLaVAPipeline(
      model: try LLaVAModel(configuration, from: RandomParameters(seed: seed, deviation: 0.15)),
      tokenizer: try TokenizerLoader.load(from: scratch.url), preprocessor: ImagePreprocessor(imageSize: 56),
      template: try ConversationTemplate.named("vicuna_v1"))
  }

  @Test(arguments: UInt64(0)..<6) func laterTurnsEqualTheWholeConversationAnew(_ seed: UInt64) throws {
    let pipeline = try pipeline(seed)
    let images = seed % 3 == 0 ? [] : Array(repeating: try TestModel.drawing(), count: Int(seed % 3))
    var options = GenerationOptions()
    options.maximumNewTokens = 12
    options.temperature = seed % 2 == 0 ? 0 : 1
    options.seed = seed
    var session = try ChatSession(pipeline, images: images, options)
    for text in ["What is it?", "And the roof?", "Why?"] {
      let before = session.turns
      let answer = try session.reply(to: text)
      // The same conversation without any cache.
      let user = Turn(.user, before.isEmpty ? LLaVAPipeline.withImageTags(text, images: images.count) : text)
      let request = try pipeline.request(before + [user, Turn(.assistant, "")], images: images)
      let anew = try pipeline.answer(request, options)
      #expect(answer.text == anew.text)
      #expect(answer.result.tokens == anew.result.tokens)
      if !before.isEmpty { #expect(answer.result.promptTokens < anew.result.promptTokens, "the beginning came from the cache") }
    }
    #expect(session.turns.count == 6)
    session.reset()
    #expect(session.turns.isEmpty)
    #expect(try session.reply(to: "What is it?").result.visualTokens == 16 * images.count)
  }

  @Test func copiesOfASessionGoTheirOwnWays() throws {
    var options = GenerationOptions()
    options.maximumNewTokens = 8
    let pipeline = try pipeline(4)
    let images = [try TestModel.drawing()]
    var first = try ChatSession(pipeline, images: images, options)
    _ = try first.reply(to: "What is it?")
    var second = first
    func check(_ answer: Answer, _ session: ChatSession) throws {
      let request = try pipeline.request(Array(session.turns.dropLast()) + [Turn(.assistant, "")], images: images)
      #expect(try pipeline.answer(request, options).result.tokens == answer.result.tokens)
    }
    // The second one's turn is longer, so that a shared cache would hold enough for the first, but the wrong words.
    for text in ["And the roof?", "And the wall?"] {
      try check(first.reply(to: text), first)
      try check(second.reply(to: "Tell me in many more words about the sun. " + text), second)
    }
  }

  @Test func anAnswerThatIsStoppedStaysAsFarAsItCame() throws {
    var options = GenerationOptions()
    options.maximumNewTokens = 50
    var session = try ChatSession(pipeline(9), images: [], options)
    var pieces = 0
    let answer = try session.reply(to: "Go on") { _ in
      pieces += 1
      return pieces < 5
    }
    #expect(answer.result.finish == .cancelled && answer.result.tokens.count == 5)
    #expect(session.turns.last?.text == answer.text)
    // Greedy and without pictures, so what follows can be compared with a session that never stopped.
    let next = try session.reply(to: "And then?")
    let request = try session.pipeline.request(Array(session.turns.dropLast()) + [Turn(.assistant, "")], images: [])
    #expect(try session.pipeline.answer(request, options).result.tokens == next.result.tokens)
  }
}
