import Foundation
import LLaVA
import Shapes

extension LLaVAModel {
  /// Writes a checkpoint in bfloat16 that speaks the shapes' tokenizer; it appears whole or not at all.
  ///
  /// - Throws: `CheckpointError.exists` where the folder is there already; the system's error.
  func writeWithShapesTokenizer(to folder: URL) throws {
    let companions = FileManager.default.temporaryDirectory.appending(path: "epic-tokenizer-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: companions, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: companions) }
    try ShapesTokenizer.write(to: companions)
    try CheckpointWriter.write(self, to: folder, dtype: .bfloat16, companions: companions)
  }
}
