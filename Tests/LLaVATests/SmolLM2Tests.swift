import Foundation
import Language
import TestSupport
import Testing
import Torch

@testable import LLaVA

/// A language model that people have, SmolLM2-135M-Instruct behind a random tower, as transformers and tokenizers see it.
@Suite struct SmolLM2Tests {
  private struct Expected: Decodable {
    struct Answer: Decodable {
      let prompt: String
      let ids, tokens: [Int]
    }
    struct Text: Decodable {
      let text, decoded: String
      let ids: [Int]
    }
    struct Chat: Decodable {
      struct Message: Decodable { let role, content: String }
      let turns: [Message]
      let prompt: String
    }
    let answers: [Answer]
    let texts: [Text]
    let chats: [Chat]
  }

  @Test func answersAndIDsAreThoseOfTransformers() async throws {
    let folder: URL
    do {
      folder = try await PythonProgram.smolLM2()
    } catch PythonProgram.Failure.unavailable(let reason) {
      print("skipped the comparison with SmolLM2: \(reason)")
      try Test.cancel("\(reason)")
    }
    let expected = try JSONDecoder().decode(Expected.self, from: Data(contentsOf: folder.appending(path: "expected.json")))
    #expect(expected.answers.count == 20 && expected.texts.count == 400 && !expected.chats.isEmpty)
    let pipeline = try LLaVAPipeline.load(from: folder.appending(path: "model"), dtype: .float32)
    #expect(pipeline.template.name == "checkpoint" && pipeline.template.stopStrings == ["<|im_end|>"])

    let differing = try expected.texts.filter { example in
      let ids = try pipeline.tokenizer.encode(example.text, addSpecialTokens: false)
      let decoded = try pipeline.tokenizer.decode(ids, skipSpecialTokens: false)
      return ids != example.ids || !decoded.utf8.elementsEqual(example.decoded.utf8)
    }
    #expect(differing.map(\.text.debugDescription) == [])
    for chat in expected.chats {
      let turns = try chat.turns.map { Turn(try Turn.Role(named: $0.role), $0.content) }
      #expect(try pipeline.template.prompt(for: turns) == chat.prompt)
    }

    for answer in expected.answers {
      #expect(try pipeline.tokenizer.encode(answer.prompt, addSpecialTokens: false) == answer.ids, "\(answer.prompt)")
    }
    // All together, which takes a tenth of the time, and one alone, whose decoding goes another way.
    for (answers, count) in [(expected.answers, expected.answers[0].tokens.count), (Array(expected.answers.prefix(1)), 3)] {
      var options = GenerationOptions()
      options.stopsAtEnd = false
      options.maximumNewTokens = count
      let (results, _) = try pipeline.model.generate(answers.map { GenerationRequest(ids: $0.ids) }, options)
      for (result, answer) in zip(results, answers) {
        #expect(result.tokens == Array(answer.tokens.prefix(count)), "\(answer.prompt)")
      }
    }
  }
}
