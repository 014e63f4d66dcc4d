import ArgumentParser
import Compression
import Foundation
import LLaVA

/// Which visual tokens the decoder does without, and from which layer on.
struct CompressionOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Strategy that chooses: \(CompressorRegistry.standard.names.joined(separator: ", ")). dart unless given.", valueName: "name"
    ))
  var compressor: String?

  @Option(help: ArgumentHelp("Visual tokens to keep of each picture.", valueName: "n"))
  var keep: Int?

  @Option(help: ArgumentHelp("Share of each picture's visual tokens to drop, in place of --keep.", valueName: "r"))
  var ratio: Double?

  @OptionGroup var place: CutOptions

  func validate() throws {
    if keep != nil, ratio != nil { throw ValidationError("--keep and --ratio say the same thing; give one of them") }
    if keep == nil, ratio == nil {
      for (name, given) in [
        ("compressor", compressor != nil), ("layer", place.layer != nil), ("then-layer", place.thenLayer != nil),
      ] where given {
        throw ValidationError("--\(name) needs --keep or --ratio: how many visual tokens stay")
      }
    }
    _ = try plan
  }

  /// What was asked for, or nil where nothing is to be dropped.
  var plan: CompressionPlan? {
    get throws {
      guard let amount = keep.map(CompressionPlan.Amount.keep) ?? ratio.map(CompressionPlan.Amount.ratio) else { return nil }
      return try place.plan(compressor ?? "dart", amount)
    }
  }

  /// The plan, checked against a model.
  func plan(for configuration: LLaVAConfiguration) throws -> CompressionPlan? {
    guard let plan = try plan else { return nil }
    try place.check(plan, configuration)
    return plan
  }

  /// The plan, checked against a checkpoint before its weights are read.
  func plan(forCheckpoint folder: String) throws -> CompressionPlan? {
    if try plan == nil { return nil }
    return try plan(for: CheckpointReader(URL(fileURLWithPath: folder)).configuration)
  }
}

/// Between which layers tokens are dropped.
struct CutOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Drop after this many decoder layers, 2 unless given; pool and downsample work before all.", valueName: "k"))
  var layer: Int?

  @Option(help: ArgumentHelp("Drop again after this many decoder layers.", valueName: "k"))
  var thenLayer: Int?

  @Option(help: ArgumentHelp("Visual tokens to keep then; 0 drops all.", valueName: "n"))
  var thenKeep: Int?

  func validate() throws {
    if (thenLayer == nil) != (thenKeep == nil) { throw ValidationError("--then-layer and --then-keep go together") }
  }

  /// A plan with one cut, or two.
  ///
  /// - Throws: `ValidationError` that names the option.
  func plan(_ compressor: String, _ amount: CompressionPlan.Amount) throws -> CompressionPlan {
    var cuts = [CompressionPlan.Cut(layer: layer ?? 2, amount)]
    if let thenLayer, let thenKeep { cuts.append(CompressionPlan.Cut(layer: thenLayer, .keep(thenKeep))) }
    return try named { try CompressionPlan(CompressorRegistry.standard.strategy(compressor), cuts: cuts) }
  }

  /// Whether a model has the layers and images enough tokens.
  ///
  /// - Throws: `ValidationError` that names the option.
  func check(_ plan: CompressionPlan, _ configuration: LLaVAConfiguration) throws {
    try named {
      _ = try plan.tokensSeen(ofImage: configuration.vision.tokens, layers: configuration.text.layers)
      _ = try plan.shrunk(configuration.vision.grid)
    }
  }

  /// Says by which option an error came about.
  private func named<T>(_ check: () throws -> T) throws -> T {
    do {
      return try check()
    } catch let error as CompressionError {
      let option =
        switch error {
        case .unknownStrategy: "compressor: "
        case .layerOrder, .secondCutOfPool: "then-layer: "
        case .keepGrows: "then-keep: "
        case .layer(let found, _): found == layer ?? 2 ? "" : "then-"
        case .option(_, let found, _): found == thenKeep ? "then-" : ""
        default: ""
        }
      throw ValidationError("--\(option)\(error)")
    }
  }
}

extension LLaVAConfiguration {
  /// A checkpoint's configuration, from its headers, or else a preset's.
  static func of(preset: String, checkpoint: String?) throws -> LLaVAConfiguration {
    try checkpoint.map { try CheckpointReader(URL(fileURLWithPath: $0)).configuration } ?? .preset(preset)
  }
}
