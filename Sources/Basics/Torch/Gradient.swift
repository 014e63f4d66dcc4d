import CTorch

/// Runs `body` without recording operations for gradients on this thread.
public func withoutGradient<R>(_ body: () throws -> R) rethrows -> R {
  let before = ct_set_gradient_enabled(false)
  defer { _ = ct_set_gradient_enabled(before) }
  return try body()
}

/// Runs `body` with recording switched on, also inside `withoutGradient`.
public func withGradient<R>(_ body: () throws -> R) rethrows -> R {
  let before = ct_set_gradient_enabled(true)
  defer { _ = ct_set_gradient_enabled(before) }
  return try body()
}

/// Runs `body` in inference mode: nothing is recorded, and tensors made inside can never take part in gradients.
public func inference<R>(_ body: () throws -> R) rethrows -> R {
  let scope = ct_inference_begin()
  defer { ct_inference_end(scope) }
  return try body()
}

extension Tensor {
  private enum Op {
    static let detach = Operator("aten::detach")
  }

  /// True where operations on this tensor are recorded for gradients.
  public var requiresGradient: Bool { ct_tensor_requires_gradient(handle) }

  /// Switches recording for a leaf tensor and returns it.
  ///
  /// - Throws: `TorchError` for integer tensors and for results of recorded operations.
  @discardableResult
  public func requiringGradient(_ required: Bool = true) throws -> Tensor {
    try check(ct_tensor_set_requires_gradient(handle, required), "requires_grad")
    return self
  }

  /// The gradient that backward passes have accumulated, if any.
  public func gradient() throws -> Tensor? {
    var out: ct_tensor?
    try check(ct_tensor_gradient(handle, &out), "grad")
    return try out.map(Tensor.init(owning:))
  }

  /// Replaces the accumulated gradient; `nil` removes it.
  ///
  /// - Throws: `TorchError` for a gradient of another shape, dtype or device.
  public func setGradient(_ gradient: Tensor?) throws {
    // libtorch does not look, and later steps would read beyond the smaller one.
    try gradient?.requireShape(shape, "a gradient")
    if let gradient, gradient.dtype != dtype || gradient.device != device {
      throw TorchError.operatorFailed(
        name: "grad", message: "the gradient is \(gradient.dtype) on \(gradient.device), its tensor \(dtype) on \(device)")
    }
    try check(ct_tensor_set_gradient(handle, gradient?.handle), "grad")
  }

  /// The same elements outside the recorded graph.
  public func detached() throws -> Tensor { try Op.detach(.tensor(self)) }

  /// Accumulates the gradients of this tensor (a scalar, or weighted by `gradient`) in all leaves that require them.
  public func backward(_ gradient: Tensor? = nil, retainingGraph: Bool = false) throws {
    try check(ct_backward(handle, gradient?.handle, retainingGraph), "backward")
  }
}

/// Gradients of the sum of `outputs` with respect to `inputs`; `nil` for inputs that do not take part.
///
/// - Parameter seeds: what each output's gradient starts from, needed for outputs that are not scalars.
public func gradients(
  of outputs: [Tensor], seeds: [Tensor?]? = nil, for inputs: [Tensor], retainingGraph: Bool = false
) throws -> [Tensor?] {
  let from = outputs.map { Optional($0.handle) }
  let starts = (seeds ?? outputs.map { _ in nil }).map { $0?.handle }
  let to = inputs.map { Optional($0.handle) }
  guard starts.count == from.count else {
    throw TorchError.shapeMismatch(what: "gradient seeds", found: [starts.count], expected: [from.count])
  }
  var found = [ct_tensor?](repeating: nil, count: to.count)
  try withExtendedLifetime((outputs, seeds, inputs)) {
    try check(ct_gradients(from, starts, Int32(from.count), to, Int32(to.count), retainingGraph, &found), "gradients")
  }
  return try found.map { try $0.map(Tensor.init(owning:)) }
}

/// True where operations on this thread are recorded for gradients.
public var recordsGradients: Bool { ct_gradient_enabled() }
