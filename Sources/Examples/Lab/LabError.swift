/// Why a laboratory cannot work.
public enum LabError: Error, Equatable, CustomStringConvertible {
  /// The grid's file is no YAML, or cannot be read.
  case file(String, reason: String)
  /// Everything in the grid that makes no sense.
  case grid(String, [String])
  /// A file cannot be read or written.
  case unusable(path: String, reason: String)
  /// Another process works in the folder.
  case inUse(folder: String)

  /// One sentence for people.
  public var description: String {
    switch self {
    case .file(let path, let reason): "\(path): \(reason)"
    case .grid(let path, let problems): "\(path): \(problems.joined(separator: "; "))"
    case .unusable(let path, let reason): "\(path): \(reason); check the file and its permissions"
    case .inUse(let folder): "\(folder): another epic lab is at work in it; wait for it, or choose another --output"
    }
  }
}
