/// How an embedded model learns to answer, once its tower is aligned.
///
/// The decoder alone is trained, on all tokens and without a teacher: `epic train` with this configuration. Tower and projector stay as
/// they were aligned: trained along, the noise of the first steps spoils them before the answers teach anything. Word embeddings move a
/// fifth as fast, so that the words keep meaning what the tower says.
public struct BaseTraining: Sendable, Equatable {
  /// What the model is for.
  public let course: Course
  /// Optimizer steps of 32 samples.
  public var steps: Int
  /// Of pictures, after how many steps the model that the EPIC stage starts from is taken.
  public var startSteps = 600
  /// Of videos, steps of the stage that follows, in which few tokens are left.
  public var fewSteps = 150
  /// Where random numbers start.
  public var seed: UInt64 = 0
  /// CPU threads; all cores where nil.
  public var threads: Int?
  /// Where to compute.
  public var device = "cpu"

  /// What the shipped checkpoints were made with.
  public init(_ course: Course = .shapes) {
    self.course = course
    steps = course == .shapes ? 2000 : 1000
  }

  /// The configuration, with a word about each key.
  ///
  /// - Parameter path: gives the path of a name in the folder of all files.
  public func yaml(_ path: (String) -> String) -> String {
    let every = course == .shapes ? startSteps : max(1, steps / 4)
    return yaml(
      model: path("aligned"), run: path("run"), steps: steps, every: every, data: path("data/train.json"),
      """
      curriculum:
        name: none  # all tokens
      distillation:
        divergence-weight: 0  # and no teacher
      """)
  }

  /// The configuration of the stage in which few tokens are left: each sample with a number of its own, from all down to the fewest.
  ///
  /// - Parameter path: as in ``yaml(_:)``.
  public func fewYAML(_ path: (String) -> String) -> String {
    yaml(
      model: path("base"), run: path("run-few"), steps: fewSteps, every: max(1, fewSteps / 2), data: path("data-long/train.json"),
      """
      compression:
        compressor: dtd  # what differs from the frame before stays
      curriculum:
        name: nested
        mix: true  # a number of tokens for each sample, a fifth of them all
        smallest: 12
        layer: 1
        teacher: none
      distillation:
        divergence-weight: 0
      """)
  }

  private func yaml(model: String, run: String, steps: Int, every: Int, data: String, _ choice: String) -> String {
    """
    # What epic base trains with; epic train --keys lists all keys.
    model: \(model)
    output: \(run)
    steps: \(steps)
    seed: \(seed)
    dtype: float32
    device: \(device)
    \(threads.map { "threads: \($0)\n" } ?? "")data:
      file: \(data)
      max-length: 512
      grouped: false
    batch:
      samples: 32
    \(choice)
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
      every: \(every)
      keep: \(max(1, steps))  # all: each interruption saves one more
    log:
      every: \(max(1, steps / 20))  # where the output is no terminal
      tensorboard: false

    """
  }
}
