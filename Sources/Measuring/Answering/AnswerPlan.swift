import Compression
import LLaVA

/// One way to answer: a strategy and how many visual tokens it leaves, or all of them.
public struct AnswerPlan: Sendable {
  /// The name that stands for no compression.
  public static let fullName = "full"

  /// The strategy's name; ``fullName`` where all tokens stay.
  public let strategy: String
  /// Visual tokens that are left of a picture.
  public let keep: Int
  /// Decoder layers before tokens are dropped; nil where there are fewer from the start, or all stay.
  public let layer: Int?
  /// What the model is told; nil where all tokens stay.
  public let compression: CompressionPlan?

  /// All tokens stay.
  public init(fullOf configuration: LLaVAConfiguration) {
    strategy = Self.fullName
    keep = configuration.vision.tokens
    layer = nil
    compression = nil
  }

  /// A strategy that leaves `keep` tokens.
  ///
  /// - Parameter layer: decoder layers before tokens are dropped; strategies that work before the decoder ignore it.
  /// - Throws: `CompressionError` for an unknown strategy, more tokens than a picture has, or a layer that the decoder has not.
  public init(
    _ name: String, keep: Int, layer: Int, for configuration: LLaVAConfiguration, registry: CompressorRegistry = .standard
  ) throws {
    let chosen = try registry.strategy(name)
    let plan = try CompressionPlan(chosen, cuts: [CompressionPlan.Cut(layer: layer, .keep(keep))])
    _ = try plan.resolve(imageTokens: [[configuration.vision.tokens]], layers: configuration.text.layers)
    _ = try plan.shrunk(configuration.vision.grid)
    strategy = name
    self.keep = keep
    if case .drop = chosen { self.layer = layer } else { self.layer = nil }
    compression = plan
  }

  /// Every strategy with every budget.
  ///
  /// A budget of all tokens is no compression, whatever the strategy, so all of these are one plan.
  ///
  /// - Parameter includesFull: begin with the plan that keeps everything, whether or not a budget says so.
  /// - Throws: as `init(_:keep:layer:for:registry:)`.
  public static func all(
    _ strategies: [String], keep budgets: [Int], layer: Int, for configuration: LLaVAConfiguration, includesFull: Bool = true,
    registry: CompressorRegistry = .standard
  ) throws -> [AnswerPlan] {
    var plans: [AnswerPlan] = []
    let full = AnswerPlan(fullOf: configuration)
    if includesFull || budgets.contains(full.keep) { plans.append(full) }
    for name in strategies {
      for keep in budgets {
        let plan = try AnswerPlan(name, keep: keep, layer: layer, for: configuration, registry: registry)
        if keep < full.keep, !plans.contains(where: { $0.id == plan.id }) { plans.append(plan) }
      }
    }
    return plans
  }

  /// "full", "dart-64-after-2" or "pool-64": the name in journals and file names.
  public var id: String {
    if compression == nil { return Self.fullName }
    return "\(strategy)-\(keep)" + (layer.map { "-after-\($0)" } ?? "")
  }

  /// What chooses tokens between two decoder layers; nil for other plans.
  var compressor: (any TokenCompressor)? {
    if case .drop(let compressor) = compression?.strategy { compressor } else { nil }
  }
}
