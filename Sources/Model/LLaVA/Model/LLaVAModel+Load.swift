import Foundation
import Torch

extension LLaVAModel {
  /// Reads a checkpoint in any of the known layouts.
  ///
  /// - Parameters:
  ///   - folder: holds `config.json` and the weights.
  ///   - dtype: element type of the weights in memory; `nil` keeps what the files hold.
  ///   - device: where the weights go.
  /// - Throws: `CheckpointError`, `ConfigurationError`, `TensorFileError`, each naming file and field.
  public static func load(from folder: URL, dtype: DType? = nil, device: Device = .cpu) throws -> LLaVAModel {
    let reader = try CheckpointReader(folder, dtype: dtype, device: device)
    return try LLaVAModel(reader.configuration, from: reader)
  }

  /// A model with random weights.
  public static func random(
    _ configuration: LLaVAConfiguration, seed: UInt64 = 0, dtype: DType = .float32, device: Device = .cpu
  ) throws -> LLaVAModel {
    try LLaVAModel(configuration, from: RandomParameters(seed: seed, dtype: dtype, device: device))
  }
}
