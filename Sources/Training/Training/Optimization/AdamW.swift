import Distributed
import Torch

/// AdamW over a list of weights, with moments in float32, and master copies in float32 of weights in half precisions.
///
/// A step in bfloat16 is lost wherever it is smaller than 1/512 of its weight, as nearly all are at usual learning rates. So the step
/// is added to the master copy, which is then rounded into the weight. A float32 weight is its own master.
///
/// A weight without a gradient (the projector's, in a batch of text only) is passed over, as in PyTorch: its moments and its count of
/// steps stay as they are.
public final class AdamW {
  /// A weight with what the optimizer remembers of it.
  struct Slot {
    let parameter: TrainedParameter
    /// What steps are added to, float32.
    let master: Tensor
    let firstMoment, secondMoment: Tensor
    /// Number of steps taken, a float32 scalar, as the operator wants it.
    let steps: Tensor

    var hasMaster: Bool { parameter.tensor.dtype != .float32 }
  }

  /// The constants; the learning rates in them are those that the parameters were listed with.
  public let options: AdamWOptions
  /// All weights, those included that another process changes.
  let parameters: [TrainedParameter]
  /// Those that are changed here, by their places among all.
  let places: [Int]
  let slots: [Slot]

  /// Elements of which gradients are brought to float32 at a time, so that no float32 gradient of the whole model exists.
  ///
  /// A CPU still finds as many in its cache; on a GPU it is starting kernels that takes the time.
  static func elementsAtOnce(onCPU isCPU: Bool) -> Int { isCPU ? 1 << 22 : 1 << 26 }

  /// An optimizer that has taken no step.
  ///
  /// - Parameter places: the weights that are changed here, where other processes change the others; all unless given.
  /// - Throws: `OptimizationError.invalidOptions`; `TorchError` where memory does not suffice.
  public init(
    _ parameters: [TrainedParameter], _ options: AdamWOptions = AdamWOptions(), changing places: [Int]? = nil
  ) throws {
    try options.validate()
    self.options = options
    self.parameters = parameters
    self.places = places ?? Array(parameters.indices)
    slots = try withoutGradient { [places = self.places] in
      try places.map { place in
        let parameter = parameters[place]
        let (weight, device) = (parameter.tensor, parameter.tensor.device)
        return Slot(
          parameter: parameter, master: try weight.detached().to(.float32),
          firstMoment: try .zeros(weight.shape, on: device), secondMoment: try .zeros(weight.shape, on: device),
          steps: try .zeros([], on: device))
      }
    }
  }

  /// Bytes that masters and moments take beside the weights.
  public var byteCount: Int {
    slots.reduce(0) {
      $0 + $1.firstMoment.byteCount + $1.secondMoment.byteCount + ($1.hasMaster ? $1.master.byteCount : 0)
    }
  }

  /// Updates all weights that have a gradient; gradients stay as they are.
  ///
  /// - Parameters:
  ///   - factor: what the schedule multiplies learning rates with.
  ///   - world: the processes that change the other weights, or other parts of them.
  /// - Returns: the global 2-norm of the gradients before clipping; 0 where there are none.
  /// - Throws: `OptimizationError.gradientNotFinite` before any weight has changed; `TorchError`, `CommunicatorError.lost`.
  @discardableResult
  public func step(factor: Double, among world: Communicator = .alone) throws -> Double {
    try withoutGradient {
      let updates = try slots.compactMap { slot in try slot.parameter.tensor.gradient().map { (slot: slot, gradient: $0) } }
      let found = try GradientNorm(of: updates.map { ($0.slot.parameter.name, $0.gradient) }, among: world)
      let norm = found.value
      // Where each element is finite and the norm is none in the gradients' precision, the largest is to blame.
      if !Float(norm).isFinite { throw OptimizationError.gradientNotFinite(parameter: found.largest ?? "") }
      // As torch's clip_grad_norm_, the small number included.
      let scale = options.maximumGradientNorm.map { min(1, $0 / (norm + 1e-6)) } ?? 1
      for batch in Self.batches(updates) { try update(batch, factor, scale) }
      return norm
    }
  }

  /// Removes the gradients of all weights, for the next step's to accumulate from nothing.
  public func clearGradients() throws {
    for parameter in parameters { try parameter.tensor.setGradient(nil) }
  }

  private typealias Update = (slot: Slot, gradient: Tensor)

  /// What updates must have in common to be made at once.
  private struct Constants: Hashable {
    let learningRate: Double
    let decays: Bool
    let device: Device
    let dtypes: [DType]

    init(_ update: Update) {
      let parameter = update.slot.parameter
      (learningRate, decays, device) = (parameter.learningRate, parameter.decays, parameter.tensor.device)
      dtypes = [parameter.tensor.dtype, update.gradient.dtype]
    }
  }

  /// Updates with equal constants, each batch of a bounded number of elements.
  private static func batches(_ updates: [Update]) -> [[Update]] {
    var batches: [[Update]] = []
    // The batch that each kind of update goes to, and the elements in it.
    var open: [Constants: (index: Int, elements: Int)] = [:]
    for update in updates {
      let (constants, count) = (Constants(update), update.gradient.count)
      if let batch = open[constants], batch.elements + count <= elementsAtOnce(onCPU: constants.device == .cpu) {
        batches[batch.index].append(update)
        open[constants]?.elements += count
      } else {
        open[constants] = (batches.count, count)
        batches.append([update])
      }
    }
    return batches
  }

  private func update(_ batch: [Update], _ factor: Double, _ scale: Double) throws {
    guard let first = batch.first?.slot.parameter else { return }
    let slots = batch.map(\.slot)
    var gradients = batch.map(\.gradient)
    if scale < 1 || gradients[0].dtype != .float32 {
      let copies = try gradients.map { try Tensor.empty($0.shape, on: $0.device) }
      try TensorList.copyInPlace(copies, from: gradients)
      if scale < 1 { try TensorList.multiplyInPlace(copies, by: scale) }
      gradients = copies
    }
    try TensorList.addInPlace(1, to: slots.map(\.steps))
    try TensorList.adamWInPlace(
      slots.map(\.master), gradients: gradients, firstMoments: slots.map(\.firstMoment),
      secondMoments: slots.map(\.secondMoment), steps: slots.map(\.steps), learningRate: first.learningRate * factor,
      beta1: options.beta1, beta2: options.beta2, weightDecay: first.decays ? options.weightDecay : 0,
      epsilon: options.epsilon)
    if slots[0].hasMaster { try TensorList.copyInPlace(slots.map(\.parameter.tensor), from: slots.map(\.master)) }
  }
}
