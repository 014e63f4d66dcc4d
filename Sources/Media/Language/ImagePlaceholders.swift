import Basics

/// Stands for an image among token ids; it is never embedded.
public let imagePlaceholderID = -200

/// Marks where an image belongs in a text.
public let imageTag = "<image>"

/// Tokenises a text around its images.
///
/// The text is divided at `<image>`, each part is tokenised on its own, and one `imagePlaceholderID` goes between parts.
/// Special ids that the tokenizer adds, as a rule one BOS, come with the first part only. Where the model marks the beginning and the end
/// of a picture, the marks are put around it unless the text has them.
/// - Throws: `LanguageError.encodingFailed`.
public func encodeWithImages(_ text: String, tokenizer: some Tokenizer) throws -> [Int] {
  var ids: [Int] = []
  let frame = tokenizer.imageFrame
  for (index, part) in split(text, separator: imageTag).enumerated() {
    let own = try tokenizer.encode(part, addSpecialTokens: index == 0)
    if index > 0 {
      if !ids.suffix(frame.before.count).elementsEqual(frame.before) { ids += frame.before }
      ids.append(imagePlaceholderID)
      if !own.starts(with: frame.after) { ids += frame.after }
    }
    ids += own
  }
  return ids
}

extension Turn {
  /// How many image tags the text has.
  public var imageTags: Int { split(text, separator: imageTag).count - 1 }

  /// The turn as LLaVA trains on it: if the text has image tags, all are removed and one goes to the front, on a line of
  /// its own.
  ///
  /// A turn never has more than one image after this, whatever it had before. Whitespace around the text is removed, as
  /// Python's `strip` does, but only if there was a tag.
  public func withImageTagInFront() -> Turn {
    let parts = split(text, separator: imageTag)
    guard parts.count > 1 else { return self }
    let words = Self.stripped(parts.joined())
    return Turn(role, words.isEmpty ? imageTag : imageTag + "\n" + words)
  }

  private static func stripped(_ text: String) -> String {
    let front = text.unicodeScalars.drop(while: \.isPythonWhitespace)
    guard let last = front.lastIndex(where: { !$0.isPythonWhitespace }) else { return "" }
    return String(String.UnicodeScalarView(front[...last]))
  }
}
