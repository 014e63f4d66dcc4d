import Torch

extension LLaVAModel {
  /// The model with new LoRA adapters in its decoder, which change nothing until they are trained.
  ///
  /// All other weights are the same tensors. Adapters are a `ParameterGroup` of their own, so freezing the decoder leaves them.
  ///
  /// - Throws: `LoRAError` for options that make no sense and models that have adapters.
  public func addingLoRA(_ options: LoRAOptions = .init(), seed: UInt64 = 0) throws -> LLaVAModel {
    try addingLoRA(options, from: NewAdapters(generator: Generator(seed: seed), dtype: dtype, device: device))
  }

  /// The model with LoRA adapters whose weights come from a source, under names like `decoder.layers.0.self_attn.q_proj.lora_A.weight`.
  ///
  /// Other weights that the source contains, such as a projector that was trained along, take the place of the model's.
  ///
  /// - Throws: `LoRAError`; what the source throws.
  public func addingLoRA(_ options: LoRAOptions, from adapters: any ParameterSource) throws -> LLaVAModel {
    try options.validate()
    if lora != nil { throw LoRAError.alreadyThere }
    return try LLaVAModel(configuration, from: OwnParameters(self, adapters), lora: options)
  }

  /// The model with the adapters' changes in its weights: W + α/r · B·A, added in float32; itself where it has none.
  public func mergingLoRA() throws -> LLaVAModel {
    lora == nil ? self : try LLaVAModel(configuration, from: OwnParameters(self, nil))
  }

  /// A weight as it is once adapters are merged.
  func merged(_ parameter: Parameter) throws -> Tensor {
    // Adapters lie with the layer that they belong to.
    let weight = try whole(parameter)
    guard let change = try change(of: parameter.name) else { return weight }
    return try withoutGradient { try (weight.to(.float32) + change).to(weight.dtype) }
  }

  /// A matrix in few bits as it is once adapters are merged: [outputs, inputs].
  func merged(_ name: String, _ matrix: QuantizedMatrix) throws -> Tensor {
    try withoutGradient {
      try change(of: name).map { try (matrix.dense(.float32) + $0).to(matrix.dtype) } ?? matrix.dense()
    }
  }

  /// What adapters add to the weight of this name, in float32; nil where there are none.
  private func change(of name: String) throws -> Tensor? {
    let module = name.hasSuffix(".weight") ? String(name.dropLast("weight".count)) : ""
    guard let lora, let down = parameters[module + "lora_A.weight"], let up = parameters[module + "lora_B.weight"] else {
      return nil
    }
    return try withoutGradient { try up.tensor.to(.float32).matmul(down.tensor.to(.float32)) * lora.scale }
  }
}

/// The weights of a model there is, with adapters from elsewhere or with its own merged.
private struct OwnParameters: ParameterSource {
  let model: LLaVAModel
  let adapters: (any ParameterSource)?

  init(_ model: LLaVAModel, _ adapters: (any ParameterSource)?) {
    self.model = model
    self.adapters = adapters
  }

  func contains(_ name: String) -> Bool {
    model.parameters[name] != nil || model.parameters.quantized[name] != nil || adapters?.contains(name) == true
  }

  func parameter(_ name: String, shape: [Int]) throws -> Tensor {
    if let own = model.parameters[name], adapters?.contains(name) != true {
      return adapters == nil ? try model.merged(own) : own.tensor
    }
    guard let adapters else { throw CheckpointError.missing(parameter: name, folder: "the model itself") }
    return try adapters.parameter(name, shape: shape)
  }

  func matrix(_ name: String, shape: [Int]) throws -> Matrix {
    guard let own = model.parameters.quantized[name], adapters?.contains(name) != true else {
      return .dense(try parameter(name, shape: shape))
    }
    // Merged changes would be lost in few bits.
    return adapters == nil && model.lora != nil ? .dense(try model.merged(name, own)) : .quantized(own)
  }
}
