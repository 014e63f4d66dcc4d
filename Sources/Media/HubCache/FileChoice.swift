import Foundation

/// Which files of a repository are needed.
public enum FileChoice: Sendable {
  /// All that a checkpoint is read from.
  case checkpoint
  /// All but the weights.
  case tokenizer

  /// Files at the top of a repository that say what a model is and how it is talked to.
  ///
  /// They are configurations, tokenizers, chat templates and processors: small, and another family's have other names, so all of their
  /// kinds are taken. A checkpoint in LLaVA's own layout may say in a folder what its tower is.
  /// `trainer_state.json` is a log that can be large and that nobody reads.
  package func descriptions(in paths: some Sequence<String>) -> [String] {
    paths.filter { path in
      let kinds = [".json", ".jinja", ".txt", ".model"]
      let isAtTop = !path.contains("/") || path.hasPrefix("vision_tower/") && path.filter { $0 == "/" }.count == 1
      return isAtTop && path != "trainer_state.json" && kinds.contains { path.hasSuffix($0) && path.count > $0.count }
    }.sorted()
  }

  /// Files with weights, by the rules of the reader.
  ///
  /// The first of safetensors with an index, safetensors in one piece, a pickle with an index, a pickle in one piece; and a projector that
  /// was saved alone.
  /// - Parameter contents: of an index, which is one of the descriptions.
  /// - Throws: `HubError` with `.noWeights`, or `.answer` for an index that names no files; what `contents` throws.
  package func weights(in paths: Set<String>, of subject: String, contents: (String) throws -> Data) throws -> [String] {
    if self == .tokenizer { return [] }
    let projector = ["mm_projector.bin"].filter(paths.contains)
    for single in ["model.safetensors", "pytorch_model.bin"] {
      let index = single + ".index.json"
      if paths.contains(index) {
        let shards = try Self.index(contents(index), index, subject).shards
        if let shard = shards.first(where: { $0.contains("/") || !RepositoryListing.isInside($0) }) {
          throw HubError(subject, .hostileName(shard))
        }
        return shards + projector
      }
      if paths.contains(single) { return [single] + projector }
    }
    if projector.isEmpty {
      let kinds = [".gguf", ".msgpack", ".h5", ".onnx", ".safetensors", ".bin", ".pth", ".pt"]
      throw HubError(
        subject, .noWeights(others: paths.sorted().filter { path in kinds.contains { path.lowercased().hasSuffix($0) } }))
    }
    return projector
  }

  /// The repository with the vision tower of a checkpoint in LLaVA's own layout, where its weights do not hold it.
  ///
  /// - Parameters:
  ///   - configuration: of `config.json`.
  ///   - index: of the weights, where they lie in shards.
  /// - Returns: nil where no other repository is needed, or none is named.
  package func tower(configuration: Data, index: Data?) -> HubName? {
    struct Fields: Decodable { let mm_vision_tower: String? }
    // What is wrong with a configuration is for its reader to say.
    guard self == .checkpoint, let name = try? JSONDecoder().decode(Fields.self, from: configuration).mm_vision_tower else {
      return nil
    }
    // Of an index that cannot be read nothing is known; its own error comes when the shards are chosen.
    if let index, let tensors = try? JSONDecoder().decode(WeightIndex.self, from: index).weight_map.keys,
      tensors.contains(where: { $0.contains("vision_tower.") })
    {
      return nil
    }
    // A tower may be named by a folder too, which is no name of a repository.
    return try? HubName(name)
  }

  private struct WeightIndex: Decodable {
    let weight_map: [String: String]
    var shards: [String] { Set(weight_map.values).sorted() }
  }

  private static func index(_ data: Data, _ file: String, _ subject: String) throws(HubError) -> WeightIndex {
    guard let index = try? JSONDecoder().decode(WeightIndex.self, from: data), !index.shards.isEmpty else {
      throw HubError(subject, .answer(path: file, reason: "is no JSON object with a weight_map from tensors to files"))
    }
    return index
  }
}
