import CTorch

/// A Swift type that is the element of a tensor.
public protocol TensorElement: BitwiseCopyable {
  /// The element type of tensors made from such values.
  static var dtype: DType { get }
}

extension Float: TensorElement {
  /// float32.
  public static var dtype: DType { .float32 }
}
extension Double: TensorElement {
  /// float64.
  public static var dtype: DType { .float64 }
}
extension Int64: TensorElement {
  /// int64.
  public static var dtype: DType { .int64 }
}
extension Int: TensorElement {
  /// int64.
  public static var dtype: DType { .int64 }
}
extension Int32: TensorElement {
  /// int32.
  public static var dtype: DType { .int32 }
}
extension Int16: TensorElement {
  /// int16.
  public static var dtype: DType { .int16 }
}
extension Int8: TensorElement {
  /// int8.
  public static var dtype: DType { .int8 }
}
extension UInt8: TensorElement {
  /// uint8.
  public static var dtype: DType { .uint8 }
}
extension Bool: TensorElement {
  /// bool.
  public static var dtype: DType { .bool }
}

extension Tensor {
  /// A tensor with a copy of `values` in row-major order.
  ///
  /// - Throws: `TorchError` where the number of values is not the product of `shape`.
  public convenience init<Element: TensorElement>(_ values: [Element], _ shape: [Int], on device: Device = .cpu) throws {
    let moved = try values.withUnsafeBytes { try Tensor.copying($0, shape, Element.dtype) }.to(device)
    // A handle does not keep its tensor: on another device nothing else holds it while its alias is made.
    try self.init(owning: withExtendedLifetime(moved) { ct_tensor_alias(moved.handle) })
  }

  /// A vector with a copy of `values`.
  public convenience init<Element: TensorElement>(_ values: [Element], on device: Device = .cpu) throws {
    try self.init(values, [values.count], on: device)
  }

  /// A CPU tensor with a copy of raw elements in row-major order.
  ///
  /// - Throws: `TorchError` where the number of bytes does not fit shape and dtype.
  public static func copying(_ bytes: UnsafeRawBufferPointer, _ shape: [Int], _ dtype: DType) throws -> Tensor {
    var out: ct_tensor?
    let sizes = shape.map(Int64.init)
    try check(
      ct_tensor_copying(bytes.baseAddress, Int64(bytes.count), sizes, Int32(sizes.count), dtype.code, &out), "tensor from memory")
    return try adopt(out)
  }

  /// A CPU tensor over memory that `owner` keeps alive, without a copy.
  static func borrowing(_ start: UnsafeMutableRawPointer, _ shape: [Int], _ dtype: DType, owner: AnyObject) throws -> Tensor {
    var out: ct_tensor?
    let sizes = shape.map(Int64.init)
    let context = Unmanaged.passRetained(owner)
    let release: @convention(c) (UnsafeMutableRawPointer?) -> Void = { context in
      if let context { Unmanaged<AnyObject>.fromOpaque(context).release() }
    }
    let status = ct_tensor_borrowing(start, sizes, Int32(sizes.count), dtype.code, release, context.toOpaque(), &out)
    if status != 0 { context.release() }
    try check(status, "tensor over memory")
    return try adopt(out)
  }

  /// The elements in row-major order, copied from whatever device they are on.
  ///
  /// - Throws: `TorchError.dtypeMismatch` where the tensor holds another type.
  public func array<Element: TensorElement>(_ type: Element.Type = Element.self) throws -> [Element] {
    // Whoever makes a type of theirs an element may be wrong about its size.
    guard dtype == Element.dtype, MemoryLayout<Element>.stride == dtype.size else {
      throw TorchError.dtypeMismatch(what: "tensor", found: dtype, expected: Element.dtype)
    }
    return try withBytes { Array($0.bindMemory(to: Element.self)) }
  }

  /// The single element of a tensor with one element, as a double, whatever its dtype.
  ///
  /// - Throws: `TorchError.shapeMismatch` where there are more elements or none.
  public func item() throws -> Double {
    guard count == 1 else { throw TorchError.shapeMismatch(what: "a tensor read as one number", found: shape, expected: [1]) }
    return try to(.cpu).to(.float64).array(Double.self)[0]
  }

  /// Calls `body` with the raw elements in row-major order, on the host.
  public func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) throws -> R {
    let host = try withoutGradient { try detached().to(.cpu).contiguous() }
    var start: UnsafeMutableRawPointer?
    try check(ct_tensor_data(host.handle, Int64(host.dtype.size), &start), "tensor data")
    return try withExtendedLifetime(host) {
      try body(UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : host.byteCount))
    }
  }

  static func adopt(_ handle: ct_tensor?) throws -> Tensor { try Tensor(owning: handle) }
}
