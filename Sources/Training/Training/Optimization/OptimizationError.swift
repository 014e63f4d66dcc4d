/// Why weights could not be updated.
public enum OptimizationError: Error, Equatable, CustomStringConvertible {
  /// An option and what is wrong with it.
  public struct Problem: Sendable, Equatable {
    /// The option's name in flags and configuration files.
    public let option: String
    /// What follows its name in a sentence.
    public let reason: String

    init(_ option: String, _ reason: String) {
      self.option = option
      self.reason = reason
    }
  }

  /// Options whose values make no sense, all of them.
  case invalidOptions([Problem])
  /// A gradient holds NaN or is infinite.
  case gradientNotFinite(parameter: String)
  /// A saved state lacks a tensor.
  case stateMissing(String)
  /// A saved tensor belongs to another parameter.
  case stateMismatch(String, found: [Int], expected: [Int])

  /// One sentence for people.
  public var description: String {
    switch self {
    case .invalidOptions(let problems): problems.map { "\($0.option) \($0.reason)" }.joined(separator: "; ")
    case .gradientNotFinite(let parameter):
      "the gradient of \(parameter) is not finite; no weight was changed: lower the learning rate or look at the batch"
    case .stateMissing(let name):
      "the optimizer's state has no tensor \(name); resume with the groups that the run was started with"
    case .stateMismatch(let name, let found, let expected):
      "the optimizer's state has \(name) of shape \(found), expected \(expected); it belongs to another model"
    }
  }
}
