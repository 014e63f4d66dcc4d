/// Runs `body` without keeping what its gradient needs, and runs it again when the gradient is asked for.
///
/// Only the input stays in memory between the two runs (Chen et al. 2016, "Training deep nets with sublinear memory cost"). Gradients
/// are the same numbers bit for bit where the same operators on the same numbers give the same numbers, as on the CPU.
///
/// - Parameters:
///   - input: what the body is a function of, beside its weights.
///   - weights: all tensors that the body uses and whose gradients may be wanted.
///   - body: draws no random numbers. What it returns beside its result takes no part in gradients.
public func recomputingActivations<Extra>(
  _ input: Tensor, weights: [Tensor], _ body: @escaping @Sendable (Tensor) throws -> (Tensor, Extra)
) throws -> (Tensor, Extra) {
  // Recorded, though nothing of the record is kept: kernels are chosen by whether gradients are recorded.
  let (output, extra) = try body(input)
  let saved = try input.detached()
  let (needsInput, trained) = (input.requiresGradient, weights.map(\.requiresGradient))
  let result = try withGradient(of: [output], for: [input] + weights) { seeds in
    let leaf = try saved.detached().requiringGradient(needsInput)
    let again = try withGradient { try body(leaf).0 }
    let wanted = (needsInput ? [leaf] : []) + zip(weights, trained).filter(\.1).map(\.0)
    var found = try gradients(of: [again], seeds: seeds, for: wanted)[...]
    return ([needsInput] + trained).map { $0 ? found.removeFirst() : nil }
  }
  return (result[0], extra)
}
