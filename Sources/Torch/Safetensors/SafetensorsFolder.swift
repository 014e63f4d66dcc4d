import Foundation

/// The weights of one folder: a single `model.safetensors`, or shards with `model.safetensors.index.json`.
public struct SafetensorsFolder: Sendable {
  /// All tensors by name.
  public let entries: [String: SafetensorsFile.Entry]
  /// Names of the files, sorted.
  public let files: [String]
  /// The strings under `__metadata__` of all files.
  public let metadata: [String: String]

  private let home: [String: SafetensorsFile]

  private struct Index: Decodable {
    let weight_map: [String: String]
  }

  /// Opens all files of a folder and checks their headers, and that the index, if any, tells the truth.
  ///
  /// - Throws: `SafetensorsError`.
  public init(_ folder: URL) throws {
    let index = folder.appendingPathComponent("model.safetensors.index.json")
    let single = folder.appendingPathComponent("model.safetensors")
    let manager = FileManager.default
    guard manager.fileExists(atPath: index.path) else {
      guard manager.fileExists(atPath: single.path) else { throw SafetensorsError.noWeights(folder: folder.path) }
      try self.init(files: ["model.safetensors": SafetensorsFile(single)], index: nil)
      return
    }
    let map: [String: String]
    do {
      map = try JSONDecoder().decode(Index.self, from: Data(contentsOf: index)).weight_map
    } catch {
      throw SafetensorsError.malformed(file: index.path, reason: "no JSON object with a weight_map from tensors to files")
    }
    var opened: [String: SafetensorsFile] = [:]
    for shard in Set(map.values).sorted() {
      let url = folder.appendingPathComponent(shard)
      // A name with a folder in it could lead outside the checkpoint.
      guard !shard.contains("/"), manager.fileExists(atPath: url.path) else {
        throw SafetensorsError.missingShard(shard: shard, index: index.path)
      }
      opened[shard] = try SafetensorsFile(url)
    }
    for (name, shard) in map.sorted(by: { $0.key < $1.key }) where opened[shard]?.entries[name] == nil {
      throw SafetensorsError.missing(tensor: name, file: folder.appendingPathComponent(shard).path)
    }
    try self.init(files: opened, index: map)
  }

  private init(files: [String: SafetensorsFile], index: [String: String]?) throws {
    var entries: [String: SafetensorsFile.Entry] = [:]
    var home: [String: SafetensorsFile] = [:]
    var metadata: [String: String] = [:]
    for (name, file) in files.sorted(by: { $0.key < $1.key }) {
      metadata.merge(file.metadata) { first, _ in first }
      for (tensor, entry) in file.entries where index == nil || index?[tensor] == name {
        entries[tensor] = entry
        home[tensor] = file
      }
    }
    self.entries = entries
    self.home = home
    self.metadata = metadata
    self.files = files.keys.sorted()
  }

  /// Path of the file that holds a tensor, for messages.
  public func path(of name: String) -> String? { home[name]?.path }

  /// Reads a tensor as `SafetensorsFile.tensor` does.
  public func tensor(_ name: String, as dtype: DType? = nil, on device: Device = .cpu) throws -> Tensor {
    guard let file = home[name] else { throw SafetensorsError.missing(tensor: name, file: files.joined(separator: ", ")) }
    return try file.tensor(name, as: dtype, on: device)
  }
}
