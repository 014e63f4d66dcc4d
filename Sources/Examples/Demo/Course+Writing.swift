import Foundation
import LLaVA
import Shapes

extension Course {
  /// Writes a model of this course as a checkpoint in bfloat16 with the tokenizer; it appears whole or not at all.
  ///
  /// - Throws: `CheckpointError.exists` where the folder is there already; the system's error.
  func write(_ model: LLaVAModel, to folder: URL) throws {
    let companions = FileManager.default.temporaryDirectory.appending(path: "epic-tokenizer-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: companions, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: companions) }
    try tokenizer.write(to: companions)
    try CheckpointWriter.write(model, to: folder, dtype: .bfloat16, companions: companions)
  }
}
