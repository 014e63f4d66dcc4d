import ArgumentParser
import Compression
import Foundation
import LLaVA

/// Which visual tokens the decoder does without, and from which layer on.
struct CompressionOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Compressor that chooses: \(ReducerRegistry.standard.names.joined(separator: ", ")). dart unless given.", valueName: "name"
    ))
  var compressor: String?

  @Option(
    help: ArgumentHelp(
      "Visual tokens to keep of each picture: a number, a share such as 11%, or auto:64 for 64 on average.", valueName: "n"))
  var keep: KeptTokens?

  @Option(help: ArgumentHelp("Share of each picture's visual tokens to drop, in place of --keep.", valueName: "r"))
  var ratio: Double?

  @OptionGroup var place: CutOptions
  @OptionGroup var budget: BudgetOptions

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

  /// What was asked for, or nil where nothing is to be dropped; with any threshold where a rule decides.
  var plan: CompressionPlan? {
    get throws { try plan { _ in ["rule": budget.budgetRule.rawValue, "threshold": "0"] } }
  }

  private func plan(_ options: (_ average: Int) throws -> [String: String]) throws -> CompressionPlan? {
    if let reduce { return try checkOption("--reduce") { try CompressionPlan(reduce) } }
    guard let amount = keep?.amount ?? ratio.map(CompressionPlan.Amount.ratio) else { return nil }
    return try place.plan(compressor ?? "dart", amount, keep?.average.map(options) ?? [:])
  }

  /// The plan, checked against a model.
  ///
  /// - Parameter folder: of the checkpoint, where there is one.
  func plan(for configuration: LLaVAConfiguration, in folder: URL?) throws -> CompressionPlan? {
    let found = try plan { average in
      guard let folder else {
        throw ValidationError("--keep auto:\(average) needs a checkpoint, for which `epic fit` has been run")
      }
      return try budget.options(average: average, layer: place.layer ?? 2, in: folder, configuration)
    }
    guard let plan = found else { return nil }
    if reduce != nil {
      _ = try checkOption("--reduce") { try configuration.tokens(of: plan) }
    } else {
      try place.check(plan, configuration)
    }
    try noteWhatRatioLeaves(plan, configuration)
    return plan
  }

  /// A compressor's own formula may leave more or less than a ratio says: DART never drops its pivots.
  private func noteWhatRatioLeaves(_ plan: CompressionPlan, _ configuration: LLaVAConfiguration) throws {
    let total = configuration.pictureLayout.count
    for stage in plan.stages {
      guard case .ratio(let ratio) = stage.amount else { continue }
      let (left, asked) = (try stage.count(of: total), Int((1 - ratio) * Double(total)))
      if left == asked { continue }
      printError(
        "note: ratio \(ratio) leaves \(left) of \(total) visual tokens by \(stage.name ?? "the compressor")'s formula, not \(asked); --keep sets the number itself"
      )
    }
  }

  /// The plan, checked against a checkpoint before its weights are read.
  func plan(forCheckpoint folder: URL) throws -> CompressionPlan? {
    if try plan == nil { return nil }
    return try plan(for: CheckpointReader(folder).configuration, in: folder)
  }
}

/// How much of each picture stays: a number of tokens, a share, or an average.
struct KeptTokens: ExpressibleByArgument, Sendable {
  let amount: CompressionPlan.Amount
  /// The average, where picture and question decide.
  var average: Int?

  init?(argument: String) {
    if case .average(let average)? = KeptNumber(argument: argument) {
      (amount, self.average) = (.keep(average), average)
      return
    }
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
  func plan(_ compressor: String, _ amount: CompressionPlan.Amount, _ options: [String: String] = [:]) throws -> CompressionPlan {
    var cuts = [CompressionPlan.Cut(layer: layer ?? 2, amount)]
    if let thenLayer, let thenKeep { cuts.append(CompressionPlan.Cut(layer: thenLayer, .keep(thenKeep))) }
    let name = ([compressor] + options.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }).joined(separator: ":")
    return try named { try CompressionPlan(ReducerRegistry.standard.reducer(compressor, options), cuts: cuts, name: name) }
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
        case .unknownCompressor: "compressor: "
        case .siteOrder, .secondCutBeforeDecoder, .ruleBesideCuts: "then-layer: "
        case .badOption: "compressor: "
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
      "A plan in full: stages compressor:tokens@site with commas between them, such as dart:64@2,dart:16@15.",
      discussion: """
        Tokens are a number, a share (11%) or ratio=0.889. A site is a number of decoder layers, features, tower, tower.12 or picture. \
        A compressor's options follow the tokens, dart:64:image-pivots=8@2. Options are, with their usual values: \
        \(ReducerRegistry.standard.optionLines.joined(separator: ". ")). In the decoder each of them can be told a rule \
        (\(BudgetRule.allCases.map(\.rawValue).joined(separator: ", "))) and its threshold, dart:64:rule=by-variety:threshold=0.3@2, \
        and leaves more of some pictures than of others.
        """, valueName: "plan")
  }
}

extension LLaVAConfiguration {
  /// A checkpoint's configuration, from its headers, or else a preset's.
  static func of(preset: String, checkpoint: URL?) throws -> LLaVAConfiguration {
    try checkpoint.map { try CheckpointReader($0).configuration } ?? .preset(preset)
  }
}
