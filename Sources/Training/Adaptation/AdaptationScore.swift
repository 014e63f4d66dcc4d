import Foundation

/// How a model answers the questions that were set apart, at one budget.
public struct AdaptationScore: Sendable, Equatable, Codable {
  /// Visual tokens of a picture that stay.
  public var tokens: Int
  /// Share of the answers that are, but for case, space and the last full stop, those of the model before with all tokens.
  public var agreement: Double
  /// Share of the answers that are right likewise; nil where no label is known.
  public var accuracy: Double?
  /// Questions that were answered.
  public var questions: Int

  /// - Parameters:
  ///   - answers: by question; nil where there is none.
  ///   - reference: those of the model before, with all tokens.
  ///   - labels: what is right, where it is known.
  init(tokens: Int, _ answers: [String?], reference: [String?], labels: [String?]) {
    let pairs = zip(answers, reference).compactMap { answer, reference in
      reference.map { Self.plain($0) == answer.map(Self.plain) }
    }
    let known = zip(answers, labels).compactMap { answer, label in label.map { Self.plain($0) == answer.map(Self.plain) } }
    self.tokens = tokens
    questions = pairs.count
    agreement = Double(pairs.count { $0 }) / Double(max(1, pairs.count))
    accuracy = known.isEmpty ? nil : Double(known.count { $0 }) / Double(known.count)
  }

  /// An answer without what does not count.
  static func plain(_ text: String) -> String {
    var words = text.lowercased().split(whereSeparator: \.isWhitespace).joined(separator: " ")
    if words.hasSuffix(".") { words.removeLast() }
    return words
  }
}
