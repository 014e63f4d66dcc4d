/// Compressors by the names that flags, configurations and reports use.
///
/// A value: a program adds its own to a copy of `standard`. A compressor of this package is one file and one line here.
public struct ReducerRegistry: Sendable {
  /// Where a compressor with these options drops tokens, and how many are left there; nothing for an amount that it has no answer to.
  public typealias Preset =
    @Sendable (CompressionPlan.Amount, ReducerOptions) throws -> [(site: Site, amount: CompressionPlan.Amount)]

  /// A compressor that can be made by name.
  public struct Entry: Sendable {
    /// What it can be told.
    public let options: [ReducerOption]
    /// How often it was changed so that it chooses other tokens, plus one: answers under an earlier version are asked for anew.
    public let version: Int
    /// Where the authors' whole schedule drops tokens and how many are left there, for an amount without a site; nil for one stage where
    /// the compressor works first, or for an amount that it has no answer to.
    let preset: Preset?
    fileprivate let make: @Sendable (ReducerOptions) throws -> any TokenReducer

    /// A compressor and its options.
    public init(
      _ options: [ReducerOption] = [], version: Int = 1,
      preset: Preset? = nil,
      make: @escaping @Sendable (ReducerOptions) throws -> any TokenReducer
    ) {
      self.options = options
      self.version = version
      self.preset = preset
      self.make = make
    }
  }

  private var entries: [String: Entry] = [:]

  /// The compressors of this package.
  public static let standard: ReducerRegistry = {
    var registry = ReducerRegistry()
    registry["dart"] = Entry([.imagePivots, .textPivots, .semantics]) {
      try DART(imagePivots: $0.count(.imagePivots), textPivots: $0.count(.textPivots), semantics: $0.choice(.semantics))
    }
    registry["fastv"] = Entry([.semantics]) { FastV(semantics: try $0.choice(.semantics)) }
    registry["divprune"] = Entry([.semantics]) { DivPrune(semantics: try $0.choice(.semantics)) }
    registry["cdpruner"] = Entry { _ in CDPruner() }
    registry["vispruner"] = Entry([.importantShare, .semantics]) {
      VisPruner(importantShare: try $0.share(.importantShare), semantics: try $0.choice(.semantics))
    }
    registry["visionzip"] = Entry([.contextualShare, .semantics]) {
      VisionZip(contextualShare: try $0.share(.contextualShare), semantics: try $0.choice(.semantics))
    }
    registry["holov"] = Entry([.groups, .semantics]) {
      try HoloV(groups: $0.count(.groups), semantics: $0.choice(.semantics))
    }
    registry["prumerge"] = Entry([.semantics]) { PruMerge(semantics: try $0.choice(.semantics)) }
    registry["prumerge+"] = Entry([.semantics]) { PruMerge(samplesGrid: true, semantics: try $0.choice(.semantics)) }
    registry["tome"] = Entry([.semantics]) { ToMe(semantics: try $0.choice(.semantics)) }
    registry["pyramiddrop"] = Entry([.semantics], preset: { amount, _ in PyramidDrop.schedule(amount) }) {
      PyramidDrop(semantics: try $0.choice(.semantics))
    }
    registry["sparsevlm"] = Entry([.semantics], preset: { amount, _ in SparseVLM.schedule(amount) }) {
      SparseVLM(semantics: try $0.choice(.semantics))
    }
    registry["sparsevlm+"] = Entry([.semantics], preset: { amount, _ in SparseVLMPlus.schedule(amount) }) {
      SparseVLMPlus(semantics: try $0.choice(.semantics))
    }
    registry["autoprune"] = Entry(
      [.layers, .semantics], preset: { AutoPrune.schedule($0, layers: try $1.count(.layers)) },
      make: { try AutoPrune(layers: $0.count(.layers), semantics: $0.choice(.semantics)) })
    registry["evs"] = Entry { _ in EVS() }
    registry["dtd"] = Entry([.threshold]) { try DTD(threshold: $0.number(.threshold)) }
    registry["random"] = Entry { _ in RandomChoice() }
    registry["uniform"] = Entry { _ in Uniform() }
    registry["downsample"] = Entry { _ in Downsample() }
    registry["pool"] = Entry { _ in AveragePool() }
    return registry
  }()

  /// A registry without compressors.
  public init() {}

  /// All names, sorted.
  public var names: [String] { entries.keys.sorted() }

  /// The compressor of a name.
  public subscript(name: String) -> Entry? {
    get { entries[name] }
    set { entries[name] = newValue }
  }

  /// The authors' whole schedule for an amount; empty where the compressor has none.
  ///
  /// - Throws: as `reducer`.
  func schedule(_ name: String, _ options: [String: String], _ amount: CompressionPlan.Amount) throws
    -> [(site: Site, amount: CompressionPlan.Amount)]
  {
    try entries[name]?.preset?(amount, ReducerOptions(values: options)) ?? []
  }

