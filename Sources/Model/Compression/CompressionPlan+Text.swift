import Foundation

extension CompressionPlan {
  /// A plan from its spelling: stages with commas between them, each `compressor:amount[:option=value…][@site]`.
  ///
  /// The amount is a number of tokens (`64`), a share of them (`11%`), or the share that the compressor's own formula is to drop
  /// (`ratio=0.889`). The site is a number of decoder layers, `features`, `tower`, `tower.12` (after that many of its layers) or
  /// `picture`; without one the compressor works where it works first, in the decoder after 2 layers, or is its authors' whole schedule:
  ///
  ///     dart:64@2
  ///     dart:64@2,dart:16@15
  ///     pool:144@features,fastv:36@8
  ///     dart:64:image-pivots=8:semantics=reference@2
  ///
  /// - Throws: `CompressionError.spelling`, which quotes the stage; what `init(stages:)` and the registry throw.
  public init(_ text: String, registry: ReducerRegistry = .standard) throws {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false)
    let stages = try parts.flatMap { try Stage.all(of: String($0), registry) }
    try self.init(stages: stages, schedule: stages.count > parts.count ? text : nil)
  }
}

extension CompressionPlan: CustomStringConvertible {
  /// The plan's spelling; compressors without a name by their type.
  public var description: String { stages.map(\.description).joined(separator: ",") }
}

extension CompressionPlan.Stage: CustomStringConvertible {
  /// The stage's spelling.
  public var description: String {
    let parts = (name ?? "\(type(of: reducer))").split(separator: ":", maxSplits: 1).map(String.init)
    return ([parts[0], "\(amount)"] + parts.dropFirst()).joined(separator: ":") + "@\(site)"
  }

  /// The stages of a spelling: one, or a schedule.
  fileprivate static func all(of text: String, _ registry: ReducerRegistry) throws -> [Self] {
    func bad(_ reason: String) -> CompressionError { .spelling(text, reason: reason) }
    let ends = text.split(separator: "@", omittingEmptySubsequences: false)
    let parts = ends[0].split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    guard ends.count <= 2, parts.count >= 2, !parts[0].isEmpty else {
      throw bad("expected compressor:amount or compressor:amount@site")
    }
    guard let amount = CompressionPlan.Amount(parts[1]) else {
      throw bad("the amount is \"\(parts[1])\", expected a number of tokens, a share such as 11%, or ratio=0.889")
    }
    var site: Site?
    if ends.count == 2 {
      guard let found = Site(ends[1]) else {
        throw bad("the site is \"\(ends[1])\", expected a number of decoder layers, features, tower, tower.N or picture")
      }
      site = found
    }
    let found = try registry.spelled(([parts[0]] + parts.dropFirst(2)).joined(separator: ":"), in: text)
    let schedule = site == nil ? try registry.schedule(parts[0], found.options, amount) : []
    return schedule.isEmpty
      ? [Self(found.reducer, at: site, amount, name: found.name)]
      : schedule.map { Self(found.reducer, at: $0.site, $0.amount, name: found.name) }
  }
}

extension ReducerRegistry {
  /// A compressor from its spelling, `dart` or `dart:image-pivots=8:semantics=reference`, and the spelling with its options sorted.
  ///
  /// - Parameter stage: what an error quotes in place of the spelling.
  /// - Throws: `CompressionError.spelling`; what `reducer` throws.
  public func spelled(
    _ text: String, in stage: String? = nil
  ) throws -> (reducer: any TokenReducer, name: String, options: [String: String]) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    var options: [String: String] = [:]
    for part in parts.dropFirst() {
      let pair = part.split(separator: "=", maxSplits: 1).map(String.init)
      guard pair.count == 2 else {
        throw CompressionError.spelling(stage ?? text, reason: "\"\(part)\" is no option, expected name=value")
      }
      if options.updateValue(pair[1], forKey: pair[0]) != nil {
        throw CompressionError.spelling(stage ?? text, reason: "it names \(pair[0]) twice")
      }
    }
    let name = ([parts[0]] + options.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }).joined(separator: ":")
    return (try reducer(parts[0], options), name, options)
  }
}

extension CompressionPlan.Amount: CustomStringConvertible {
  /// As plans spell it: `64`, `11%`, `ratio=0.889`, or `64/128` for the images of a sample one by one.
  public var description: String {
    switch self {
    case .each(let counts): counts.map(String.init).joined(separator: "/")
    case .keep(let keep): "\(keep)"
    case .share(let share): "\(Double((share * 1e6).rounded() / 1e4))%".replacing(".0%", with: "%")
    case .ratio(let ratio): "ratio=\(ratio)"
    }
  }

  /// The amount of a spelling; nil where it is none.
  public init?(_ text: String) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    if let keep = Int(text) {
      self = .keep(keep)
    } else if parts.count > 1 {
      let counts = parts.compactMap { Int($0) }
      if counts.count < parts.count { return nil }
      self = .each(counts)
    } else if text.hasSuffix("%"), let share = Double(text.dropLast()) {
      self = .share(share / 100)
    } else if text.hasPrefix("ratio="), let ratio = Double(text.dropFirst(6)) {
      self = .ratio(ratio)
    } else {
      return nil
    }
  }
}
