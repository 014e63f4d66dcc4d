import LLaVA
import Torch

/// How many bytes a training step takes at its most on one process, by part, from its setting alone.
///
/// Weights, masters, moments and gradients are exact. Activations are what each operator keeps for its backward pass (`LayerMemory`), for a
/// micro-batch whose samples are all as long as the longest. A step is looked at in several moments (`Moment`); the largest one counts.
public struct MemoryEstimate: Sendable, Equatable, Codable {
  /// What memory is for.
  public enum Part: String, Sendable, CaseIterable, Codable, CodingKeyRepresentable {
    /// All weights, a frozen teacher's included; where they are divided, this process's shards and what is not divided.
    case weights
    /// Weights of divided units that are gathered, and whole gradients of those at work.
    case gathered
    /// float32 copies of trained weights in half precisions.
    case masters
    /// AdamW's two moments.
    case moments
    /// Gradients of trained weights, and sums of several processes' gradients.
    case gradients
    /// What the backward pass needs of the forward one, and what a layer needs besides while it is computed.
    case activations
    /// One chunk of logits, and what the loss makes of it.
    case logits
    /// What processes send and receive.
    case exchange
    /// Memory that was let go and that a CPU's allocator keeps, in blocks too small for what is needed next.
    case reserved
    /// Pictures that are read ahead, and what products and the optimizer use besides.
    case workspace
    /// What the program has before a model is read.
    case program
  }

  /// When in a step.
  public enum Moment: String, Sendable, CaseIterable, Codable, CodingKeyRepresentable {
    /// Weights are read and divided, a unit at a time, and the optimizer is prepared.
    case loading
    /// Pictures pass the tower.
    case encoding
    /// The teacher's rows pass the decoder.
    case teaching
    /// Logits are computed.
    case loss
    /// The forward pass is over and the backward pass has not begun.
    case forward
    /// A layer's gradients are computed: the one where it takes most.
    case backward
    /// Processes exchange gradients.
    case exchange
    /// Weights change.
    case update
  }

  /// Bytes at each moment by part; parts that take nothing are left out.
  public let moments: [Moment: [Part: Int]]
  /// When it takes most.
  public let peak: Moment

  /// Bytes by part, when it takes most.
  public var parts: [Part: Int] { moments[peak] ?? [:] }
  /// All of them.
  public var total: Int { parts.values.reduce(0, +) }

  /// The estimate for a process.
  ///
  /// - Parameter rank: the process's number, as the optimizer is divided by whole weights; nil for the one that takes most.
  /// - Throws: `CompressionError`, and what a curriculum's constants throw.
  public init(_ setting: MemorySetting, rank: Int? = nil) throws {
    let step = try StepMemory(setting, rank: rank)
    var found: [Moment: [Part: Double]] = [:]
    for rows in try RowsInLayers.all(setting) {
      for (moment, parts) in step.moments(rows) where Self.sum(parts) > Self.sum(found[moment] ?? [:]) { found[moment] = parts }
    }
    // Bytes that no machine has are as good as the most.
    moments = found.mapValues { $0.filter { $0.value > 0 }.mapValues { Int(min($0, 1e17)) } }
    peak = Moment.allCases.max { Self.sum(found[$0] ?? [:]) < Self.sum(found[$1] ?? [:]) } ?? .loss
  }

  private static func sum(_ parts: [Part: Double]) -> Double { parts.values.reduce(0, +) }
}
