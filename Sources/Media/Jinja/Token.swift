/// A piece of a template.
struct Token: Equatable {
  enum Kind: Equatable {
    /// Text outside of tags.
    case data
    case blockBegin, blockEnd, variableBegin, variableEnd
    /// A name or a keyword.
    case name
    case string, integer, float
    /// An operator or a bracket.
    case mark
    case end
  }

  let kind: Kind
  /// The text; of a string what it stands for.
  let text: String
  let line: Int

  /// How errors name it.
  var shown: String {
    switch kind {
    case .data: "text"
    case .blockBegin: "\"{%\""
    case .blockEnd: "the end of the tag"
    case .variableBegin: "\"{{\""
    case .variableEnd: "\"}}\""
    case .end: "the end of the template"
    case .string: "a string"
    default: "\"\(text)\""
    }
  }
}
