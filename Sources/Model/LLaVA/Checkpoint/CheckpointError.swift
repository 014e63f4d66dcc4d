/// What is wrong with a checkpoint's weights or files.
public enum CheckpointError: Error, Equatable, CustomStringConvertible {
  /// The folder is not there.
  case noSuchFolder(String)
  /// A file of llama.cpp, or a folder of nothing else, with its projector beside it.
  case gguf(String, projector: String?)
  /// A tensor of a GGUF file that its architecture does not have here.
  case foreignTensor(tensor: String, file: String, architecture: String)
  /// A weight that the configuration calls for is in no file.
  case missing(parameter: String, folder: String)
  /// A weight has another shape than the configuration calls for.
  case shape(tensor: String, file: String, found: [Int], expected: [Int])
  /// A weight holds infinite numbers or NaN.
  case notFinite(tensor: String, file: String, count: Int)
  /// The vision tower lies in another folder that is not there.
  case noTower(name: String, folder: String)
  /// The parts of a quantized matrix do not fit one another.
  case packed(tensor: String, folder: String, reason: String)
  /// A weight that two checkpoints do not both have, in one shape.
  case notAlike(parameter: String, folder: String, other: String)
  /// Weights cannot be held in so many bits.
  case bits(Int)
  /// Something already stands where the checkpoint should be written.
  case exists(String)

  /// One sentence for people.
  public var description: String {
    switch self {
    case .noSuchFolder(let folder): "\(folder): no such folder"
    case .gguf(let file, let projector):
      "\(file): a GGUF file, and checkpoints are folders with config.json and safetensors; make one of it with epic convert "
        + "\(file) --projector \(projector ?? "mmproj.gguf") new-folder"
    case .foreignTensor(let tensor, let file, let architecture):
      "\(file): tensor \(tensor) is no part of a model of architecture \(architecture) that is read; only its plain form is"
    case .missing(let parameter, let folder): "\(folder): no file holds \(parameter), which config.json calls for"
    case .shape(let tensor, let file, let found, let expected):
      "\(file): tensor \(tensor) has shape \(found), config.json calls for \(expected)"
    case .notFinite(let tensor, let file, let count):
      "\(file): tensor \(tensor) holds \(count) NaN or infinite number\(count == 1 ? "" : "s"); the checkpoint is damaged"
    case .noTower(let name, let folder):
      "\(folder): holds no vision tower, and the CLIP folder \(name) that config.json names is neither there, nor beside it, nor in the hub's cache; put it there, or run "
        + "epic pull \(name)"
    case .packed(let tensor, let folder, let reason): "\(folder): quantized \(tensor): \(reason)"
    case .notAlike(let parameter, let folder, let other):
      "\(other): \(parameter) is missing there or in \(folder), or has another shape; both must be versions of one model"
    case .bits(let bits): "weights in \(bits) bits, expected 4 or 8"
    case .exists(let path): "\(path): already exists; choose another place or remove it"
    }
  }
}
