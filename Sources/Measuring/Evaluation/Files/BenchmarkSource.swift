import Foundation

/// A file or folder of a benchmark: where it may lie in a data folder, and where people get it.
struct BenchmarkFile: Sendable {
  /// Places relative to the data folder, the usual one first.
  let paths: [String]
  let origin: String

  init(paths: [String], origin: String) {
    self.paths = paths
    self.origin = origin
  }

  init(_ paths: String..., origin: String) { self.init(paths: paths, origin: origin) }

  /// A file of LLaVA's `eval.zip`, which unpacks into one folder for each benchmark.
  static func llava(_ path: String) -> BenchmarkFile {
    BenchmarkFile(
      path,
      origin:
        "LLaVA's eval.zip, https://drive.google.com/file/d/1atZSBBrAX54yYpxtVVW33zFvcnaHeFPy (unpack it into the data folder)")
  }
}

/// What a benchmark is made from: a data folder and what was chosen.
struct BenchmarkSource: Sendable {
  let definition: BenchmarkDefinition
  let folder: URL
  let options: BenchmarkOptions

  var split: String { options.split ?? definition.splits[0] }
  var prompt: String { options.prompt ?? definition.prompts[0] }

  /// Where a file lies; nil where it is not there.
  func find(_ file: BenchmarkFile) -> URL? {
    file.paths.lazy.map { folder.appending(path: $0) }.first { FileManager.default.fileExists(atPath: $0.path) }
  }

  /// Where a file lies.
  ///
  /// - Throws: `EvaluationError.missingFile`, which says where it was expected and where people get it.
  func locate(_ file: BenchmarkFile) throws -> URL {
    if let found = find(file) { return found }
    throw EvaluationError.missingFile(
      benchmark: definition.name, expected: file.paths.map { folder.appending(path: $0).relativePath }, origin: file.origin)
  }

  /// Where a folder of pictures lies.
  ///
  /// Without `requiresImages` one that is missing is taken to lie at its usual place, since scoring needs no pictures.
  func images(_ file: BenchmarkFile) throws -> URL {
    if !options.requiresImages { return find(file) ?? folder.appending(path: file.paths[0]) }
    return try locate(file)
  }
}
