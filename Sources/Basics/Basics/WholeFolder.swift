import Foundation

/// Folders that appear whole or not at all, and go so.
public enum WholeFolder {
  /// Makes a folder that is filled beside its place and then gets its name; folders on the way to it are made as well.
  ///
  /// What killed processes left of the same folder is removed first.
  ///
  /// - Parameters:
  ///   - syncs: bring every file to the disk before the folder gets its name, so that it is whole after a loss of power too.
  ///   - isMade: whether `fill` finds a folder, or makes it.
  ///   - fill: puts everything into the folder that it is given.
  /// - Throws: `FileError.failed`, also where the folder is there already, and what `fill` throws; nothing is left behind then.
  public static func write(to folder: URL, syncs: Bool = true, isMade: Bool = true, _ fill: (URL) throws -> Void) throws {
    let manager = FileManager.default
    let parent = folder.standardizedFileURL.deletingLastPathComponent()
    let partial = PartialName.place(beside: folder)
    let created = missingFolders(parent)
    var lock: Int32 = -1
    defer { if lock >= 0 { close(lock) } }
    do {
      try manager.createDirectory(at: parent, withIntermediateDirectories: true)
      try PartialName.sweep(parent, for: folder.lastPathComponent)
      if isMade {
        try manager.createDirectory(at: partial, withIntermediateDirectories: false)
        lock = open(partial.path, O_RDONLY | O_CLOEXEC)
        // Held while it is filled, so that nobody takes it for what a killed process left.
        if lock < 0 || !lockFile(lock) { throw FileError.current(partial) }
      }
      try fill(partial)
      if syncs { try bringAllToDisk(partial) }
      if manager.fileExists(atPath: folder.path) { throw FileError.failed(path: folder.relativePath, reason: "File exists") }
      try manager.moveItem(at: partial, to: folder)
      if syncs { try bringToDisk(parent) }
    } catch {
      // Ours by its name; what stays of it is swept later, and the first error is the one to tell.
      try? manager.removeItem(at: partial)
      // Removes empty folders only: another process may have put something there meanwhile.
      for folder in created { rmdir(folder.path) }
      throw error is CocoaError ? FileError.failed(path: folder.relativePath, reason: systemReason(error)) : error
    }
  }

  /// Removes a folder so that a kill half way leaves nothing under its name.
  ///
  /// - Throws: `FileError.failed`.
  public static func remove(_ folder: URL) throws {
    let doomed = PartialName.place(beside: folder)
    do {
      try FileManager.default.moveItem(at: folder, to: doomed)
      try FileManager.default.removeItem(at: doomed)
    } catch {
      throw FileError.failed(path: folder.relativePath, reason: systemReason(error))
    }
  }

  private static func bringAllToDisk(_ folder: URL) throws {
    let inside = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: [.isSymbolicLinkKey])
    while let url = inside?.nextObject() as? URL {
      if try url.resourceValues(forKeys: [.isSymbolicLinkKey]).isSymbolicLink != true { try bringToDisk(url) }
    }
    try bringToDisk(folder)
  }

  /// The folders on the way to `folder` that are not there yet, innermost first.
  private static func missingFolders(_ folder: URL) -> [URL] {
    var missing: [URL] = []
    var place = folder
    while place.path != "/", !FileManager.default.fileExists(atPath: place.path) {
      missing.append(place)
      place = place.deletingLastPathComponent()
    }
    return missing
  }
}
