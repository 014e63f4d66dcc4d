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
  /// The elements of the weight that the tensor has, in row-major order, where processes divide it; nil for all of them.
  public let range: Range<Int>?

  /// A weight with its learning rate; whether it decays follows from its name unless told.
  public init(_ name: String, _ tensor: Tensor, learningRate: Double, decays: Bool? = nil) {
    self.init(name, tensor, nil, learningRate, decays ?? Self.decays(name))
  }

  private init(_ name: String, _ tensor: Tensor, _ range: Range<Int>?, _ learningRate: Double, _ decays: Bool) {
    (self.name, self.tensor, self.range, self.learningRate, self.decays) = (name, tensor, range, learningRate, decays)
  }

  /// Some elements of the weight, in a tensor of their own.
  func part(_ range: Range<Int>, _ tensor: Tensor) -> TrainedParameter {
    TrainedParameter(name, tensor, range, learningRate, decays)
  }

  /// The name under which state is saved: `decoder.norm.weight`, or of some elements `decoder.norm.weight[64:128]`.
  var stateName: String { range.map { "\(name)[\($0.lowerBound):\($0.upperBound)]" } ?? name }

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
    if let name = quantized.keys.sorted().first, options.learningRates[.decoder] != nil {
      throw OptimizationError.invalidOptions([
        .init("parts", "name the decoder, whose \(name) is quantized; train adapters (lora.rank) in its place")
      ])
    }
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
