import TestSupport
import Testing

@testable import Evaluation

/// The tables of the benchmark specification, whose values came out of the official scorers.
@Suite struct NormalizerTests {
  static let table: [(input: String, m4c: String, vqa: String)] = [
    ("The Red Car.", "red car", "red car"), ("two dogs", "2 dogs", "2 dogs"), ("None", "0", "0"),
    ("T-shirt", "t shirt", "t shirt"),
    ("left - right", "left right", "left right"), ("10,000", "10000", "10000"),
    ("10,000 dollars - approx", "10000 dollars approx", "10000 dollars approx"), ("1.5", "1.5", "1.5"), ("3.", "3", "3"),
    ("3.5.", "3.5", "3.5"), ("U.S.A.", "usa", "usa"), ("10:30 a.m.", "10:30 am", "10:30 am"),
    ("mom's van", "mom 's van", "mom's van"),
    ("It's a cat", "it 's cat", "it's cat"), ("John's, Mary's", "john 's mary 's", "john's mary's"),
    ("dont know", "don't know", "don't know"), ("Im", "im", "im"), ("ive been", "ive been", "ive been"),
    ("oclock", "o'clock", "o'clock"), ("somebody'd", "somebodyd", "somebodyd"), ("red,white", "redwhite", "red white"),
    ("red, white, and blue", "red white and blue", "red white and blue"), ("1,5 and 2-3", "15 and 2 3", "15 and 23"),
    ("5-7", "5 7", "5 7"), ("(left)", "left", "left"), ("yes/no", "yes no", "yes no"), ("a", "", ""), ("a.", "", ""),
    ("the.", "", ""), ("twenty-one", "twenty 1", "twenty 1"), ("one-two", "1 2", "1 2"),
    ("ten thousand", "10 thousand", "10 thousand"),
    ("$5.00", "$5.00", "$5.00"), ("100%", "100%", "100%"), ("Café", "café", "café"), ("e.g. cat", "eg cat", "eg cat"),
  ]

  @Test(arguments: table)
  func specificationTable(input: String, m4c: String, vqa: String) {
    #expect(AnswerNormalizer.m4c(input) == m4c)
    #expect(AnswerNormalizer.vqa(input) == vqa)
  }

  @Test func onlyThirtyTwoStopsGo() {
    let text = (0..<51).map { String(UnicodeScalar(UInt8(97 + $0 % 26))) + "." }.joined(separator: " ")
    for normalize in [AnswerNormalizer.m4c, .vqa] { #expect(normalize(text).filter { $0 == "." }.count == 51 - 32) }
  }

  @Test func stopsBesideDigitsStayInVLMEvalKit() {
    #expect(AnswerNormalizer.vlmevalkit("3.") == "3.")
    #expect(AnswerNormalizer.vlmevalkit(".5") == ".5")
    #expect(AnswerNormalizer.vlmevalkit("U.S.A.") == "usa")
    #expect(AnswerNormalizer.vlmevalkit("Two dogs.") == "2 dogs")
  }

  /// Where N1's first steps are left out, lmms-eval takes several commas between digits for one.
  @Test func commaRunsBetweenDigits() {
    #expect(AnswerNormalizer.vqa("1,,5 and 2-3") == "1 5 and 2 3")
    #expect(AnswerNormalizer.vqaCommaRuns("1,,5 and 2-3") == "15 and 23")
    #expect(AnswerNormalizer.vqaCommaRuns("1,5 and 2-3") == "15 and 23")
  }

  @Test func contractionTableIsWhole() {
    #expect(Contractions.table.count == 120)
    #expect(Contractions.table["yall'd've"] == "y'all'd've")
    #expect(Contractions.table["twas"] == "'twas")
    #expect(Contractions.table["'ow'sat"] == "'ow's'at")
    for word in ["its", "lets", "shes", "well", "were", "ill", "id"] { #expect(Contractions.table[word] == nil) }
    for key in Contractions.table.keys where key.contains("'s") || key.contains(where: \.isUppercase) {
      #expect(AnswerNormalizer.m4c(key) != Contractions.table[key], "\(key) cannot be reached in N1")
    }
  }

  /// Outer whitespace and, for answers with a word in them, case make no difference; what comes out has no article and no double space.
  @Test func invariances() {
    let pieces = [
      "red", "The", "a", "two", "None", "don't", "dont", "mom's", "-", "/", ",", ".", "?", "1", "10,000", "3.5", " ", "\t", "é",
    ]
    var random = SplitMix(seed: 1)
    for _ in 0..<3000 {
      let text = (0..<Int.random(in: 0...7, using: &random)).map { _ in
        (pieces.randomElement(using: &random) ?? "") + (Bool.random(using: &random) ? " " : "")
      }.joined()
      for normalize in AnswerNormalizer.allCases {
        let result = normalize(text)
        #expect(normalize(" \t" + text + "\n ") == result, "\(text)")
        #expect(normalize(text.uppercased()) == result || text.contains("é"), "\(text)")
        #expect(!result.contains("  ") && result.pythonStripped == result)
        #expect(result.pythonWords.allSatisfy { !["a", "an", "the"].contains($0) })
      }
    }
  }
}
