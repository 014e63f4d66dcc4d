import LLaVA
import Torch

/// A weight that an optimizer changes.
public struct TrainedParameter: Sendable {
  /// Name within the model, under which its state is saved.
  public let name: String
  /// The weight, float32, bfloat16 or float16; a leaf that requires gradients.
  public let tensor: Tensor
  /// Learning rate before the schedule's factor.
  public let learningRate: Double
  /// True where weight decay applies.
  public let decays: Bool

  /// A weight with its learning rate; whether it decays follows from its name unless told.
  public init(_ name: String, _ tensor: Tensor, learningRate: Double, decays: Bool? = nil) {
    self.name = name
    self.tensor = tensor
    self.learningRate = learningRate
    self.decays = decays ?? Self.decays(name)
  }

  /// LLaVA's rule: everything decays but biases and the weights of norms; embeddings of tokens, classes and positions do.
  ///
  /// A bias is what has "bias" anywhere in its name, as there. Norms are known by their module's name, which holds "norm" in LLaMA
  /// and in CLIP (`input_layernorm`, `layer_norm1`, `pre_layrnorm`); the original looks at the module's type.
  static func decays(_ name: String) -> Bool {
    let module = name.split(separator: ".").dropLast().last ?? ""
    return !name.contains("bias") && !module.contains("norm")
  }
}

extension ParameterStore {
  /// The weights of the parts that have a learning rate, with gradients switched on for them and off for all others.
  ///
  /// - Throws: `OptimizationError.invalidOptions` where no part is trained, and what `AdamWOptions.validate` throws.
  public func trained(_ options: AdamWOptions) throws -> [TrainedParameter] {
    try options.validate()
    let trained = parameters.compactMap { parameter in
      options.learningRates[parameter.group].map { rate in
        let isEmbedding = parameter.name == "decoder.embed_tokens.weight"
        return TrainedParameter(
          parameter.name, parameter.tensor, learningRate: isEmbedding ? options.embeddingLearningRate ?? rate : rate)
      }
    }
    if trained.isEmpty {
      throw OptimizationError.invalidOptions([
        .init("learning-rate", "is given for no part of the model; give one for the decoder")
      ])
    }
    for parameter in parameters { try parameter.tensor.requiringGradient(options.learningRates[parameter.group] != nil) }
    return trained
  }
}