  /// A compressor by name.
  ///
  /// - Parameter options: values by the options' names; the others are as the authors of EPIC have them.
  /// - Throws: `CompressionError.unknownCompressor` and `.unknownOption`, which list the known ones; `.badOption`; what the compressor throws.
  public func reducer(_ name: String, _ options: [String: String] = [:]) throws -> any TokenReducer {
    guard let entry = entries[name] else { throw CompressionError.unknownCompressor(name, known: names) }
    var own = options
    let (rule, threshold) = (own.removeValue(forKey: "rule"), own.removeValue(forKey: "threshold"))
    let known = entry.options.map(\.name)
    if let unknown = own.keys.sorted().first(where: { !known.contains($0) }) {
      throw CompressionError.unknownOption(unknown, compressor: name, known: known)
    }
    let reducer = try entry.make(ReducerOptions(values: own))
    if rule == nil, threshold == nil { return reducer }
    return try AdaptiveReducer(reducer, name, rule: rule, threshold: threshold)
  }

  /// One line for each compressor with options, for help texts: `dart: image-pivots (4), …`.
  public var optionLines: [String] {
    names.compactMap { name in
      let options = entries[name]?.options ?? []
      return options.isEmpty
        ? nil : "\(name): " + options.map { "\($0.name) (\($0.standard)): \($0.help)" }.joined(separator: "; ")
    }
  }
}

/// Something that a compressor can be told.
public struct ReducerOption: Sendable, Hashable {
  /// Its name in spellings: `image-pivots`.
  public let name: String
  /// The value that it has unless another is given.
  public let standard: String
  /// What it is, in a few words.
  public let help: String

  /// An option.
  public init(_ name: String, standard: String, help: String) {
    self.name = name
    self.standard = standard
    self.help = help
  }

  /// DART's pivots among an image's own tokens.
  public static let imagePivots = ReducerOption("image-pivots", standard: "4", help: "pivots among the image's tokens")
  /// DART's pivots among text tokens.
  public static let textPivots = ReducerOption("text-pivots", standard: "4", help: "pivots among text tokens")
  /// Whether a compressor does what its authors' code does.
  public static let semantics = ReducerOption(
    "semantics", standard: CompressionSemantics.corrected.rawValue,
    help: "corrected, or reference for what its authors' code does")
  /// VisPruner's share of tokens that are kept for the tower's attention.
  public static let importantShare = ReducerOption(
    "important", standard: "0.5", help: "share of the tokens kept that the tower's attention chooses")
  /// VisionZip's share of merged tokens.
  public static let contextualShare = ReducerOption(
    "contextual", standard: "0.15625", help: "share of the tokens kept that are merged, 10 of 64")
  /// Decoder layers over which AutoPrune spreads its tokens.
  public static let layers = ReducerOption("layers", standard: "32", help: "decoder layers over which tokens are spread")
  /// DTD's threshold.
  public static let threshold = ReducerOption(
    "threshold", standard: "none", help: "tokens whose cosine with the frame before is above it go, or none for equal shares")
  /// HoloV's groups.
  public static let groups = ReducerOption("groups", standard: "16", help: "groups of neighbours that share the tokens kept")
}

/// Values of a compressor's options.
public struct ReducerOptions: Sendable {
  fileprivate let values: [String: String]

  /// The text of an option.
  public func text(_ option: ReducerOption) -> String { values[option.name] ?? option.standard }

  /// The value of an option that is a number.
  ///
  /// - Throws: `CompressionError.badOption`.
  public func count(_ option: ReducerOption) throws -> Int {
    guard let value = Int(text(option)) else {
      throw CompressionError.badOption(option.name, value: text(option), expected: "a whole number")
    }
    return value
  }

  /// The value of an option that is a number or `none`.
  ///
  /// - Throws: `CompressionError.badOption`.
  public func number(_ option: ReducerOption) throws -> Double? {
    if text(option) == "none" { return nil }
    guard let value = Double(text(option)), value.isFinite else {
      throw CompressionError.badOption(option.name, value: text(option), expected: "a number, or none")
    }
    return value
  }

  /// The value of an option that is a share.
  ///
  /// - Throws: `CompressionError.badOption` outside of 0...1.
  public func share(_ option: ReducerOption) throws -> Double {
    guard let value = Double(text(option)), (0...1).contains(value) else {
      throw CompressionError.badOption(option.name, value: text(option), expected: "a share, 0...1")
    }
    return value
  }

  /// The value of an option that is one of some names.
  ///
  /// - Throws: `CompressionError.badOption`, which lists them.
  public func choice<Choice: RawRepresentable & CaseIterable>(_ option: ReducerOption) throws -> Choice
  where Choice.RawValue == String {
    guard let value = Choice(rawValue: text(option)) else {
      let names = Choice.allCases.map(\.rawValue).joined(separator: " or ")
      throw CompressionError.badOption(option.name, value: text(option), expected: names)
    }
    return value
  }
}
