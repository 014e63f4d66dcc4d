import Foundation
import Language
import TestSupport
import Testing

@testable import Shapes

@Suite struct ShapesTokenizerTests {
  private func tokenizer() throws -> any Tokenizer {
    let scratch = try Scratch()
    try ShapesTokenizer.scenes.write(to: scratch.url)
    return try TokenizerLoader.load(from: scratch.url)
  }

  /// Conversations as training and benchmarks have them.
  private func conversations(_ count: Int) -> [[Turn]] {
    (0..<count).map { index in
      var generator = SceneGenerator(seed: 12, stream: UInt64(index))
      let scene = Scene(using: &generator)
      return scene.questions(1 + index % 10, using: &generator).enumerated().flatMap { place, question in
        [Turn(.user, (place == 0 ? "<image>\n" : "") + question.prompt), Turn(.assistant, question.answer)]
      }
    }
  }

  @Test func specialTokensAreWhereTheyShouldBe() throws {
    let tokenizer = try tokenizer()
    #expect(tokenizer.bosTokenID == 1 && tokenizer.eosTokenID == 2 && tokenizer.padTokenID == 4)
    #expect(tokenizer.vocabularySize == ShapesTokenizer.scenes.vocabularySize)
    #expect(ShapesTokenizer.scenes.pieces[ShapesTokenizer.imageTokenID].text == "<image>")
    #expect(Set(ShapesTokenizer.scenes.pieces.map(\.text)).count == ShapesTokenizer.scenes.pieces.count)
    for group in PatchLabels.Group.allCases {
      for word in PatchLabels.words(group) { #expect(ShapesTokenizer.scenes.tokenID(ofWord: word) != nil, "\(word)") }
    }
    #expect(
      ShapesTokenizer.scenes.endings.count == 11 && ShapesTokenizer.scenes.plurals.count == 5
        && ShapesTokenizer.scenes.beginnings.count == 9)
  }

  /// An answer is predicted at the question's last word, and what is supervised is the answer and its end, nothing else.
  @Test func answersFollowTheLastWord() throws {
    let tokenizer = try tokenizer()
    let encoder = try SampleEncoder(template: .vicunaV1, tokenizer: tokenizer)
    let endings = Dictionary(uniqueKeysWithValues: ShapesTokenizer.scenes.endings.map { ($0.id, $0.word) })
    for turns in conversations(300) {
      let sample = try encoder.encode(turns, hasImage: true)
      var answers: [[Int]] = []
      for (index, label) in sample.labels.enumerated() where label != ignoredLabel {
        if sample.labels[index - 1] == ignoredLabel {
          answers.append([])
          let lines = turns[2 * (answers.count - 1)].text.split(separator: "\n").map(String.init)
          let question = try #require(lines.first { $0.hasSuffix("?") })
          let words = question.replacing("?", with: "").split(separator: " ").map(String.init)
          #expect(endings[sample.ids[index - 1]] == words.last)
        }
        answers[answers.count - 1].append(label)
      }
      #expect(answers.count == turns.count / 2)
      for (answer, turn) in zip(answers, turns.enumerated().filter { $0.offset % 2 == 1 }.map(\.element)) {
        #expect(answer.last == ShapesTokenizer.eosTokenID)
        #expect(try tokenizer.decode(Array(answer.dropLast()), skipSpecialTokens: true) == turn.text)
        // One token, or the space and the characters of a sign.
        #expect(answer.count == 2 || answer.count == 5)
      }
    }
  }

  @Test func conversationsNeedNoLetters() throws {
    let tokenizer = try tokenizer()
    let letters = Set(
      ShapesTokenizer.scenes.pieces.indices.filter { index in
        let piece = ShapesTokenizer.scenes.pieces[index]
        return piece.text.count == 1 && piece.text.first?.isLetter == true && !Glyph.characters.contains(Character(piece.text))
      })
    let encoder = try SampleEncoder(template: .vicunaV1, tokenizer: tokenizer)
    for turns in conversations(300) {
      let ids = try encoder.encode(turns, hasImage: true).ids
      #expect(letters.isDisjoint(with: ids) && !ids.contains(ShapesTokenizer.unknownTokenID))
    }
  }

  @Test func anyTextComesBack() throws {
    let tokenizer = try tokenizer()
    var random = SplitMix(seed: 2)
    for _ in 0..<200 {
      let length = Int.random(in: 1...40, using: &random)
      let text = String((0..<length).map { _ in Character(Unicode.Scalar(UInt8.random(in: 0x21...0x7e, using: &random))) })
      let words = ["is there a", text, "red circle?", "top left"].shuffled(using: &random).joined(separator: " ")
      #expect(try tokenizer.decode(tokenizer.encode(words, addSpecialTokens: true), skipSpecialTokens: true) == words)
    }
  }

  /// Python's sentencepiece reads `tokenizer.model`, transformers `tokenizer.json`; both give our ids.
  @Test func othersGiveTheSameTokens() async throws {
    let scratch = try Scratch()
    try ShapesTokenizer.scenes.write(to: scratch.url)
    let tokenizer = try TokenizerLoader.load(from: scratch.url)
    let texts =
      try conversations(60).map {
        try ConversationTemplate.vicunaV1.render($0.map { Turn($0.role, $0.text.replacing("<image>\n", with: "")) })
      }
      + ["Hello, World!", "a red circle", "<s>x</s>USER: is there a circle?", "top left", "what does the sign say?"]
    let url = scratch.url.appending(path: "texts.json")
    try JSONEncoder().encode(texts).write(to: url)
    let output: String
    do {
      output = try await PythonProgram.run("shapes_tokenizer.py", [scratch.url.path, url.path])
    } catch PythonProgram.Failure.unavailable(let reason) {
      print("skipped the comparison with sentencepiece and transformers: \(reason)")
      try Test.cancel("\(reason)")
    }
    struct Ids: Decodable { let transformers: [[Int]], sentencepiece: [[Int]?] }
    let found = try JSONDecoder().decode(Ids.self, from: Data(output.utf8))
    for (index, text) in texts.enumerated() {
      let own = try tokenizer.encode(text, addSpecialTokens: true)
      #expect(found.transformers[index] == own, "\(text)")
      if let ids = found.sentencepiece[index] { #expect([1] + ids == own, "\(text)") }
    }
  }
}
