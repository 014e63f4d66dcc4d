import Torch

/// The parts of a model that are trained, frozen and counted separately.
public enum ParameterGroup: String, Sendable, CaseIterable {
  /// The vision tower.
  case tower
  /// The projector.
  case projector
  /// The language model with its embedding table and output layer.
  case decoder
  /// The language model's low-rank adapters.
  case adapter
}

/// One named weight of a model.
public struct Parameter: Sendable {
  /// Name within the model: `decoder.layers.0.self_attn.q_proj.weight`.
  public let name: String
  /// The weight itself; the model's layers hold the same one.
  public let tensor: Tensor
  /// True for the row that ends rows of patches.
  public var isImageNewline: Bool { name == KeyNames.ownNewline }
  /// The part it belongs to: what stands before the first dot of its name, but for adapters.
  public let group: ParameterGroup
  /// How many of the model's numbers it stands for: its elements, but for the parts of a quantized matrix, of which the codes count.
  public let elements: Int

  init(name: String, tensor: Tensor, group: ParameterGroup, elements: Int? = nil) {
    (self.name, self.tensor, self.group, self.elements) = (name, tensor, group, elements ?? tensor.count)
  }
}

/// Where weights come from while a model is built: a checkpoint or a random initialisation.
public protocol ParameterSource {
  /// The weight with a model's own name, in its final dtype and on its final device.
  ///
  /// - Throws: an error that names the weight and its file where it is missing or has another shape.
  func parameter(_ name: String, shape: [Int]) throws -> Tensor
  /// True where the source has this weight: for weights that a model can do without.
  func contains(_ name: String) -> Bool
  /// The weight of a linear layer or a table of embeddings, in the form in which the source has it.
  ///
  /// - Throws: as `parameter`.
  func matrix(_ name: String, shape: [Int]) throws -> Matrix
}

extension ParameterSource {
  /// Dense, where a source says nothing else.
  public func matrix(_ name: String, shape: [Int]) throws -> Matrix { .dense(try parameter(name, shape: shape)) }
}

/// The single list of a model's weights, in the order in which the model asked for them.
///
/// The optimizer, the checkpoint writer and whoever freezes parts walk this list; nothing else knows all weights.
public struct ParameterStore: Sendable {
  /// All weights.
  public let parameters: [Parameter]
  /// Matrices in few bits, by the name that they would have if they were dense; `parameters` lists their parts.
  public let quantized: [String: QuantizedMatrix]
  private let places: [String: Int]

  init(parameters: [Parameter], quantized: [String: QuantizedMatrix] = [:]) {
    (self.parameters, self.quantized) = (parameters, quantized)
    places = Dictionary(parameters.enumerated().map { ($1.name, $0) }) { first, _ in first }
  }

  /// The weight of a name.
  public subscript(name: String) -> Parameter? { places[name].map { parameters[$0] } }

  /// Number of scalars, of one group or of all.
  public func count(of group: ParameterGroup? = nil) -> Int {
    parameters.reduce(0) { $0 + (group == nil || $1.group == group ? $1.elements : 0) }
  }

  /// Bytes that all weights take.
  public var byteCount: Int { parameters.reduce(0) { $0 + $1.tensor.byteCount } }
}

/// A place in the tree of names from which a layer pulls its weights.
public struct ParameterScope {
  private let builder: Builder
  private let prefix: String

  private final class Builder {
    let source: any ParameterSource
    let lora: LoRAOptions?
    var parameters: [Parameter] = []
    var quantized: [String: QuantizedMatrix] = [:]
    init(_ source: any ParameterSource, _ lora: LoRAOptions?) { (self.source, self.lora) = (source, lora) }
  }

  /// The root of the tree over a source, from which the decoder's linear layers pull adapters as well where there are options.
  public init(_ source: any ParameterSource, lora: LoRAOptions? = nil) {
    builder = Builder(source, lora)
    prefix = ""
  }

  private init(_ builder: Builder, _ prefix: String) {
    self.builder = builder
    self.prefix = prefix
  }

  /// The scope `name` inside a scope.
  public static func / (scope: ParameterScope, name: String) -> ParameterScope {
    ParameterScope(scope.builder, scope.prefix + name + ".")
  }

  /// Pulls a weight, and lists it in the store.
  public func callAsFunction(_ name: String, _ shape: [Int]) throws -> Tensor {
    let full = prefix + name
    let tensor = try builder.source.parameter(full, shape: shape)
    try list(full, tensor, shape)
    return tensor
  }

  /// Pulls the weight of a linear layer or a table of embeddings, and lists it, or its parts where it is quantized, in the store.
  public func matrix(_ name: String, _ shape: [Int]) throws -> Matrix {
    let full = prefix + name
    let found = try builder.source.matrix(full, shape: shape)
    switch found {
    case .dense(let tensor): try list(full, tensor, shape)
    case .quantized(let matrix):
      guard [matrix.outputs, matrix.inputs] == shape else {
        throw TorchError.shapeMismatch(what: "parameter \(full)", found: [matrix.outputs, matrix.inputs], expected: shape)
      }
      builder.quantized[full] = matrix
      for (part, tensor) in zip(QuantizedMatrix.parts, [matrix.codes, matrix.scales, matrix.zeros]) {
        guard let tensor else { continue }
        let elements = tensor === matrix.codes ? matrix.outputs * matrix.inputs : 0
        builder.parameters.append(
          Parameter(name: "\(full).\(part)", tensor: tensor, group: Self.group(full), elements: elements))
      }
    }
    return found
  }

  private func list(_ full: String, _ tensor: Tensor, _ shape: [Int]) throws {
    try tensor.requireShape(shape, "parameter \(full)")
    builder.parameters.append(Parameter(name: full, tensor: tensor, group: Self.group(full)))
  }

  private static func group(_ full: String) -> ParameterGroup {
    if full.contains(".lora_") { return .adapter }
    return full.split(separator: ".").first.flatMap { ParameterGroup(rawValue: String($0)) } ?? .decoder
  }

  /// The options of the adapter that belongs here; nil where none does.
  var lora: LoRAOptions? {
    guard prefix.hasPrefix("decoder."), let lora = builder.lora,
      let target = prefix.split(separator: ".").last.flatMap({ LoRAOptions.Target(rawValue: String($0)) })
    else { return nil }
    return lora.targets.contains(target) ? lora : nil
  }

  /// True where the source has this weight.
  public func contains(_ name: String) -> Bool { builder.source.contains(prefix + name) }

  /// All weights pulled so far, through any scope of this tree.
  public var store: ParameterStore {
    ParameterStore(parameters: builder.parameters, quantized: builder.quantized)
  }
}
