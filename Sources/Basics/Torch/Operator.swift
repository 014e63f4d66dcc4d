import CTorch

/// One argument of an operator call.
public enum OperatorArgument {
  /// An absent optional argument.
  case none
  /// The default that the operator's schema names.
  case standard
  /// A tensor.
  case tensor(Tensor)
  /// An integer, also for dtype and memory-format arguments.
  case int(Int)
  /// A floating-point number.
  case double(Double)
  /// A truth value.
  case bool(Bool)
  /// A string.
  case string(String)
  /// A device.
  case device(Device)
  /// A random number generator.
  case generator(Generator)
  /// A list of integers.
  case ints([Int])
  /// A list of floating-point numbers.
  case doubles([Double])
  /// A list of truth values.
  case bools([Bool])
  /// A list of tensors, absent ones as `nil`.
  case tensors([Tensor?])

  /// The dtype argument of factory and cast operators.
  public static func dtype(_ dtype: DType?) -> OperatorArgument { dtype.map { .int(Int($0.code)) } ?? .none }
  /// A tensor that may be absent.
  public static func optional(_ tensor: Tensor?) -> OperatorArgument { tensor.map(OperatorArgument.tensor) ?? .none }
  /// A generator that may be absent: libtorch then uses its default one.
  public static func optional(_ generator: Generator?) -> OperatorArgument { generator.map(OperatorArgument.generator) ?? .none }
}

/// What an operator returns.
enum Returned {
  case tensor(Tensor)
  case int(Int)
  case double(Double)
  case bool(Bool)
  case none
}

/// An operator of libtorch's dispatcher, found once by its name and called with arguments in the order of its schema.
///
/// A call costs about a microsecond beside the operator's own work, records autograd as usual, and reaches every ATen operator.
public final class Operator: Sendable {
  /// The dispatcher name with the overload: `aten::add.Tensor`.
  public let name: String
  private let found: Result<Handle, TorchError>

  private struct Handle: @unchecked Sendable { let pointer: ct_operator }

  /// Looks the operator up; a missing one is reported when it is called or resolved.
  public init(_ name: String) {
    self.name = name
    let parts = name.split(separator: ".", maxSplits: 1)
    var pointer: ct_operator?
    let status = ct_operator_find(String(parts.first ?? ""), parts.count > 1 ? String(parts[1]) : "", &pointer)
    if status == 0, let pointer {
      found = .success(Handle(pointer: pointer))
    } else {
      found = .failure(.unknownOperator(name: name, message: String(cString: ct_last_error())))
    }
  }

  /// Throws unless the loaded libtorch has this operator.
  public func resolve() throws {
    _ = try found.get()
  }

  /// Calls an operator that returns one tensor.
  ///
  /// - Throws: `TorchError` with this operator's name and libtorch's first line.
  public func callAsFunction(_ arguments: OperatorArgument...) throws -> Tensor {
    guard case .tensor(let tensor) = try call(arguments, only: 0) else {
      throw TorchError.operatorFailed(name: name, message: "returned no tensor")
    }
    return tensor
  }

  /// Calls an operator that returns several tensors, or a list of them.
  ///
  /// - Throws: `TorchError` with this operator's name and libtorch's first line.
  public func tensors(_ arguments: OperatorArgument...) throws -> [Tensor] {
    let count = try invoke(arguments)
    return try (0..<count).compactMap { if case .tensor(let tensor) = try result($0) { tensor } else { nil } }
  }

  /// Calls an operator for its effect.
  ///
  /// - Throws: `TorchError` with this operator's name and libtorch's first line.
  public func run(_ arguments: OperatorArgument...) throws {
    _ = try invoke(arguments)
  }

  private func call(_ arguments: [OperatorArgument], only index: Int32) throws -> Returned {
    guard try invoke(arguments) > index else { return .none }
    return try result(index)
  }

  private func invoke(_ arguments: [OperatorArgument]) throws -> Int32 {
    let handle = try found.get()
    var frame = ArgumentFrame(arguments)
    var count: Int32 = 0
    let status = frame.withValues { ct_call(handle.pointer, $0.baseAddress, Int32($0.count), &count) }
    try check(status, name)
    return count
  }

  private func result(_ index: Int32) throws -> Returned {
    var value = ct_value()
    try check(ct_result(index, &value), name)
    switch ct_tag(UInt32(value.tag)) {
    case CT_TENSOR:
      guard let pointer = value.pointer else { return .none }
      return .tensor(try Tensor(owning: OpaquePointer(pointer)))
    case CT_INT: return .int(Int(value.integer))
    case CT_DOUBLE: return .double(value.number)
    case CT_BOOL: return .bool(value.integer != 0)
    default: return .none
    }
  }
}
