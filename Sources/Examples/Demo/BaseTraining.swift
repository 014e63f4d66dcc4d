/// How the embedded model learns to answer, once its tower is aligned.
///
/// The decoder alone is trained, on all tokens and without a teacher: `epic train` with this configuration. Tower and projector stay as
/// they were aligned: trained along, the noise of the first steps spoils them before the answers teach anything. Word embeddings move a
/// fifth as fast, so that the words keep meaning what the tower says.
public struct BaseTraining: Sendable, Equatable {
  /// Optimizer steps of 32 samples.
  public var steps = 2000
  /// After how many steps the model that the EPIC stage starts from is taken.
  public var startSteps = 600
  /// Where random numbers start.
  public var seed: UInt64 = 0
  /// CPU threads; all cores where nil.
  public var threads: Int?
  /// Where to compute.
  public var device = "cpu"

  /// What the shipped checkpoints were made with.
  public init() {}

  /// The configuration, with a word about each key.
  ///
  /// - Parameter path: gives the path of a name in the folder of all files.
  public func yaml(_ path: (String) -> String) -> String {
    """
    # What epic base trains with; epic train --keys lists all keys.
    model: \(path("aligned"))
    output: \(path("run"))
    steps: \(steps)
    seed: \(seed)
    dtype: float32
    device: \(device)
    \(threads.map { "threads: \($0)\n" } ?? "")data:
      file: \(path("data/train.json"))
      max-length: 512
      grouped: false
    batch:
      samples: 32
    curriculum:
      name: none  # all tokens
    distillation:
      divergence-weight: 0  # and no teacher
    optimizer:
      parts: [decoder]
      learning-rate: 1.0e-3
      embedding-learning-rate: 2.0e-4
      schedule: linear
      warmup-ratio: 0.03
      beta2: 0.95
      weight-decay: 0.01
      max-grad-norm: 1
    checkpoints:
      every: \(startSteps)
      keep: \(steps / max(1, startSteps) + 1)
    log:
      every: \(max(1, steps / 20))  # where the output is no terminal
      tensorboard: false

    """
  }
}
