/// Why there is no such curriculum.
public enum CurriculumError: Error, Equatable, CustomStringConvertible {
  /// An option and what is wrong with it.
  public struct Problem: Sendable, Equatable {
    /// The option.
    public let option: CurriculumOptions.Name
    /// What follows its name in a sentence.
    public let reason: String

    init(_ option: CurriculumOptions.Name, _ reason: String) {
      self.option = option
      self.reason = reason
    }
  }

  /// No curriculum has this name.
  case unknownCurriculum(String, known: [String])
  /// No preset has this name.
  case unknownPreset(String, known: [String])
  /// A preset has no constants for a curriculum.
  case notInPreset(curriculum: String, preset: String, has: [String], use: String)
  /// Options whose values make no sense, all of them.
  case invalidOptions([Problem])

  /// One sentence for people.
  public var description: String {
    switch self {
    case .unknownCurriculum(let name, let known):
      "there is no curriculum \(name); known are \(known.joined(separator: ", "))"
    case .unknownPreset(let name, let known): "there is no preset \(name); known are \(known.joined(separator: ", "))"
    case .notInPreset(let curriculum, let preset, let has, let use):
      "preset \(preset) has no constants for the curriculum \(curriculum), only for \(has.joined(separator: " and ")); "
        + "use preset \(use)"
    case .invalidOptions(let problems):
      problems.map { "\($0.option.rawValue) \($0.reason)" }.joined(separator: "; ")
    }
  }
}
