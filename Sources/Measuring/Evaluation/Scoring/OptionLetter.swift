/// Finds which option of a multiple-choice question a free answer means, by the rules of two public tools.
enum OptionLetter {
  /// VLMEvalKit's `exact_matching`, without a language model.
  ///
  /// 1. Certain stock refusals are Z.
  /// 2. With `. ( ) [ ] , : ; ! * # { }` as spaces, exactly one option's letter is a word, first among the last four words.
  /// 3. No letter but the word Z: Z.
  /// 4. "answer is X", in any case, where X is an option's letter.
  /// 5. In an answer no longer than twice all options, exactly one option's text, both in lower case.
  ///
  /// "A bedroom" is option A by rule 2.
  static func vlmevalkit(_ answer: String, options: [(letter: String, text: String)]) -> String? {
    if answer.holds("Failed to obtain answer via API") { return nil }
    if refusals.contains(where: { answer.holds($0) }) { return "Z" }
    let spaced = String(String.UnicodeScalarView(answer.unicodeScalars.map { punctuation.contains($0) ? " " : $0 }))
    let words = spaced.pythonWords
    let present = options.map(\.letter).filter { words.contains($0) }
    if present.count == 1, let place = words.firstIndex(of: present[0]), place > words.count - 5 { return present[0] }
    if present.isEmpty, words.contains("Z") { return "Z" }
    if let stated = statedLetter(words, among: options.map(\.letter)) { return stated }
    let length = options.reduce(0) { $0 + $1.text.unicodeScalars.count }
    return answer.unicodeScalars.count > 2 * length ? nil : uniqueText(answer, options)
  }

  /// lmms-eval without its language model, which else would be asked where this finds nothing.
  ///
  /// 1. Exactly one bare letter A...E between whitespace, unless an A is there and the answer has more than three words.
  /// 2. Exactly one letter with one of the affixes `X.` `X,` `X:` `X)` `X).` `(X)` `(X).` `:X` `:X,` `:X.` `:X)` `:X).`, in this order.
  /// 3. Exactly one option's text, both in lower case.
  static func lmmsEval(_ answer: String, options: [(letter: String, text: String)]) -> String? {
    if answer.holds("Failed to obtain answer via API") { return nil }
    let words = answer.pythonWords
    let bare = letters.filter { words.contains($0) }
    if bare.count == 1, !(words.contains("A") && words.count > 3) { return bare[0] }
    for (prefix, suffix) in affixes {
      let found = letters.filter { words.contains(prefix + $0 + suffix) }
      if found.count == 1 { return found[0] }
    }
    return uniqueText(answer, options)
  }

  private static let letters = ["A", "B", "C", "D", "E"]
  private static let punctuation = Set(".()[],:;!*#{}".unicodeScalars)
  private static let affixes = [
    ("", "."), ("", ","), ("", ":"), ("", ")"), ("", ")."), ("(", ")"), ("(", ")."), (":", ""), (":", ","), (":", "."),
    (":", ")"),
    (":", ")."),
  ]
  private static let refusals = [
    "Sorry, I can't help with images of people yet.", "I can't process this file.", "I'm sorry, but without the image provided",
    "Cannot determine the answer",
  ]

  private static func statedLetter(_ words: [String], among letters: [String]) -> String? {
    for index in words.indices.dropFirst(2)
    where words[index - 2].lowercased() == "answer" && words[index - 1].lowercased() == "is" {
      let letter = words[index].uppercased()
      if letters.contains(letter) { return letter }
    }
    return nil
  }

  private static func uniqueText(_ answer: String, _ options: [(letter: String, text: String)]) -> String? {
    let lowered = answer.lowercased()
    let found = options.filter { lowered.holds($0.text.lowercased()) }
    return found.count == 1 ? found[0].letter : nil
  }
}
