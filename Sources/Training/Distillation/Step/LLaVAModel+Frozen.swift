import LLaVA
import Torch

extension LLaVAModel {
  /// A model that stays as this one is while parts of this one are trained.
  ///
  /// Weights of other parts are the same tensors, so a frozen copy beside adapters takes no memory for the decoder. A model with adapters
  /// is frozen with their changes merged.
  ///
  /// - Parameters:
  ///   - trained: the parts that change.
  ///   - copy: what the frozen model has in place of a weight that changes; a copy unless given.
  /// - Throws: `TorchError`; what `copy` throws.
  public func frozen(training trained: Set<ParameterGroup>, copy: ((Tensor) throws -> Tensor)? = nil) throws -> LLaVAModel {
    try withoutActuallyEscaping(copy ?? { tensor in try withoutGradient { try tensor.detached().copy() } }) { copy in
      try LLaVAModel(configuration, from: FrozenParameters(model: mergingLoRA(), copied: trained, copy: copy))
    }
  }

  /// True where pictures become the same rows in both, because tower, projector and ends of rows are the same tensors.
  func sharesEncoder(with other: LLaVAModel) -> Bool {
    func encoder(_ model: LLaVAModel) -> [Parameter] {
      model.parameters.parameters.filter { $0.group == .tower || $0.group == .projector || $0.isImageNewline }
    }
    return encoder(self).elementsEqual(encoder(other)) { $0.name == $1.name && $0.tensor === $1.tensor }
  }

  /// Throws unless predictions of a teacher can be compared with this model's, row by row.
  ///
  /// - Throws: `DistillationError.teacherDiffers`.
  func requireComparable(_ teacher: LLaVAModel) throws {
    let pairs = [
      ("a vocabulary of", teacher.configuration.text.vocabularySize, configuration.text.vocabularySize),
      ("a hidden size of", teacher.configuration.text.hiddenSize, configuration.text.hiddenSize),
      ("visual tokens per picture,", teacher.pictureLayout.count, pictureLayout.count),
    ]
    for (what, theirs, own) in pairs where theirs != own {
      throw DistillationError.teacherDiffers(what: what, teacher: theirs, student: own)
    }
  }
}

/// The weights of a model there is, copies of those that are going to change.
private struct FrozenParameters: ParameterSource {
  let model: LLaVAModel
  let copied: Set<ParameterGroup>
  let copy: (Tensor) throws -> Tensor

  func contains(_ name: String) -> Bool { model.parameters[name] != nil || model.parameters.quantized[name] != nil }

  func parameter(_ name: String, shape: [Int]) throws -> Tensor {
    guard let own = model.parameters[name] else { throw CheckpointError.missing(parameter: name, folder: "the model itself") }
    return copied.contains(own.group) ? try copy(own.tensor) : own.tensor
  }

  // Nothing trains a quantized matrix.
  func matrix(_ name: String, shape: [Int]) throws -> Matrix {
    try model.parameters.quantized[name].map(Matrix.quantized) ?? .dense(parameter(name, shape: shape))
  }
}
