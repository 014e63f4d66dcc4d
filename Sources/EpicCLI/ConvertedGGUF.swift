import Basics
import Foundation
import LLaVA

/// Checkpoint folders that were made of GGUF files, kept so that a file is converted once.
enum ConvertedGGUF {
  /// Changes where a converted folder would look otherwise.
  private static let version = 1

  /// The folder of a GGUF file that is named in place of one.
  ///
  /// The projector is the one beside it whose name has `mmproj` in it.
  ///
  /// - Returns: nil for what is no GGUF file, and for one without a projector, of which whoever reads it says what to do.
  /// - Throws: `InputError` for several projectors or no home to keep it in; `FileError`; what converting throws.
  static func folder(of place: URL, cache: URL? = UserFolders.cache()) throws -> URL? {
    guard let files = try GGUFCheckpoint.files(at: place), let projector = files.projectors.first else { return nil }
    if files.projectors.count > 1 {
      let names = files.projectors.map(\.lastPathComponent).joined(separator: ", ")
      throw InputError(
        description: "\(place.relativePath): several projectors lie beside it (\(names)); name one with epic convert --projector")
    }
    guard let cache else {
      throw InputError(
        description: "\(place.relativePath): no home folder to keep a converted copy in; set EPIC_CACHE, or use epic convert")
    }
    let name = files.model.deletingPathExtension().lastPathComponent
    let folder = cache.appending(path: "gguf/\(name)-\(try fingerprint(of: [files.model, projector]))")
    if FileManager.default.fileExists(atPath: folder.path) { return folder }
    let line = ProgressLine()
    defer { line.clear() }
    line.show { "converting \(files.model.lastPathComponent)" }
    let model = try GGUFCheckpoint(files.model, projector: projector)
    do {
      try model.write(to: folder)
    } catch {
      // Another process may have made it meanwhile.
      if !FileManager.default.fileExists(atPath: folder.path) { throw error }
    }
    line.clear()
    printNote("\(files.model.lastPathComponent) and \(projector.lastPathComponent) were converted, once, into \(folder.path)")
    return folder
  }

  /// Changes where one of the files is another one.
  private static func fingerprint(of files: [URL]) throws -> String {
    var text = "\(version)"
    for file in files {
      var found = stat()
      if stat(file.path, &found) != 0 { throw FileError.current(file) }
      let path = file.standardizedFileURL.resolvingSymlinksInPath().path
      text += "\n\(path) \(found.st_size) \(found.st_mtim.tv_sec) \(found.st_mtim.tv_nsec)"
    }
    return StableHash(text.utf8).text
  }
}
