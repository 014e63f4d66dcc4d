import Foundation

/// The weights of one folder: a single file, or shards with an index; safetensors before PyTorch's own format.
public struct WeightFolder: Sendable {
  /// All tensors by name.
  public let entries: [String: TensorEntry]
  /// Names of the files, sorted.
  public let files: [String]

  private let home: [String: any TensorFile]

  private struct Index: Decodable {
    let weight_map: [String: String]
  }

  /// Opens all files of a folder and checks their directories, and that the index, if any, tells the truth.
  ///
  /// 1. `model.safetensors.index.json` with its shards, or `model.safetensors`.
  /// 2. Else `pytorch_model.bin.index.json` with its shards, or `pytorch_model.bin`: what the original LLaVA's checkpoints hold.
  /// 3. `mm_projector.bin` as well where the others lack a projector: LLaVA's pretraining saves it alone.
  /// - Throws: `TensorFileError`.
  public init(_ folder: URL) throws {
    let manager = FileManager.default
    var opened: [String: any TensorFile] = [:]
    var index: [String: String]?
    for single in ["model.safetensors", "pytorch_model.bin"] {
      let list = folder.appendingPathComponent(single + ".index.json")
      if manager.fileExists(atPath: list.path) {
        (opened, index) = try Self.shards(list, folder)
        break
      }
      if manager.fileExists(atPath: folder.appendingPathComponent(single).path) {
        opened[single] = try Self.open(folder.appendingPathComponent(single))
        break
      }
    }
    let projector = "mm_projector.bin"
    let hasProjector = opened.values.contains { $0.entries.keys.contains { $0.contains("projector") } }
    if !hasProjector, manager.fileExists(atPath: folder.appendingPathComponent(projector).path) {
      let file = try Self.open(folder.appendingPathComponent(projector))
      opened[projector] = file
      for name in file.entries.keys { index?[name] = projector }
    }
    if opened.isEmpty { throw TensorFileError.noWeights(folder: folder.path) }

    var entries: [String: TensorEntry] = [:]
    var home: [String: any TensorFile] = [:]
    for (name, file) in opened.sorted(by: { $0.key < $1.key }) {
      for (tensor, entry) in file.entries where index == nil || index?[tensor] == name {
        entries[tensor] = entry
        home[tensor] = file
      }
    }
    self.entries = entries
    self.home = home
    files = opened.keys.sorted()
  }

  private static func open(_ url: URL) throws -> any TensorFile {
    url.pathExtension == "safetensors" ? try SafetensorsFile(url) : try PickleFile(url)
  }

  private static func shards(_ index: URL, _ folder: URL) throws -> ([String: any TensorFile], [String: String]) {
    let map: [String: String]
    do {
      map = try JSONDecoder().decode(Index.self, from: Data(contentsOf: index)).weight_map
    } catch {
      throw TensorFileError.malformed(file: index.path, reason: "no JSON object with a weight_map from tensors to files")
    }
    var opened: [String: any TensorFile] = [:]
    for shard in Set(map.values).sorted() {
      let url = folder.appendingPathComponent(shard)
      // A name with a folder in it could lead outside the checkpoint.
      guard !shard.contains("/"), FileManager.default.fileExists(atPath: url.path) else {
        throw TensorFileError.missingShard(shard: shard, index: index.path)
      }
      opened[shard] = try open(url)
    }
    for (name, shard) in map.sorted(by: { $0.key < $1.key }) where opened[shard]?.entries[name] == nil {
      throw TensorFileError.missing(tensor: name, file: folder.appendingPathComponent(shard).path)
    }
    return (opened, map)
  }

  /// Path of the file that holds a tensor, for messages.
  public func path(of name: String) -> String? { home[name]?.path }

  /// Reads a tensor as `TensorFile.tensor` does.
  public func tensor(_ name: String, as dtype: DType? = nil, on device: Device = .cpu) throws -> Tensor {
    guard let file = home[name] else { throw TensorFileError.missing(tensor: name, file: files.joined(separator: ", ")) }
    return try file.tensor(name, as: dtype, on: device)
  }
}
