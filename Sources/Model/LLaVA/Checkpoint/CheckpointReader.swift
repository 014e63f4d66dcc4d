import Foundation
import Torch

/// A checkpoint folder: its layout, its configuration, and its weights by the model's own names.
///
/// Opening reads configuration and headers only. Weights are read one by one, straight into their final dtype and device, so that
/// loading needs little more memory than the model itself.
public struct CheckpointReader: ParameterSource {
  /// The folder.
  public let folder: URL
  /// How the folder is laid out.
  public let layout: CheckpointLayout
  /// What the model is.
  public let configuration: LLaVAConfiguration
  /// The folder that the vision tower is read from where it is not in the checkpoint itself.
  public let towerFolder: URL?
  /// Element type of the weights that are read; `nil` keeps each weight's own, but for float64, which becomes float32.
  public var dtype: DType?
  /// Where weights go.
  public var device = Device.cpu

  private struct Place: Sendable {
    let folder: WeightFolder
    let entry: TensorEntry
  }
  private let places: [String: Place]
  /// Tensors in the checkpoint that are no weights of the model.
  public let ignored: [String]

  /// Opens a checkpoint.
  ///
  /// - Throws: `CheckpointError`, `ConfigurationError`, `TensorFileError`.
  public init(_ folder: URL, dtype: DType? = nil, device: Device = .cpu) throws {
    var isFolder: ObjCBool = false
    if let found = try GGUFCheckpoint.files(at: folder) {
      throw CheckpointError.gguf(found.model.path, projector: found.projectors.first?.path)
    }
    guard FileManager.default.fileExists(atPath: folder.path, isDirectory: &isFolder), isFolder.boolValue else {
      throw CheckpointError.noSuchFolder(folder.path)
    }
    self.folder = folder
    self.dtype = dtype
    self.device = device
    let reader = try ConfigurationReader(folder)
    layout = reader.layout
    configuration = try reader.read()
    try PackedWeights.check(reader.root)

    let weights = try WeightFolder(folder)
    var places: [String: Place] = [:]
    var ignored: [String] = []
    for (name, entry) in weights.entries {
      if let own = KeyNames.own(name) { places[own] = Place(folder: weights, entry: entry) } else { ignored.append(name) }
    }
    var towerFolder: URL?
    if !places.keys.contains(where: { $0.hasPrefix("tower.") }) {
      guard layout == .original, let found = try reader.towerFolder() else {
        throw CheckpointError.noTower(name: try reader.root.string("mm_vision_tower") ?? "-", folder: folder.path)
      }
      towerFolder = found
      let tower = try WeightFolder(found)
      for (name, entry) in tower.entries {
        // A folder with the bare tower has no prefix of its own.
        let own = KeyNames.own(name) ?? KeyNames.own("vision_tower." + name)
        if let own, own.hasPrefix("tower.") { places[own] = Place(folder: tower, entry: entry) }
      }
    }
    self.towerFolder = towerFolder
    self.places = places
    self.ignored = ignored.sorted()
  }

  /// True where a file holds this weight, dense or packed.
  public func contains(_ name: String) -> Bool { places[name] != nil || isPacked(name) }

  private func isPacked(_ name: String) -> Bool { places[name + PackedWeights.codes] != nil }

  /// One weight as the files hold it.
  public struct StoredWeight: Sendable {
    /// The model's own name.
    public let name: String
    /// Of the numbers, however they are stored.
    public let shape: [Int]
    /// The element type by its safetensors name, or `I4` and `I8` of packed ones.
    public let storedType: String
    /// Bytes in the files, scales and the like among them.
    public let byteCount: Int
    /// The element type that a model computes with where none is asked for; nil for one that it cannot compute with.
    public let dtype: DType?
    /// True where it is quantized.
    public var isPacked: Bool { storedType == "I4" || storedType == "I8" }
    /// Numbers.
    public var count: Int { shape.reduce(1, *) }
  }

