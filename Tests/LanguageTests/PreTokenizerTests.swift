import Foundation
import TestSupport
import Testing

@testable import Language

@Suite struct PreTokenizerTests {
  private func step(_ json: String) throws -> PreTokenizer {
    try PreTokenizer(JSONNode(value: try JSONReader.parse(Array(json.utf8)), file: "tokenizer.json", path: "pre_tokenizer"))
  }

  private func words(_ json: String, _ text: String) throws -> [String] {
    try step(json).split(Array(text.utf8)[...], isStart: true).map { String(decoding: $0, as: UTF8.self) }
  }

  /// The example in the documentation of the `tokenizers` package.
  @Test(arguments: [
    ("Removed", ["the", "final", "countdown"]), ("Isolated", ["the", "-", "final", "-", "-", "countdown"]),
    ("MergedWithPrevious", ["the-", "final-", "-", "countdown"]), ("MergedWithNext", ["the", "-final", "-", "-countdown"]),
    ("Contiguous", ["the", "-", "final", "--", "countdown"]),
  ]) func matchesBecomeWhatTheBehaviorSays(_ behavior: String, _ expected: [String]) throws {
    for pattern in [#"{"String": "-"}"#, #"{"Regex": "-"}"#, #"{"Regex": "\\p{Pd}"}"#] {
      let json = #"{"type": "Split", "pattern": \#(pattern), "behavior": "\#(behavior)"}"#
      #expect(try words(json, "the-final--countdown") == expected)
    }
  }

  @Test func everyStepWorksOnTheWordsOfTheOneBefore() throws {
    let digits = #"{"type": "Digits", "individual_digits": true}"#
    let bytes = #"{"type": "ByteLevel", "add_prefix_space": false}"#
    let sequence = #"{"type": "Sequence", "pretokenizers": [\#(digits), \#(bytes)]}"#
    #expect(try words(sequence, "in 2024: é") == ["in", "Ġ", "2", "0", "2", "4", ":", "ĠÃ©"])
    // Spelt first, what was a space is no space any more.
    let reversed = #"{"type": "Sequence", "pretokenizers": [\#(bytes), {"type": "WhitespaceSplit"}, \#(digits)]}"#
    #expect(try words(reversed, "a 12") == ["a", "Ġ", "1", "2"])
  }

  @Test func aPatternThatTakesForeverIsGivenUp() throws {
    let step = try step(#"{"type": "Split", "pattern": {"Regex": "(a|a|aa)+$"}, "behavior": "Isolated"}"#)
    let text = Array((String(repeating: "a", count: 200) + "b").utf8)
    let error = #expect(throws: LanguageError.self) { try step.split(text[...], isStart: true) }
    #expect(error?.description.contains("regular expression") == true)
  }

  @Test func oneExpressionServesManyTasks() async throws {
    let step = try step(#"{"type": "Split", "pattern": {"Regex": "\\p{N}{1,2}|\\s+$"}, "behavior": "Isolated"}"#)
    let expected = ["a", "12", "3", "b", "  "]
    await withTaskGroup(of: [String]?.self) { group in
      for _ in 0..<64 {
        group.addTask {
          let found = try? step.split(Array("a123b  ".utf8)[...], isStart: true)
          return found?.map { String(decoding: $0, as: UTF8.self) }
        }
      }
      for await found in group { #expect(found == expected) }
    }
  }
}
