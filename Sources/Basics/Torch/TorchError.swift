import CTorch

/// What libtorch, or a check before it, refused.
public enum TorchError: Error, Equatable, CustomStringConvertible {
  /// An operator failed; `message` is the first line of libtorch's text.
  case operatorFailed(name: String, message: String)
  /// The loaded libtorch lacks an operator.
  case unknownOperator(name: String, message: String)
  /// A tensor does not have the shape that its user needs; `nil` stands for any size.
  case shapeMismatch(what: String, found: [Int], expected: [Int?])
  /// A tensor holds another element type than its reader asked for.
  case dtypeMismatch(what: String, found: DType, expected: DType)
  /// A tensor of libtorch's whose elements are complex, quantised or in an eight-bit format, by libtorch's number of the type.
  case unknownDType(code: Int)
  /// A device that this machine or this libtorch does not have.
  case noSuchDevice(String)

  /// One sentence for people.
  public var description: String {
    switch self {
    case .operatorFailed(let name, let message): "\(name): \(message)"
    case .unknownOperator(let name, let message): "\(name): \(message); use the libtorch version that `epic` was tested with"
    case .shapeMismatch(let what, let found, let expected):
      "\(what) has shape \(found), expected [\(expected.map { $0.map(String.init) ?? "any" }.joined(separator: ", "))]"
    case .dtypeMismatch(let what, let found, let expected): "\(what) holds \(found), expected \(expected)"
    case .unknownDType(let code):
      "a tensor holds elements of libtorch's type \(code), complex, quantised or of eight bits; make it a tensor of real numbers first"
    case .noSuchDevice(let name): "there is no device \(name) here; use cpu, or cuda with a CUDA build of libtorch and a GPU"
    }
  }
}

/// Throws the text of this thread's last failure unless `status` is zero.
func check(_ status: Int32, _ name: @autoclosure () -> String) throws {
  if status != 0 {
    throw TorchError.operatorFailed(name: name(), message: String(cString: ct_last_error()))
  }
}