  /// All weights, sorted by name.
  ///
  /// - Throws: `CheckpointError`, `TensorFileError` for packed ones whose parts are missing or make no sense.
  public var weights: [StoredWeight] {
    get throws {
      try places.compactMap { name, place in
        let entry = place.entry
        guard let part = PackedWeights.parts.first(where: { name.hasSuffix("weight" + $0) }),
          isPacked(String(name.dropLast(part.count)))
        else {
          return StoredWeight(
            name: name, shape: entry.shape, storedType: entry.storedType, byteCount: entry.byteCount, dtype: entry.weightDType)
        }
        guard part == PackedWeights.codes else { return nil }
        let base = String(name.dropLast(part.count))
        let shape = try packedShape(base)
        let bytes = PackedWeights.parts.reduce(0) { $0 + (places[base + $1]?.entry.byteCount ?? 0) }
        return StoredWeight(
          name: base, shape: shape, storedType: entry.byteCount * 2 > shape[0] * shape[1] ? "I8" : "I4", byteCount: bytes,
          dtype: places[base + PackedWeights.scale]?.entry.weightDType)
      }.sorted { $0.name < $1.name }
    }
  }

  private func stored(_ name: String, as dtype: DType? = nil, on device: Device = .cpu) throws -> Tensor {
    guard let place = places[name] else {
      throw CheckpointError.missing(parameter: KeyNames.file(name, layout, configuration.family.weights), folder: folder.path)
    }
    return try place.folder.tensor(place.entry.name, as: dtype, on: device)
  }

  /// Outputs and inputs of a packed matrix, within what codes of a byte or half of one can hold.
  private func packedShape(_ name: String) throws -> [Int] {
    let entry = places[name + PackedWeights.codes]?.entry
    let found = try stored(name + PackedWeights.shape).array(Int.self)
    guard let entry, entry.shape.count == 2, found.count == 2, found[0] == entry.shape[0], found[1] >= 0,
      found[1] / 32 == entry.shape[1] / 4 || found[1] / 32 == entry.shape[1] / 8
    else {
      throw CheckpointError.shape(
        tensor: entry?.name ?? name, file: folder.path, found: entry?.shape ?? [], expected: found.count == 2 ? found : [])
    }
    return found
  }

  /// Reads a matrix: quantized where the files hold it so.
  ///
  /// - Throws: as `parameter`, and `TorchError` for packed parts that do not fit one another.
  public func matrix(_ name: String, shape: [Int]) throws -> Matrix {
    try packedMatrix(name, shape: shape) ?? .dense(try parameter(name, shape: shape))
  }

  /// A matrix that the files hold quantized; nil where they do not.
  func packedMatrix(_ name: String, shape: [Int]) throws -> Matrix? {
    guard places[name] == nil, isPacked(name) else { return nil }
    let found = try packedShape(name)
    guard found == shape else {
      throw CheckpointError.shape(tensor: name, file: folder.path, found: found, expected: shape)
    }
    let scale = try stored(name + PackedWeights.scale)
    let zeroPoint = places[name + PackedWeights.zeroPoint] == nil ? nil : try stored(name + PackedWeights.zeroPoint, as: .int32)
    let packed = PackedMatrix(
      packed: try stored(name + PackedWeights.codes, as: .int32), scale: scale, zeroPoint: zeroPoint)
    let own = scale.dtype.isFloatingPoint ? scale.dtype : .float32
    do {
      return .quantized(try withoutGradient { try QuantizedMatrix(packed, inputs: shape[1], dtype: dtype ?? own).to(device) })
    } catch let error as TorchError {
      throw CheckpointError.packed(tensor: name, folder: folder.path, reason: error.description)
    }
  }

  /// The element type that a weight will have in memory, once its shape is checked.
  ///
  /// - Throws: as `parameter`, but for what reading shows.
  func elementType(of name: String, shape: [Int]) throws -> DType {
    guard let place = places[name] else {
      throw CheckpointError.missing(parameter: KeyNames.file(name, layout, configuration.family.weights), folder: folder.path)
    }
    return try place.entry.elementType(shape, in: place.folder.path(of: place.entry.name) ?? folder.path, as: dtype)
  }

  /// Reads a weight and checks it.
  ///
  /// - Throws: `CheckpointError.missing`, `.shape`, `.notFinite`, `TensorFileError.unsupportedDType` for integers, or what the file's
  ///   reader throws.
  public func parameter(_ name: String, shape: [Int]) throws -> Tensor {
    if places[name] == nil, isPacked(name) { return try matrix(name, shape: shape).dense() }
    guard let place = places[name] else {
      throw CheckpointError.missing(parameter: KeyNames.file(name, layout, configuration.family.weights), folder: folder.path)
    }
    let file = place.folder.path(of: place.entry.name) ?? folder.path
    return try place.entry.weight(shape, in: file, as: dtype) { try place.folder.tensor(place.entry.name, as: $0, on: device) }
  }
}
