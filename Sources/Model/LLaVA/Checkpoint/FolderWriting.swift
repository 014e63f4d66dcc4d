import Basics
import Foundation

/// Makes a folder that appears whole or not at all.
///
/// - Throws: `CheckpointError.exists`, `FileError`, and what `fill` throws; nothing is left behind then.
func writingFolder(_ folder: URL, _ fill: (URL) throws -> Void) throws {
  if FileManager.default.fileExists(atPath: folder.path) { throw CheckpointError.exists(folder.path) }
  try WholeFolder.write(to: folder, fill)
}
