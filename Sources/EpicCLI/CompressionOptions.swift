import ArgumentParser
import Compression
import Foundation
import LLaVA

/// Which visual tokens the decoder does without, and from which layer on.
struct CompressionOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Strategy that chooses: \(ReducerRegistry.standard.names.joined(separator: ", ")). dart unless given.", valueName: "name"
    ))
  var compressor: String?

  @Option(help: ArgumentHelp("Visual tokens to keep of each picture: a number, or a share such as 11%.", valueName: "n"))
  var keep: KeptTokens?

  @Option(help: ArgumentHelp("Share of each picture's visual tokens to drop, in place of --keep.", valueName: "r"))
  var ratio: Double?

  @OptionGroup var place: CutOptions

  @Option(help: .reduce)
  var reduce: String?

  func validate() throws {
    let short = [
      ("keep", keep != nil), ("ratio", ratio != nil), ("compressor", compressor != nil), ("layer", place.layer != nil),
      ("then-layer", place.thenLayer != nil),
    ]
    if reduce != nil, let other = short.first(where: \.1) {
      throw ValidationError("--reduce and --\(other.0) both say what is dropped; give one of them")
    }
    if keep != nil, ratio != nil { throw ValidationError("--keep and --ratio say the same thing; give one of them") }
    if reduce == nil, keep == nil, ratio == nil {
      for (name, given) in short where given {
        throw ValidationError("--\(name) needs --keep or --ratio: how many visual tokens stay")
      }
    }
    _ = try plan
  }

  /// What was asked for, or nil where nothing is to be dropped.
  var plan: CompressionPlan? {
    get throws {
      if let reduce { return try checkOption("--reduce") { try CompressionPlan(reduce) } }
      guard let amount = keep?.amount ?? ratio.map(CompressionPlan.Amount.ratio) else { return nil }
      return try place.plan(compressor ?? "dart", amount)
    }
  }

  /// The plan, checked against a model.
  func plan(for configuration: LLaVAConfiguration) throws -> CompressionPlan? {
    guard let plan = try plan else { return nil }
    if reduce != nil {
      _ = try checkOption("--reduce") { try configuration.tokens(of: plan) }
    } else {
      try place.check(plan, configuration)
    }
    try noteWhatRatioLeaves(plan, configuration)
    return plan
  }

  /// A strategy's own formula may leave more or less than a ratio says: DART never drops its pivots.
  private func noteWhatRatioLeaves(_ plan: CompressionPlan, _ configuration: LLaVAConfiguration) throws {
    let total = configuration.pictureLayout.count
    for stage in plan.stages {
      guard case .ratio(let ratio) = stage.amount else { continue }
      let (left, asked) = (try stage.count(of: total), Int((1 - ratio) * Double(total)))
      if left == asked { continue }
      printError(
        "note: ratio \(ratio) leaves \(left) of \(total) visual tokens by \(stage.name ?? "the strategy")'s formula, not \(asked); --keep sets the number itself"
      )
    }
  }

  /// The plan, checked against a checkpoint before its weights are read.
  func plan(forCheckpoint folder: URL) throws -> CompressionPlan? {
    if try plan == nil { return nil }
    return try plan(for: CheckpointReader(folder).configuration)
  }
}

/// How much of each picture stays: a number of tokens or a share.
struct KeptTokens: ExpressibleByArgument, Sendable {
  let amount: CompressionPlan.Amount

  init?(argument: String) {
    switch CompressionPlan.Amount(argument) {
    case .keep(let keep)?: amount = .keep(keep)
    case .share(let share)?: amount = .share(share)
    default: return nil
    }
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
    return try named { try CompressionPlan(ReducerRegistry.standard.reducer(compressor), cuts: cuts, name: compressor) }
  }

  /// Whether a model has the layers and images enough tokens.
  ///
  /// - Throws: `ValidationError` that names the option.
  func check(_ plan: CompressionPlan, _ configuration: LLaVAConfiguration) throws {
    try named {
      _ = try configuration.tokens(of: plan)
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
        case .siteOrder, .secondCutBeforeDecoder: "then-layer: "
        case .keepGrows: "then-keep: "
        case .layer(let found, _): found == layer ?? 2 ? "" : "then-"
        case .option(_, let found, _): found == thenKeep ? "then-" : ""
        default: ""
        }
      throw ValidationError("--\(option)\(error)")
    }
  }
}

extension ArgumentHelp {
  /// What `--reduce` says in all commands.
  static var reduce: ArgumentHelp {
    ArgumentHelp(
      "A plan in full: stages strategy:tokens@site with commas between them, such as dart:64@2,dart:16@15.",
      discussion: """
        Tokens are a number, a share (11%) or ratio=0.889. A site is a number of decoder layers, features, tower, tower.12 or picture. \
        A strategy's options follow the tokens, dart:64:image-pivots=8@2. Options are, with their usual values: \
        \(ReducerRegistry.standard.optionLines.joined(separator: ". ")).
        """, valueName: "plan")
  }
}

extension LLaVAConfiguration {
  /// A checkpoint's configuration, from its headers, or else a preset's.
  static func of(preset: String, checkpoint: URL?) throws -> LLaVAConfiguration {
    try checkpoint.map { try CheckpointReader($0).configuration } ?? .preset(preset)
  }
}
