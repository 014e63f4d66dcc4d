import Torch

/// What LLaVA-NeXT-Video makes of a video: neighbouring patches of each frame become one between tower and projector (transformers'
/// `LlavaNextVideoPooler`), and no row of tokens has an end.
public struct PooledVideo: Sendable, Equatable, Encodable {
  /// What becomes of patches.
  ///
  /// transformers has a third way, a convolution, with weights of its own; a checkpoint that asks for it is refused.
  public enum Mode: String, Sendable, CaseIterable, Encodable {
    /// Their mean.
    case average
    /// The largest value of each feature.
    case max
  }

  /// What becomes of patches.
  public var mode = Mode.average
  /// So many patches in each direction become one; those left over at the right and at the bottom are dropped.
  public var stride = 2

  /// As in published checkpoints, but for what is given.
  public init(mode: Mode = .average, stride: Int = 2) { (self.mode, self.stride) = (mode, stride) }

  /// What a config.json says.
  init(_ root: JSONObject) throws {
    if let name = try root.string("spatial_pool_mode") {
      guard let known = Mode(rawValue: name) else {
        throw ConfigurationError.unsupported(
          file: root.file, field: "spatial_pool_mode", found: "\"\(name)\"", known: Mode.allCases.map(\.rawValue))
      }
      mode = known
    }
    stride = try root.int("spatial_pool_stride") ?? stride
  }

  /// The fields of config.json.
  var fields: [String: JSONValue] {
    ["spatial_pool_mode": .string(mode.rawValue), "spatial_pool_stride": .int(stride)]
  }

  /// Throws unless a frame has a token.
  func validate(_ c: LLaVAConfiguration, _ file: String) throws {
    if !(1...max(1, c.vision.gridSize)).contains(stride) {
      throw ConfigurationError.invalid(
        file: file, field: "spatial_pool_stride",
        reason: "\(stride) is outside 1...\(c.vision.gridSize), the patches along a side")
    }
  }

  /// Patches as images [frames, width, side, side], pooled.
  func callAsFunction(_ patches: Tensor) throws -> Tensor {
    switch mode {
    case .average: try patches.averagePooled(stride)
    case .max: try patches.maxPooled(stride)
    }
  }
}
