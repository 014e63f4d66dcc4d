import Torch

/// Weights of a checkpoint that are read when they are asked for, and not before.
///
/// A model that is built from it has tensors of the right shapes without memory. Whoever divides such a model among processes reads one weight
/// after the other, so no process ever holds all of them.
///
///     let deferred = DeferredWeights(try CheckpointReader(folder))
///     let model = try LLaVAModel(deferred.configuration, from: deferred)
///     let weight = try deferred.value(of: model.parameters.parameters[0].tensor)
public final class DeferredWeights: ParameterSource {
  private let reader: CheckpointReader
  /// By tensor without memory the weight that it stands for; the tensors are kept, so that no other takes their place.
  private var standIns: [ObjectIdentifier: (tensor: Tensor, name: String)] = [:]

  /// Reads from a checkpoint.
  public init(_ reader: CheckpointReader) { self.reader = reader }

  /// What the model is.
  public var configuration: LLaVAConfiguration { reader.configuration }

  /// True where the checkpoint has this weight.
  public func contains(_ name: String) -> Bool { reader.contains(name) }

  /// A tensor without memory that stands for a weight.
  ///
  /// - Throws: as `CheckpointReader.parameter`, but for what only reading the elements shows.
  public func parameter(_ name: String, shape: [Int]) throws -> Tensor {
    try standIn(for: name, shape, reader.elementType(of: name, shape: shape))
  }

  /// A matrix: what the files hold in few bits is read at once.
  public func matrix(_ name: String, shape: [Int]) throws -> Matrix {
    if case .quantized(let matrix)? = try reader.packedMatrix(name, shape: shape) { return .quantized(matrix) }
    return .dense(try parameter(name, shape: shape))
  }

  /// Another tensor without memory for the same weight; a copy of a tensor that stands for none.
  public func twin(of tensor: Tensor) throws -> Tensor {
    guard let name = name(of: tensor) else { return try withoutGradient { try tensor.detached().copy() } }
    return try standIn(for: name, tensor.shape, tensor.dtype)
  }

  /// The weight that a tensor stands for, read now; the tensor itself where it stands for none.
  ///
  /// - Throws: as `CheckpointReader.parameter`.
  public func value(of tensor: Tensor) throws -> Tensor {
    try name(of: tensor).map { try reader.parameter($0, shape: tensor.shape) } ?? tensor
  }

  private func name(of tensor: Tensor) -> String? { standIns[ObjectIdentifier(tensor)]?.name }

  private func standIn(for name: String, _ shape: [Int], _ dtype: DType) throws -> Tensor {
    let tensor = try Tensor.zeros(shape, dtype, on: reader.device)
    try tensor.releaseMemory()
    standIns[ObjectIdentifier(tensor)] = (tensor, name)
    return tensor
  }
}
