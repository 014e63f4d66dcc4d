/// What a template has while it is rendered: what it has written, where it is, and how much it may still do.
///
/// Every statement, expression and visited value is a step; scanning text counts as well. Text and lists that are made are counted by their
/// bytes. So rendering ends after a bounded time and in bounded memory, whatever the template says.
public final class Machine {
  /// Steps that a template may take, beside a multiple of what it is given.
  static let maximumSteps = 300_000
  /// Bytes that it may make in all, beside a multiple of what it is given.
  static let maximumBytes = 1 << 25
  /// Statements, expressions and calls inside of one another.
  static let maximumDepth = 80
  /// Lists and dicts inside of one another, in a value that is kept.
  static let maximumNesting = 32

  private var steps = 0
  private var bytes = 0
  private var depth = 0
  private let allowedSteps, allowedBytes: Int
  /// The line that is being carried out.
  var line = 1
  /// What is being written.
  var output = ""
  /// Seconds since 1970, for `strftime_now`.
  let now: Double
  /// Names that every template knows.
  let globals: [String: Value]
  /// Scopes that a macro refers to and that refer to the macro.
  var entangled: [Scope] = []

  /// - Parameter size: bytes of what the template is given.
  init(size: Int, now: Double) {
    self.now = now
    allowedSteps = Self.maximumSteps + 4 * min(size, 1 << 32)
    allowedBytes = Self.maximumBytes + 64 * min(size, 1 << 32)
    globals = Functions.all
  }

  /// Counts work.
  func step(_ count: Int = 1) throws {
    steps += count
    if steps > allowedSteps { throw JinjaError(.exceeded, "takes more than \(allowedSteps) steps") }
  }

  /// Counts the bytes of new text, or of a new list.
  func charge(_ count: Int) throws {
    bytes += count
    if bytes > allowedBytes { throw JinjaError(.exceeded, "makes more than \(allowedBytes >> 20) MiB of text") }
  }

  /// Counts bytes of text that are looked at.
  func scan(_ text: String) throws { try step(1 + text.utf8.count / 64) }

  /// Carries out something one level deeper.
  func deeper<T>(_ body: () throws -> T) throws -> T {
    depth += 1
    defer { depth -= 1 }
    if depth > Self.maximumDepth { throw JinjaError(.exceeded, "calls itself, or nests, more than \(Self.maximumDepth) deep") }
    return try body()
  }

  /// New text as a value.
  func string(_ text: String) throws -> Value {
    try charge(text.utf8.count)
    return .string(text)
  }

  /// A new list as a value.
  func list(_ values: [Value]) throws -> Value {
    try charge(values.count * 16)
    return .list(values)
  }

  /// What is written while `body` runs, in place of writing it.
  func captured(_ body: () throws -> Void) throws -> String {
    let outer = output
    output = ""
    defer { output = outer }
    try body()
    return output
  }

  func write(_ text: String) throws {
    try charge(text.utf8.count)
    output += text
  }

  func failure(_ problem: String) -> JinjaError { JinjaError(.failed, problem) }

  /// Refuses values that hold one another too deeply, as printing and letting go of them descends by recursion.
  func requireFlat(_ value: Value, depth: Int = 0) throws {
    if depth > Self.maximumNesting {
      throw JinjaError(.exceeded, "keeps a value that is nested more than \(Self.maximumNesting) deep")
    }
    func require(_ values: some Collection<Value>) throws {
      // Most values hold nothing and are passed by.
      try step(1 + values.count / 8)
      for value in values where value.isContainer { try requireFlat(value, depth: depth + 1) }
    }
    switch value {
    case .list(let values), .tuple(let values), .view(_, let values): try require(values)
    case .dict(let dict): try require(dict.values)
    case .iterator(let iterator): try require(iterator.remaining)
    case .namespace where depth > 0:
      // Namespaces could hold one another in a circle.
      throw JinjaError(.unsupported, "a namespace inside of another value")
    default: break
    }
  }
}

extension Value {
  /// Whether it may hold other values.
  fileprivate var isContainer: Bool {
    switch self {
    case .list, .tuple, .view, .dict, .iterator, .namespace: true
    default: false
    }
  }
}

/// Names and what they stand for, in one block of a template.
final class Scope {
  var variables: [String: Value]
  let parent: Scope?

  init(parent: Scope?, _ variables: [String: Value] = [:]) { (self.parent, self.variables) = (parent, variables) }

  func value(of name: String) -> Value? {
    var scope: Scope? = self
    while let here = scope {
      if let value = here.variables[name] { return value }
      scope = here.parent
    }
    return nil
  }
}

/// What a call hands over.
public struct Arguments {
  var positional: [Value] = []
  var named: [(name: String, value: Value)] = []

  /// Values in the order of the parameters' names; nil for those that are not given.
  ///
  /// - Throws: `JinjaError` for an argument that has no parameter, or two for one, or a missing one of the first `required`.
  func bound(to parameters: String..., required: Int = 0, of function: String) throws -> [Value?] {
    if positional.count > parameters.count {
      throw JinjaError(.failed, "\(function) takes \(parameters.count) arguments and is given \(positional.count)")
    }
    var values: [Value?] = positional + [Value?](repeating: nil, count: parameters.count - positional.count)
    for (name, value) in named {
      guard let index = parameters.firstIndex(of: name) else {
        throw JinjaError(.failed, "\(function) has no argument \"\(name)\"")
      }
      if values[index] != nil { throw JinjaError(.failed, "\(function) is given \"\(name)\" twice") }
      values[index] = value
    }
    if let missing = (0..<required).first(where: { values[$0] == nil }) {
      throw JinjaError(.failed, "\(function) is not given \"\(parameters[missing])\"")
    }
    return values
  }

  /// The same without the first positional ones.
  func dropping(_ count: Int) -> Arguments { Arguments(positional: Array(positional.dropFirst(count)), named: named) }
}

extension Value {
  /// The whole number that an argument is to be.
  func integer(_ what: String) throws -> Int {
    guard case .int(let value)? = number else { throw JinjaError(.failed, "\(what) is \(literal), expected a whole number") }
    return value
  }

  /// The text that an argument is to be.
  func string(_ what: String) throws -> String {
    guard case .string(let text) = self else { throw JinjaError(.failed, "\(what) is of type \(type), expected a string") }
    return text
  }
}
