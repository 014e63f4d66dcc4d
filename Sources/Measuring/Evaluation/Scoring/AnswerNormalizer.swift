import Basics
import Language

/// How an answer is normalised before it is compared.
///
/// Three variants are in circulation and are not interchangeable. All delete or space out punctuation, delete full stops, map
/// number words to digits (and "none" to 0), drop articles and restore apostrophes of contractions. Whitespace is Python's.
public enum AnswerNormalizer: String, Sendable, CaseIterable {
  /// N1, "EvalAI processor": LLaVA's `m4c_evaluator`, MMF, lmms-eval.
  ///
  /// Before all else it lower-cases, deletes commas and question marks, and splits off `'s`.
  case m4c
  /// N2, the official VQA scorer: none of that; lower-cases when it looks at words.
  case vqa
  /// N2 as lmms-eval has it for VQAv2: several commas in a row between two digits count as one.
  case vqaCommaRuns
  /// N3, VLMEvalKit: N2, but a full stop next to a digit on either side stays.
  case vlmevalkit

  /// The normalised answer.
  public func callAsFunction(_ answer: String) -> String {
    var text = Array(answer.unicodeScalars)
    if self == .m4c {
      text = Array(answer.lowercased().unicodeScalars.filter { $0 != "," && $0 != "?" })
      text = Self.strip(Self.splittingPossessives(text))
    }
    text = Self.strip(text.map { $0 == "\n" || $0 == "\t" ? " " : $0 })
    return words(Self.deletingStops(punctuated(text), keepsBehindDigit: self == .vlmevalkit))
  }

  /// What the official VQA scorer does to answers that it does not normalise: newlines and tabs to spaces, and strip.
  public static func whitespaceOnly(_ answer: String) -> String {
    string(strip(answer.unicodeScalars.map { $0 == "\n" || $0 == "\t" ? " " : $0 }))
  }

  /// Lower-cases, removes punctuation as N3 and splits into words, which is how VLMEvalKit looks for "yes" and "no".
  static func vlmevalkitWords(_ answer: String) -> [String] {
    let text = AnswerNormalizer.vlmevalkit.punctuated(Array(answer.lowercased().unicodeScalars))
    return string(deletingStops(text, keepsBehindDigit: true)).pythonWords
  }

  private static let marks = Set(";/[]\"{}()=+\\_-><@`,?!".unicodeScalars)
  private static let numbers = [
    "none": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7",
    "eight": "8", "nine": "9", "ten": "10",
  ]
  private static let articles: Set = ["a", "an", "the"]

  /// Deletes a mark that is next to a space anywhere in the text as it came, and puts a space for the others.
  ///
  /// A comma between two digits anywhere makes every mark be deleted. N1 has no commas left at this point.
  private func punctuated(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    let deletesAll = hasCommaBetweenDigits(text)
    var besideSpace: Set<Unicode.Scalar> = []
    for (one, next) in zip(text, text.dropFirst()) {
      if one == " " { besideSpace.insert(next) }
      if next == " " { besideSpace.insert(one) }
    }
    return text.compactMap { scalar in
      guard Self.marks.contains(scalar) else { return scalar }
      return deletesAll || besideSpace.contains(scalar) ? nil : " "
    }
  }

  private func hasCommaBetweenDigits(_ text: [Unicode.Scalar]) -> Bool {
    var index = 1
    while index < text.count {
      guard text[index] == ",", text[index - 1].isDigit else {
        index += 1
        continue
      }
      var end = index + 1
      if self == .vqaCommaRuns { while end < text.count, text[end] == "," { end += 1 } }
      if end < text.count, text[end].isDigit { return true }
      index = end
    }
    return false
  }

  /// Deletes the first 32 full stops that no digit follows.
  ///
  /// The original means to look behind as well but for a typo does not, and passes a flag (of value 32) where a count belongs.
  private static func deletingStops(_ text: [Unicode.Scalar], keepsBehindDigit: Bool) -> [Unicode.Scalar] {
    var deleted = 0
    return text.indices.compactMap { index in
      guard text[index] == ".", deleted < 32 else { return text[index] }
      if index + 1 < text.count, text[index + 1].isDigit { return text[index] }
      if keepsBehindDigit, index > 0, text[index - 1].isDigit { return text[index] }
      deleted += 1
      return nil
    }
  }

  private func words(_ text: [Unicode.Scalar]) -> String {
    Self.string(text).lowercased().pythonWords.map { Self.numbers[$0] ?? $0 }.filter { !Self.articles.contains($0) }
      .map { Contractions.table[$0] ?? $0 }.joined(separator: " ")
  }

  private static func splittingPossessives(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    text.indices.flatMap { index -> [Unicode.Scalar] in
      text[index] == "'" && index + 1 < text.count && text[index + 1] == "s" ? [" ", "'"] : [text[index]]
    }
  }

  private static func strip(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    let front = text.drop(while: \.isPythonWhitespace)
    guard let last = front.lastIndex(where: { !$0.isPythonWhitespace }) else { return [] }
    return Array(front[...last])
  }

  private static func string(_ scalars: [Unicode.Scalar]) -> String { String(String.UnicodeScalarView(scalars)) }
}

extension Unicode.Scalar {
  /// Python's `\d`.
  fileprivate var isDigit: Bool { properties.generalCategory == .decimalNumber }
}
