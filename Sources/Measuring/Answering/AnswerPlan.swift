import Basics
import Compression
import LLaVA

/// One way to answer: a plan of compression, or all visual tokens.
public struct AnswerPlan: Sendable {
  /// The name that stands for no compression.
  public static let fullName = "full"

  /// The name in tables: the compressor's for a plan of one stage, the spelling for others, a long schedule's as it was asked for;
  /// ``fullName`` where all tokens stay.
  public let compressor: String
  /// Visual tokens that are left of a picture behind all stages.
  public let keep: Int
  /// The share of a picture's tokens that is left, where the plan says that in place of a number.
  public var share: Double? {
    if case .share(let share)? = compression?.stages.last?.amount { share } else { nil }
  }
  /// Decoder layers before the first cut; nil where there is none in the decoder.
  public let layer: Int?
  /// What the model is told; nil where all tokens stay.
  public let compression: CompressionPlan?
  /// "full", "dart-64-after-2", "pool-64" or "dart-64-after-2+dart-16-after-15": the name in journals and file names.
  public let id: String

  /// All tokens stay.
  public init(fullOf configuration: LLaVAConfiguration) {
    compressor = Self.fullName
    keep = configuration.pictureLayout.count
    layer = nil
    compression = nil
    id = Self.fullName
  }

  /// A plan.
  ///
  /// - Throws: `CompressionError` where it does not fit the model.
  public init(_ plan: CompressionPlan, for configuration: LLaVAConfiguration) throws {
    let tokens = try configuration.tokens(of: plan)
    let spelling = plan.stages.count > 3 ? plan.schedule ?? plan.description : plan.description
    // All averages of one rule are one compressor.
    let name = plan.stages.first?.name.map { plan.rule == nil ? $0 : $0.replacing(/:threshold=[^:]*/, with: "") }
    compressor = plan.stages.count == 1 ? name ?? "\(type(of: plan.stages[0].reducer))" : spelling
    keep = tokens.last
    layer = plan.stages.compactMap(\.site.decoderLayer).first
    compression = plan
    id = Self.id(of: plan)
  }

  /// Names of files have their limits.
  private static func id(of plan: CompressionPlan) -> String {
    let id = plan.stages.map(Self.id).joined(separator: "+")
    return id.utf8.count <= 160 ? id : "\(id.prefix(120))-\(StableHash(id.utf8).text)"
  }

  /// Every compressor with every budget, each with one cut.
  ///
  /// A budget of all tokens is no compression, whatever the compressor, so all of these are one plan.
  ///
  /// - Parameters:
  ///   - layer: decoder layers before tokens are dropped; compressors that work before the decoder ignore it.
  ///   - includesFull: begin with the plan that keeps everything, whether or not a budget says so.
  /// - Throws: `CompressionError` for an unknown compressor, more tokens than a picture has, or a layer that the decoder has not.
  public static func all(
    _ compressors: [String], keep budgets: [Int], layer: Int, for configuration: LLaVAConfiguration, includesFull: Bool = true,
    registry: ReducerRegistry = .standard
  ) throws -> [AnswerPlan] {
    var plans: [AnswerPlan] = []
    let full = AnswerPlan(fullOf: configuration)
    if includesFull || budgets.contains(full.keep) { plans.append(full) }
    for name in compressors {
      let reducer = try registry.reducer(name)
      for keep in budgets {
        let cut = CompressionPlan.Cut(layer: layer, .keep(keep))
        let plan = try AnswerPlan(CompressionPlan(reducer, cuts: [cut], name: name), for: configuration)
        if keep < full.keep, !plans.contains(where: { $0.id == plan.id }) { plans.append(plan) }
      }
    }
    return plans
  }

  private static func id(of stage: CompressionPlan.Stage) -> String {
    let name = (stage.name ?? "\(type(of: stage.reducer))").replacing(":", with: "-").replacing("=", with: "-")
      .replacing("+", with: "-plus")
    let amount = stage.amount.description.replacing("=", with: "-")
    if let layer = stage.site.decoderLayer { return "\(name)-\(amount)-after-\(layer)" }
    let isUsual = stage.site.kind == stage.reducer.sites.first && stage.site != .tower(layer: 0)
    return "\(name)-\(amount)" + (isUsual && !"\(stage.site)".contains(".") ? "" : "-at-\(stage.site)")
  }
}
