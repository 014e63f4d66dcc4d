import Foundation
import Torch

extension LLaVAModel {
  /// Reads a checkpoint in any of the known layouts.
  ///
  /// - Parameters:
  ///   - folder: holds `config.json` and the weights.
  ///   - dtype: element type of the weights in memory; `nil` keeps what the files hold.
  ///   - device: where the weights go.
  ///   - quantization: in how many bits the decoder's matrices are held; as they are stored unless given.
  /// - Throws: `CheckpointError`, `ConfigurationError`, `TensorFileError`, each naming file and field.
  public static func load(
    from folder: URL, dtype: DType? = nil, device: Device = .cpu, quantization: QuantizationOptions? = nil
  ) throws -> LLaVAModel {
    let reader = try CheckpointReader(folder, dtype: dtype, device: device)
    return try LLaVAModel(reader.configuration, from: quantization.quantizing(reader))
  }

  /// A model with random weights.
  public static func random(
    _ configuration: LLaVAConfiguration, seed: UInt64 = 0, dtype: DType = .float32, device: Device = .cpu,
    quantization: QuantizationOptions? = nil
  ) throws -> LLaVAModel {
    let source = try RandomParameters(seed: seed, dtype: dtype, device: device)
    return try LLaVAModel(configuration, from: quantization.quantizing(source))
  }
}
