/// Low-rank adapters of the decoder's linear layers: y = W·x + α/r · B·A·x (LoRA, arXiv 2106.09685).
public struct LoRAOptions: Sendable, Equatable {
  /// A linear layer of every decoder layer, by its name in checkpoints.
  public enum Target: String, Sendable, CaseIterable {
    /// Queries.
    case query = "q_proj"
    /// Keys.
    case key = "k_proj"
    /// Values.
    case value = "v_proj"
    /// What attention gives back.
    case output = "o_proj"
    /// The MLP's gate.
    case gate = "gate_proj"
    /// The MLP's way up.
    case up = "up_proj"
    /// The MLP's way down.
    case down = "down_proj"
  }

  /// r: the rank of the change, and so the width of A and B.
  public var rank = 128
  /// α: the change is multiplied by α/r.
  public var alpha = 256.0
  /// Which layers have adapters.
  public var targets = Set(Target.allCases)

  /// LLaVA's own numbers: rank 128, α 256, all linear layers of the decoder.
  public init() {}

  /// α/r.
  public var scale: Double { alpha / Double(rank) }

  /// Throws for the first value that makes no sense.
  ///
  /// - Throws: `LoRAError.option`.
  public func validate() throws {
    if !(1...(1 << 16)).contains(rank) { throw LoRAError.option(name: "rank", value: "\(rank)", expected: "1...\(1 << 16)") }
    if !(alpha.isFinite && alpha > 0) { throw LoRAError.option(name: "alpha", value: "\(alpha)", expected: "a number above 0") }
    if targets.isEmpty {
      let known = Target.allCases.map(\.rawValue).joined(separator: ", ")
      throw LoRAError.option(name: "targets", value: "empty", expected: "one or more of \(known)")
    }
  }
}

/// What is wrong with adapters.
public enum LoRAError: Error, Equatable, CustomStringConvertible {
  /// An option whose value makes no sense.
  case option(name: String, value: String, expected: String)
  /// A model is to receive adapters and has some.
  case alreadyThere
  /// A model whose adapters are to be written has none.
  case none

  /// One sentence for people.
  public var description: String {
    switch self {
    case .option(let name, let value, let expected): "LoRA's \(name) is \(value), expected \(expected)"
    case .alreadyThere: "the model has LoRA adapters already; merge them before adding others"
    case .none: "the model has no LoRA adapters to write"
    }
  }
}
