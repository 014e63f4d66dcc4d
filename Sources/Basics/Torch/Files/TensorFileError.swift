/// What is wrong with a file of tensors, or with a folder of them.
public enum TensorFileError: Error, Equatable, CustomStringConvertible {
  /// The file cannot be opened, read or written; `reason` is the system's word.
  case unreadable(file: String, reason: String)
  /// The file's structure breaks the format.
  case malformed(file: String, reason: String)
  /// The file ends before its tensors do.
  case truncated(file: String, found: Int, expected: Int)
  /// No tensor has this name.
  case missing(tensor: String, file: String)
  /// A tensor's element type that this package does not compute with.
  case unsupportedDType(tensor: String, dtype: String, file: String)
  /// A tensor in blocks of a kind that is not read.
  case unsupportedBlocks(tensor: String, type: String, read: [String], file: String)
  /// A GGUF file says nothing under a key that its model needs.
  case missingKey(key: String, file: String)
  /// A GGUF file's key holds a value that makes no sense.
  case wrongValue(key: String, found: String, expected: String, file: String)
  /// An index names a shard that is not there.
  case missingShard(shard: String, index: String)
  /// A folder without weights.
  case noWeights(folder: String)

  /// One sentence for people.
  public var description: String {
    switch self {
    case .unreadable(let file, let reason): "\(file): \(reason)"
    case .malformed(let file, let reason): "\(file): damaged or not a file of tensors: \(reason)"
    case .truncated(let file, let found, let expected):
      "\(file): truncated: \(found) bytes of \(expected); copy or download it again"
    case .missing(let tensor, let file): "\(file): no tensor named \(tensor)"
    case .unsupportedDType(let tensor, let dtype, let file):
      "\(file): tensor \(tensor) holds \(dtype); convert it to F32, F16 or BF16"
    case .unsupportedBlocks(let tensor, let type, let read, let file):
      "\(file): type \(type) of tensor \(tensor) is not read; make the file anew with \(read.dropLast().joined(separator: ", ")) or "
        + "\(read.last ?? "F32")"
    case .missingKey(let key, let file): "\(file): its metadata have no \(key); make the file anew with llama.cpp's converter"
    case .wrongValue(let key, let found, let expected, let file): "\(file): \(key) is \(found), expected \(expected)"
    case .missingShard(let shard, let index): "\(index): names \(shard), which is not beside it; copy or download it again"
    case .noWeights(let folder): "\(folder): no weights: neither model.safetensors nor pytorch_model.bin, nor an index of shards"
    }
  }
}
