/// A value of a template, as Python has it.
///
/// Lists and dicts are values here: nothing in a sandboxed template can change one.
public enum Value {
  /// What a name stands for that nobody defined, under that name.
  case undefined(String)
  case none
  case bool(Bool)
  case int(Int)
  case float(Double)
  case string(String)
  case list([Value])
  case tuple([Value])
  case dict(Dict)
  /// Keys, values or items of a dict, under Python's name for them.
  case view(String, [Value])
  case range(Range)
  /// Values that can be visited once, as filters give them.
  case iterator(Iterator)
  case namespace(Namespace)
  case function(Function)
  case loop(LoopState)

  /// What `range` gives.
  public struct Range {
    let start, stop, step: Int

    var count: Int {
      let distance = step > 0 ? stop - start : start - stop
      return distance <= 0 ? 0 : (distance - 1) / abs(step) + 1
    }

    func element(_ index: Int) -> Int { start + index * step }
  }

  /// Values that can be visited once.
  public final class Iterator {
    private var values: ArraySlice<Value>

    init(_ values: [Value]) { self.values = values[...] }

    /// What is left, not visited.
    var remaining: ArraySlice<Value> { values }

    /// All that is left; nothing is left afterwards.
    func take() -> [Value] {
      defer { values = [] }
      return Array(values)
    }

    /// The next one; nil where none is left.
    func next() -> Value? { values.popFirst() }
  }

  /// The one kind of value whose members a template can assign to.
  public final class Namespace {
    var members: Dict

    init(_ members: Dict) { self.members = members }
  }

  /// Something that can be called.
  public final class Function {
    let name: String
    let body: (Machine, Arguments) throws -> Value

    init(_ name: String, _ body: @escaping (Machine, Arguments) throws -> Value) { (self.name, self.body) = (name, body) }
  }
}

/// Values by key, in the order in which the keys came.
public struct Dict {
  private(set) var keys: [Value] = []
  private(set) var values: [Value] = []

  /// Without members.
  public init() {}

  /// Members by name; of equal names the last one counts.
  public init(_ members: KeyValuePairs<String, Value>) {
    for (name, value) in members { self[.string(name)] = value }
  }

  var count: Int { keys.count }
  var pairs: Zip2Sequence<[Value], [Value]> { zip(keys, values) }

  /// The value of a key; keys that are equal in Python, such as 1 and true, are one.
  public subscript(key: Value) -> Value? {
    get { keys.firstIndex { $0.equals(key) }.map { values[$0] } }
    set {
      let index = keys.firstIndex { $0.equals(key) }
      switch (index, newValue) {
      case (let index?, let value?): values[index] = value
      case (nil, let value?):
        keys.append(key)
        values.append(value)
      case (let index?, nil):
        keys.remove(at: index)
        values.remove(at: index)
      case (nil, nil): break
      }
    }
  }
}

extension Value {
  /// How Python calls the type.
  var type: String {
    switch self {
    case .undefined: "Undefined"
    case .none: "NoneType"
    case .bool: "bool"
    case .int: "int"
    case .float: "float"
    case .string: "str"
    case .list: "list"
    case .tuple: "tuple"
    case .dict: "dict"
    case .view(let name, _): name
    case .range: "range"
    case .iterator: "generator"
    case .namespace: "Namespace"
    case .function: "function"
    case .loop: "LoopContext"
    }
  }

  /// Whether `if` takes it for true.
  var isTrue: Bool {
    switch self {
    case .undefined, .none: false
    case .bool(let value): value
    case .int(let value): value != 0
    case .float(let value): value != 0
    case .string(let value): !value.utf8.isEmpty
    case .list(let values), .tuple(let values), .view(_, let values): !values.isEmpty
    case .dict(let dict): dict.count > 0
    case .range(let range): range.count > 0
    case .iterator, .namespace, .function, .loop: true
    }
  }

  /// The number that it is in arithmetic, where a boolean is 0 or 1.
  var number: Number? {
    switch self {
    case .bool(let value): .int(value ? 1 : 0)
    case .int(let value): .int(value)
    case .float(let value): .float(value)
    default: nil
    }
  }

  enum Number {
    case int(Int)
    case float(Double)

    var double: Double {
      switch self {
      case .int(let value): Double(value)
      case .float(let value): value
      }
    }
  }

  var isUndefined: Bool { if case .undefined = self { true } else { false } }

  /// Python's `==`.
  func equals(_ other: Value) -> Bool {
    if let left = number, let right = other.number {
      if case .int(let left) = left, case .int(let right) = right { return left == right }
      return left.double == right.double
    }
    switch (self, other) {
    case (.undefined, .undefined), (.none, .none): return true
    case (.string(let left), .string(let right)): return left.utf8.elementsEqual(right.utf8)
    case (.list(let left), .list(let right)), (.tuple(let left), .tuple(let right)), (.view(_, let left), .view(_, let right)):
      return left.elementsEqual(right) { $0.equals($1) }
    case (.dict(let left), .dict(let right)):
      return left.count == right.count && left.pairs.allSatisfy { key, value in right[key].map { $0.equals(value) } ?? false }
    case (.range(let left), .range(let right)):
      return left.count == right.count
        && (left.count == 0 || left.start == right.start && (left.count == 1 || left.step == right.step))
    case (.iterator(let left), .iterator(let right)): return left === right
    case (.namespace(let left), .namespace(let right)): return left === right
    case (.function(let left), .function(let right)): return left === right
    case (.loop(let left), .loop(let right)): return left === right
    default: return false
    }
  }
}
