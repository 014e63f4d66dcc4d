/// A case of the golden data, or why there is none.
public enum GoldenCase<Value: Sendable>: Sendable, CustomStringConvertible {
  /// A case.
  case found(Value)
  /// Why the data give none.
  case missing(String)

  /// The case.
  ///
  /// - Throws: `NoCases`.
  public func get() throws -> Value {
    switch self {
    case .found(let value): value
    case .missing(let reason): throw NoCases(description: reason)
    }
  }

  /// What a test's report calls it.
  public var description: String {
    switch self {
    case .found(let value): "\(value)"
    case .missing: "no case"
    }
  }
}

/// There is nothing to test with.
public struct NoCases: Error, CustomStringConvertible {
  /// What is missing.
  public let description: String
}
