/// Why a template cannot be read, or does not come to its end.
public struct JinjaError: Error, Equatable, CustomStringConvertible {
  /// What kind of reason it is.
  public enum Kind: Sendable, Equatable {
    /// The text is no template.
    case syntax
    /// The template uses something of Jinja or Python that is not part of the subset here.
    case unsupported
    /// A value does not allow what is done with it; jinja2 ends there as well.
    case failed
    /// The template itself called `raise_exception`.
    case raised
    /// Too many steps, too deep, or too much text.
    case exceeded
  }

  /// What kind of reason it is.
  public let kind: Kind
  /// What is wrong, in words.
  public let problem: String
  /// The line of the template, from 1; 0 while nobody has said it.
  public internal(set) var line = 0

  init(_ kind: Kind, _ problem: String, line: Int = 0) {
    (self.kind, self.problem, self.line) = (kind, problem, line)
  }

  /// The line and what is wrong there.
  public var description: String {
    switch kind {
    case .syntax, .failed: "line \(line): \(problem)"
    case .unsupported: "line \(line): \(problem) is not supported"
    case .raised: "line \(line): the template refuses this conversation: \(problem)"
    case .exceeded: "line \(line): the template \(problem)"
    }
  }
}
