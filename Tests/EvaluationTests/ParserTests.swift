import EvaluationLayouts
import Testing

@testable import Evaluation

/// How each benchmark reads an answer; the cases are the specification's, run through the official code.
@Suite struct ParserTests {
  @Test func gqa() {
    let cases: [(String, String, Bool)] = [
      ("red", "Red", true), ("red", "Red.", true), ("red", "the red", false), ("yes", "Yes", true), ("no", "no...", true),
      ("t-shirt", "t shirt", false), ("left", " Left", false),
    ]
    for (gold, answer, isRight) in cases { #expect(GQA.judge(answer, gold, scorer: "llava").isRight == isRight, "\(answer)") }
    for (gold, answer, isRight) in [
      ("red", "Red.", true), ("t-shirt", "tshirt", true), ("t-shirt", "t shirt", false), ("red", "the red", false),
      ("left", " left", false),
    ] { #expect(GQA.judge(answer, gold, scorer: "lmms-eval").isRight == isRight, "\(answer)") }
    #expect(GQA.judge(" Red", "red", scorer: "vlmevalkit").isRight)
    #expect(!GQA.judge("Red.", "red", scorer: "vlmevalkit").isRight)
  }

  @Test func scienceQA() {
    let reference = ScienceQA.Reference(gold: "B", choices: ["granite", "basalt", "marble"])
    func isRight(_ answer: String, _ scorer: String) -> Bool { ScienceQA.parse(answer, reference, scorer: scorer) == "B" }
    for answer in ["B", "B. basalt", "The answer is B.", "The answer is B. Because the answer is B.", "The answer is Bx"] {
      #expect(isRight(answer, "llava"), "\(answer)")
    }
    for answer in [
      "B.basalt", "b", "(B)", "The answer is B", "basalt", "D", "F", "B) basalt", " B", "B: basalt", "", "The answer is B\n",
      "The answer is B. The answer is B.",
    ] { #expect(!isRight(answer, "llava"), "\(answer)") }
    for answer in ["B", "b", "B.basalt", "B. basalt"] { #expect(isRight(answer, "lmms-eval"), "\(answer)") }
    for answer in ["basalt", "(B)", "The answer is B."] {
      #expect(!isRight(answer, "lmms-eval"), "\(answer)")
      #expect(isRight(answer, "vlmevalkit"), "\(answer)")
    }
  }

  @Test func pope() {
    for answer in ["Yes", "yes", "Yes, there is.", "none", "no\n", "NO", "Yes. No cat", "Nope", "I cannot see", "", "blue"] {
      #expect(POPE.saysYes(answer, scorer: "llava") == true, "\(answer)")
    }
    for answer in ["No", "no", "No.", "No, there is not.", "There is no dog. Yes", "There is not a dog", "It is not"] {
      #expect(POPE.saysYes(answer, scorer: "llava") == false, "\(answer)")
    }
    #expect(POPE.saysYes(" YES ", scorer: "lmms-eval") == true)
    #expect(POPE.saysYes("Yes.", scorer: "lmms-eval") == nil)
    #expect(POPE.saysYes("Yes, there is.", scorer: "vlmevalkit") == true)
    #expect(POPE.saysYes("NO", scorer: "vlmevalkit") == false)
    #expect(POPE.saysYes("yes and no", scorer: "vlmevalkit") == nil)
  }

  @Test func mme() {
    for answer in ["Yes", "yes.", "Yes\n", "Eyes"] { #expect(MME.saysYes(answer, scorer: "llava") == true, "\(answer)") }
    for answer in ["No", " No", "no, it isn't", "not sure", "none", "know", "north", "nothing"] {
      #expect(MME.saysYes(answer, scorer: "llava") == false, "\(answer)")
    }
    for answer in ["The answer is yes", "unknown", "n", "Y", "eh, yes", "ok yes", "It is", ""] {
      #expect(MME.saysYes(answer, scorer: "llava") == nil, "\(answer)")
    }
    #expect(MME.saysYes("Y", scorer: "lmms-eval") == true)
    #expect(MME.saysYes(" n. ", scorer: "lmms-eval") == false)
    #expect(MME.saysYes("ok yes", scorer: "vlmevalkit") == true)
  }

  /// Answers about kitchen, bedroom, office and garage; nil where a tool fails.
  static let letters: [(answer: String, isPlain: Bool, vlmevalkit: String?, lmmsEval: String?)] = [
    ("B", true, "B", "B"), ("B.", false, "B", "B"), ("(B)", false, "B", "B"), ("B. bedroom", false, "B", "B"),
    ("The answer is B.", false, "B", "B"), ("bedroom", false, "B", "B"), ("It is a bedroom", false, "B", "B"),
    ("b", false, nil, nil),
    ("", false, nil, nil), ("None of them", false, nil, nil), ("A bedroom", false, "A", "A"),
    ("A man stands in the office", false, "C", "C"), ("A or B", false, nil, nil), ("A. kitchen B. bedroom", false, nil, nil),
    ("I think B because the room has a bed in it", false, nil, "B"), ("The correct answer is **B**", false, "B", nil),
    ("E", false, nil, "E"), ("Z", false, "Z", nil), ("Answer:C", false, "C", nil),
  ]

  @Test(arguments: letters)
  func mmBench(answer: String, isPlain: Bool, vlmevalkit: String?, lmmsEval: String?) {
    let options = ["kitchen", "bedroom", "office", "garage"]
    #expect((MMBench.parse(answer, options, scorer: "exact") == "B") == isPlain)
    #expect(MMBench.parse(answer, options, scorer: "vlmevalkit") == vlmevalkit)
    #expect(MMBench.parse(answer, options, scorer: "lmms-eval") == lmmsEval)
  }

  @Test func everyOptionHasALetterOfItsOwn() {
    let letters = (0..<2000).map(AnswerFile.letter)
    #expect(letters.prefix(26).joined() == "ABCDEFGHIJKLMNOPQRSTUVWXYZ" && letters[26...28] == ["AA", "AB", "AC"])
    #expect(letters[51...53] == ["AZ", "BA", "BB"] && letters[701...702] == ["ZZ", "AAA"])
    #expect(Set(letters).count == letters.count)
    let options = (0..<40).map { (letter: letters[$0], text: "option \($0)") }
    for index in 0..<40 where letters[index] != "A" {
      #expect(OptionLetter.vlmevalkit("The answer is \(letters[index]).", options: options) == letters[index])
    }
  }

  @Test func cellsThatAreTakenForEmpty() {
    for text in ["", "nan", "NaN", "None", "NONE", "N/A", "NULL", "null"] { #expect(MMBench.isMissing(text), "\(text)") }
    for text in ["No", "Null", "none of these", "0"] { #expect(!MMBench.isMissing(text), "\(text)") }
  }

  @Test func ocrBench() {
    let cases: [([String], String, Bool)] = [
      (["CENTRE"], "The word is Centre.", true), (["CENTRE"], "center", false), (["EXIT"], "EXITS ONLY", true),
      (["2719"], "It reads 2,719", false), (["2719"], "12719", true), (["0.57", "57%"], "57 %", false),
      (["0.57", "57%"], "about 57% of adults", true), (["line one\nline two"], "LINE ONE LINE TWO", true),
      (["$506 million"], "506 million", false), (["CHAIN"], "", false), (["MRS. K. A. SPARROW"], "Mrs. K.A. Sparrow", false),
      (["the  cat"], "the cat", false),
    ]
    for (answers, text, isRight) in cases {
      #expect(OCRBench.isRight(text, OCRBench.Reference(answers: answers, dataset: "svt")) == isRight, "\(text)")
    }
    let formulas: [([String], String, Bool)] = [
      (["x _ { 1 } = 2\n", "x_1 = 2\n"], "$x_1=2$", true), (["x _ { 1 } = 2\n", "x_1 = 2\n"], "x_{1} = 2", true),
      (["V = 3\n"], "v = 3", false), (["a + b"], "a+b=c", true),
    ]
    for (answers, text, isRight) in formulas {
      let found = OCRBench.isRight(text, OCRBench.Reference(answers: answers, dataset: "HME100k"))
      #expect(found == isRight, "\(text)")
    }
  }

  @Test func textVQAFindsTheQuestionInAPrompt() {
    let suffix = PromptSuffix.shortAnswer
    #expect(TextVQA.question(in: "What brand?\nReference OCR token: a, b" + suffix) == "What brand?")
    #expect(TextVQA.question(in: "Reference OCR token: a\nWhat brand?" + suffix) == "What brand?")
    #expect(TextVQA.question(in: "What brand?" + suffix) == "What brand?")
    #expect(TextVQA.question(in: "OCR tokens: a, b. Question: What brand? Short answer:") == "What brand?")
    #expect(TextVQA.question(in: "What brand?\nReference OCR token: a\nb" + suffix) == nil)
    #expect(TextVQA.question(in: "What brand?") == nil)
  }

  @Test func pythonText() {
    #expect("what IS This?  ".pythonCapitalized == "What is this?  ")
    #expect("éA".pythonCapitalized == "Éa")
    #expect(" \u{1c}x\u{3000}".pythonStripped == "x")
    #expect("a\r\nb".partsBetween("\n") == ["a\r", "b"])
  }
}
