import Foundation
import TestSupport
import Testing

@testable import Language

/// Every kind of normalizer and pre-tokenizer, and those of known decoders, against the `tokenizers` package.
@Suite struct TokenizerKindsTests {
  private struct Kind: Decodable {
    struct Case: Decodable {
      let text, normalized: String
      let words: [String]
      let ids: [Int]
      let decoded: String
    }
    let name, file: String
    let cases: [Case]
  }

  @Test func wordsAndIDsAreThoseOfTheTokenizersPackage() async throws {
    let scratch = try Scratch()
    let output: String
    do {
      output = try await PythonProgram.run("tokenizer_kinds.py", [scratch.url.path])
    } catch PythonProgram.Failure.unavailable(let reason) {
      print("skipped the comparison with tokenizers: \(reason)")
      try Test.cancel("\(reason)")
    }
    let kinds = try JSONDecoder().decode([Kind].self, from: Data(output.utf8))
    #expect(kinds.count > 80 && kinds.allSatisfy { $0.cases.count >= 400 })
    for kind in kinds {
      let url = URL(filePath: kind.file)
      let root = try JSONNode.read(url)
      let (normalizer, preTokenizer) = (try TextNormalizer(root["normalizer"]), try PreTokenizer(root["pre_tokenizer"]))
      let tokenizer = try BytePairTokenizer(contentsOf: url)
      var differing: [String] = []
      for example in kind.cases {
        let normalized = try normalizer.apply(Array(example.text.utf8))
        let words = try preTokenizer.split(normalized[...], isStart: true)
        let ids = try tokenizer.encode(example.text, addSpecialTokens: false)
        let decoded = try tokenizer.decode(ids, skipSpecialTokens: true)
        let isSame =
          normalized.elementsEqual(example.normalized.utf8) && words.count == example.words.count
          && zip(words, example.words).allSatisfy { $0.elementsEqual($1.utf8) } && ids == example.ids
          && same(decoded, example.decoded)
        if !isSame { differing.append(example.text.debugDescription) }
      }
      #expect(differing == [], "\(kind.name): \(differing.count) of \(kind.cases.count)")
    }
  }
}
