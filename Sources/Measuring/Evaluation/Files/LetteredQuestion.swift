/// A multiple-choice question as MVBench and MLVU put it, options in brackets: "(A) red".
struct LetteredQuestion {
  /// "Question: …", "Options:" and a line for each option.
  let text: String
  /// The options in their order.
  let options: [String]
  /// The letter of the option that is the answer, the last of several.
  ///
  /// Where none is, as in two questions of MLVU, it is "@", which stands before A: such questions cannot be answered right.
  let gold: String

  /// - Throws: `RecordFault`.
  init(_ record: Record) throws(RecordFault) {
    let (question, answer) = (try record.text("question"), try record.text("answer"))
    options = try record.texts("candidates")
    guard (1...26).contains(options.count) else { throw record.fault("it has \(options.count) candidates, expected 1 to 26") }
    gold = options.lastIndex(of: answer).map(AnswerFile.letter) ?? "@"
    let lines = options.enumerated().map { "(\(AnswerFile.letter($0))) \($1)" }
    text = (["Question: \(question)", "Options:"] + lines).joined(separator: "\n").pythonStripped
  }
}
