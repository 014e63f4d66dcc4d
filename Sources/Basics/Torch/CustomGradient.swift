import CTorch

/// Gradients of inputs from those of outputs; `nil` on either side for tensors that take no part.
public typealias GradientFunction = @Sendable (_ seeds: [Tensor?]) throws -> [Tensor?]

/// Makes tensors, computed in whatever way, results of `inputs` in the recorded graph, with a gradient of the caller's own.
///
/// - Parameters:
///   - outputs: what was computed; only its elements are used.
///   - inputs: what the gradient is for.
///   - gradient: called in the backward pass with one seed for each output; returns one gradient for each input, of its shape. It may
///     walk graphs of its own. What it holds is let go after the backward pass.
/// - Returns: the outputs, sharing memory with what was given; outside of any graph where nothing is recorded or no input requires
///   gradients.
/// - Throws: `TorchError`. What `gradient` throws arrives in the backward pass as `TorchError` with its description.
public func withGradient(of outputs: [Tensor], for inputs: [Tensor], by gradient: @escaping GradientFunction) throws -> [Tensor] {
  guard recordsGradients, inputs.contains(where: \.requiresGradient) else { return try outputs.map { try $0.detached() } }
  let context = Unmanaged.passRetained(GradientBox(gradient))
  var found = [ct_tensor?](repeating: nil, count: outputs.count)
  let status = withExtendedLifetime((inputs, outputs)) {
    ct_custom_gradient(
      inputs.map(\.handle), Int32(inputs.count), outputs.map(\.handle), Int32(outputs.count), callGradient, releaseGradient,
      context.toOpaque(), &found)
  }
  try check(status, "custom gradient")
  return try found.map(Tensor.adopt)
}

private final class GradientBox: Sendable {
  let function: GradientFunction
  init(_ function: @escaping GradientFunction) { self.function = function }
}

private let releaseGradient: @convention(c) (UnsafeMutableRawPointer?) -> Void = { context in
  if let context { Unmanaged<GradientBox>.fromOpaque(context).release() }
}

private let callGradient: ct_gradient_function = { context, seeds, seedCount, gradients, gradientCount in
  guard let context, let gradients else { return ct_set_error("custom gradient: called without a place for its results") }
  let box = Unmanaged<GradientBox>.fromOpaque(context).takeUnretainedValue()
  do {
    let given = try (0..<Int(seedCount)).map { try seeds?[$0].map { try Tensor(owning: ct_tensor_alias($0)) } }
    let found = try box.function(given)
    guard found.count == Int(gradientCount) else {
      throw TorchError.shapeMismatch(what: "a custom gradient", found: [found.count], expected: [Int(gradientCount)])
    }
    for (index, tensor) in found.enumerated() { gradients[index] = tensor.map { ct_tensor_alias($0.handle) } }
    return 0
  } catch {
    return ct_set_error(String(describing: error))
  }
}
