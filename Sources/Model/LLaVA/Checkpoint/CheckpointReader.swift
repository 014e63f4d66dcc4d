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
    if let file = try Self.gguf(at: folder) { throw CheckpointError.gguf(file) }
    guard FileManager.default.fileExists(atPath: folder.path, isDirectory: &isFolder), isFolder.boolValue else {
      throw CheckpointError.noSuchFolder(folder.path)
    }
    self.folder = folder
    self.dtype = dtype
    self.device = device
    let reader = try ConfigurationReader(folder)
    layout = reader.layout
    configuration = try reader.read()

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

  /// The GGUF file that stands where a checkpoint is expected: the path itself, or one in a folder without a config.json.
  private static func gguf(at url: URL) throws -> String? {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder) else { return nil }
    if !isFolder.boolValue { return url.pathExtension.lowercased() == "gguf" ? url.path : nil }
    if FileManager.default.fileExists(atPath: url.appending(path: "config.json").path) { return nil }
    let name = try FileManager.default.contentsOfDirectory(atPath: url.path).sorted().first { $0.lowercased().hasSuffix(".gguf") }
    return name.map { url.appending(path: $0).path }
  }

  /// True where a file holds this weight.
  public func contains(_ name: String) -> Bool { places[name] != nil }

  /// All weights' names, shapes and stored types, sorted by name.
  public var entries: [(name: String, entry: TensorEntry)] {
    places.map { ($0.key, $0.value.entry) }.sorted { $0.0 < $1.0 }
  }

  /// Reads a weight and checks it.
  ///
  /// - Throws: `CheckpointError.missing`, `.shape`, `.notFinite`, `TensorFileError.unsupportedDType` for integers, or what the file's
  ///   reader throws.
  public func parameter(_ name: String, shape: [Int]) throws -> Tensor {
    guard let place = places[name] else {
      throw CheckpointError.missing(parameter: KeyNames.file(name, layout, configuration.family.weights), folder: folder.path)
    }
    let file = place.folder.path(of: place.entry.name) ?? folder.path
    return try place.entry.weight(shape, in: file, as: dtype) { try place.folder.tensor(place.entry.name, as: $0, on: device) }
  }
}
