import Foundation

/// Makes a folder that appears whole or not at all: it is filled beside its place, then renamed.
///
/// - Throws: `CheckpointError.exists`, the system's error, and what `fill` throws; nothing is left behind then.
func writingFolder(_ folder: URL, _ fill: (URL) throws -> Void) throws {
  let manager = FileManager.default
  guard !manager.fileExists(atPath: folder.path) else { throw CheckpointError.exists(folder.path) }
  let parent = folder.standardizedFileURL.deletingLastPathComponent()
  let temporary = parent.appendingPathComponent(".\(folder.lastPathComponent).\(UUID().uuidString)")
  let created = missingFolders(parent)
  do {
    try manager.createDirectory(at: parent, withIntermediateDirectories: true)
    try manager.createDirectory(at: temporary, withIntermediateDirectories: false)
    try fill(temporary)
    try manager.moveItem(at: temporary, to: folder)
  } catch {
    try? manager.removeItem(at: temporary)
    // Removes empty folders only: another process may have put something there meanwhile.
    for folder in created { rmdir(folder.path) }
    throw error
  }
}

/// The folders on the way to `folder` that are not there yet, innermost first.
private func missingFolders(_ folder: URL) -> [URL] {
  var missing: [URL] = []
  var place = folder
  while place.path != "/", !FileManager.default.fileExists(atPath: place.path) {
    missing.append(place)
    place = place.deletingLastPathComponent()
  }
  return missing
}
