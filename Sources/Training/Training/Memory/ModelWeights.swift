import LLaVA
import Torch

/// A model's weights in numbers: their names, parts and sizes, without the weights themselves.
public struct ModelWeights: Sendable {
  /// One weight.
  public struct Weight: Sendable {
    /// As in `Parameter`.
    public let name: String
    /// The part that it belongs to.
    public let group: ParameterGroup
    /// Its elements; of the parts of a quantized matrix those of the codes alone.
    public let count: Int
    /// Bytes that it takes where it is a part of a quantized matrix; nil where each element takes those of the weights' dtype.
    public let quantizedBytes: Int?
    /// What it is gathered with.
    let unit: Unit

    init(_ parameter: Parameter, isQuantized: Bool) {
      (name, group, count) = (parameter.name, parameter.group, parameter.elements)
      quantizedBytes = isQuantized ? parameter.tensor.byteCount : nil
      unit = Unit(parameter)
    }
  }

  /// Weights that are gathered and let go together where they are divided among processes.
  public enum Unit: Hashable, Sendable {
    /// The vision tower, or the projector.
    case tower, projector
    /// The table of token embeddings.
    case embeddings
    /// A decoder layer, with its adapters.
    case layer(Int)
    /// The output layer and the normalisation before it.
    case head
  }

  /// In the order in which the model asks for them.
  public let all: [Weight]

  /// Those of a model there is.
  public init(_ model: LLaVAModel) {
    let parts = Set(model.parameters.quantized.keys.flatMap { name in QuantizedMatrix.parts.map { "\(name).\($0)" } })
    all = model.parameters.parameters.map { Weight($0, isQuantized: parts.contains($0.name)) }
  }

  /// Those that a model of a configuration would have; nothing of their size is allocated.
  ///
  /// - Throws: `ConfigurationError`, `LoRAError`.
  public init(
    _ configuration: LLaVAConfiguration, lora: LoRAOptions? = nil, quantization: QuantizationOptions? = nil
  ) throws {
    let shapes = ShapesAlone(isForAdapters: false, quantization: quantization)
    let model = try LLaVAModel(configuration, from: shapes)
    self.init(try lora.map { try model.addingLoRA($0, from: ShapesAlone(isForAdapters: true, quantization: nil)) } ?? model)
  }

  /// Elements of some parts; of all unless given.
  public func count(of groups: Set<ParameterGroup> = Set(ParameterGroup.allCases)) -> Int {
    all.reduce(0) { $0 + (groups.contains($1.group) ? $1.count : 0) }
  }

  /// Bytes of all, where an element that is not quantized takes so many.
  ///
  /// A quantized output layer counts a second time in full: the loss makes it dense.
  func bytes(of element: Double) -> Double {
    let tables = ["decoder.lm_head.weight.codes", "decoder.embed_tokens.weight.codes"]
    let head = tables.lazy.compactMap { name in all.first { $0.name == name } }.first.map { element * Double($0.count) } ?? 0
    return all.reduce(head) { $0 + ($1.quantizedBytes.map(Double.init) ?? element * Double($1.count)) }
  }

  /// Elements of each unit, of the weights of some parts.
  ///
  /// - Parameter size: what a weight of so many elements counts.
  func units(of groups: Set<ParameterGroup>, size: (Int) -> Int = { $0 }) -> [Unit: Int] {
    all.reduce(into: [:]) { if groups.contains($1.group) { $0[$1.unit, default: 0] += size($1.count) } }
  }
}

extension ModelWeights.Unit {
  init(_ weight: Parameter) {
    let parts = weight.name.split(separator: ".")
    switch weight.group {
    case .tower: self = .tower
    case .projector: self = .projector
    case .decoder, .adapter:
      if parts.count > 2, parts[1] == "layers", let layer = Int(parts[2]) {
        self = .layer(layer)
      } else {
        self = parts.count > 1 && ["norm", "lm_head"].contains(parts[1]) ? .head : .embeddings
      }
    }
  }
}

/// Weights that have a shape and one element of memory.
private struct ShapesAlone: ParameterSource {
  let isForAdapters: Bool
  let quantization: QuantizationOptions?

  func contains(_ name: String) -> Bool { !isForAdapters || name.contains(".lora_") }

  func parameter(_ name: String, shape: [Int]) throws -> Tensor { try Tensor.zeros([]).expanded(shape) }

  func matrix(_ name: String, shape: [Int]) throws -> Matrix {
    guard let choice = quantization?.choice(name, shape) else { return .dense(try parameter(name, shape: shape)) }
    let scales = try Tensor.zeros([], .float16).expanded([shape[0], shape[1] / choice.group])
    return .quantized(
      try QuantizedMatrix(
        bits: choice.bits, codes: Tensor.zeros([], .uint8).expanded([shape[0], shape[1] * choice.bits / 8]), scales: scales,
        zeros: choice.bits == 4 ? scales : nil, dtype: .float32))
  }
}
