import Compression
import Torch

/// One way of a sample through the decoder.
///
/// Ways of one sample part where they differ and share all that comes before: the trunk.
///
/// Training, evaluation, generation and chat say what they want as branches; `BranchingDecoder` runs them.
public struct Branch: Sendable {
  /// A place where a branch leaves the trunk.
  public struct Stage: Sendable {
    /// Decoder layers before it.
    public let layer: Int
    /// What becomes of the images' tokens, and how many of each image are left; nil where they are left alone, and only the cache is the
    /// branch's own from here on.
    public let reduction: (stage: CompressionPlan.Stage, counts: [Int])?

    /// A stage of its parts.
    public init(layer: Int, _ reduction: (stage: CompressionPlan.Stage, counts: [Int])? = nil) {
      self.layer = layer
      self.reduction = reduction
    }
  }

  /// The sample of the batch that it starts from.
  public var sample: Int
  /// What happens on its way, ascending by layer; none for a sample that keeps all tokens.
  public var stages: [Stage]
  /// False computes it without a record for gradients, whatever the rows before it have.
  public var recordsGradients = true
  /// Random numbers of its choices.
  public var generator: Generator?
  /// What the layers from its first stage on hold already, where that is not what the trunk's hold.
  public var cache: KeyValueCache?
  /// Rows read earlier that wait at its first stage.
  ///
  /// The images of its sample are counted from the first of these rows.
  public var waiting: WaitingRows?
  /// False where more of the prompt is to come: then rows wait at the first stage that looks at the prompt.
  public var isWhole = true

  /// A branch of a sample.
  public init(sample: Int, stages: [Stage] = [], generator: Generator? = nil) {
    self.sample = sample
    self.stages = stages
    self.generator = generator
  }

  /// The decoder's part of a plan, for one sample of a batch.
  ///
  /// - Parameter resolved: the plan's numbers for the batch; stages before the decoder are left out.
  public init(sample: Int, _ resolved: [CompressionPlan.ResolvedStage], generator: Generator? = nil) {
    let stages = resolved.compactMap { found in
      found.layer.map { Stage(layer: $0, (found.stage, found.counts[sample])) }
    }
    self.init(sample: sample, stages: stages, generator: generator)
  }
}

extension BranchingDecoder {
  /// Layers in front of which branches that record no gradients part from those that do: from there on they run alone, to the last layer.
  ///
  /// 0 for samples none of whose branches records any.
  public static func departures(_ branches: [Branch], layers: Int) -> Set<Int> {
    var found: Set<Int> = []
    for ways in Dictionary(grouping: branches, by: \.sample).values {
      let last = ways.filter(\.recordsGradients).map { $0.stages.first?.layer ?? layers }.max() ?? 0
      for way in ways where !way.recordsGradients { found.insert(min(way.stages.first?.layer ?? layers, last)) }
    }
    return found.filter { $0 < layers }
  }
}

/// Rows that have passed the layers before a stage and wait until all that the stage looks at has been read.
public struct WaitingRows: Sendable {
  /// The rows, one sample.
  var batch: PackedBatch
  /// Their queries in the decoder layers that the stage needs, [rows, heads, headDimension] by layer.
  var queries: [Int: Tensor]
  /// What they were at the decoder's input, where a stage looks back at it.
  var input: DecoderInput?

  /// Rows that wait.
  public var count: Int { batch.lengths[0] }
}

/// What is left of the images of a sample after a stage.
public struct KeptVisualTokens: Sendable {
  /// Decoder layers before the stage.
  public let layer: Int
  /// For each image the int64 indices of its tokens that are left; nil while all are.
  public let kept: [Tensor?]
}

/// What came of a branch.
public struct BranchEnd: Sendable {
  /// The images behind all stages.
  public internal(set) var images: [ImageRows] = []
  /// What each stage left, from shallow to deep.
  public internal(set) var cuts: [KeptVisualTokens] = []
  /// What all layers hold now; nil where there were no caches.
  public internal(set) var cache: KeyValueCache?
  /// Rows that wait for the rest of the prompt, and the stages at which and after which they do.
  public internal(set) var waiting: WaitingRows?
  /// Stages that are still to come.
  public internal(set) var stages: [Branch.Stage] = []
  /// Why the branch ended early, where failures are to stay with the branches that they belong to.
  public internal(set) var failure: (any Error)?
}

/// What came of all branches.
public struct BranchedRows: Sendable {
  /// The rows of some branches, end to end.
  public struct Group: Sendable {
    /// The rows that were asked for, after the decoder's last layer, [rows, hiddenSize].
    public let hidden: Tensor
    /// The branches, in the order of their rows.
    ///
    /// Branches that keep all tokens of one sample are one and the same rows.
    public let branches: [[Int]]
    /// Rows of each.
    public let counts: [Int]
  }

  /// Computed with a record for gradients, and without.
  public internal(set) var recorded: Group?
  /// Computed without a record.
  public internal(set) var unrecorded: Group?
  /// By branch.
  public internal(set) var ends: [BranchEnd]
  /// What could not be checked while a GPU was at work.
  public internal(set) var checks: [ChoiceCheck] = []

  /// The rows of each branch, [rows, hiddenSize]; nil for one that waits or failed.
  public func rows() throws -> [Tensor?] {
    var found: [Tensor?] = ends.map { _ in nil }
    for group in [recorded, unrecorded].compactMap(\.self) {
      for (branches, rows) in zip(group.branches, try group.hidden.split(group.counts)) {
        for branch in branches { found[branch] = rows }
      }
    }
    return found
  }
}
