extension TrainingConfiguration {
  /// Samples that are not trained on, benchmarks, and the budgets at which their loss and scores are measured.
  public struct Validation: Sendable, Equatable {
    /// JSON, JSON lines or tar shards; nothing is measured where it is nil.
    public var file: String?
    /// Folder of the pictures; the file's own where it is nil.
    public var images: String?
    /// Takes the first so many records alone; all where it is nil.
    public var limit: Int?
    /// Steps between two measurements; only after the last step where it is nil.
    public var every: Int?
    /// Plans that are measured beside all tokens, `dart:64@2`.
    public var reduce: [String] = []
    /// Benchmarks that are asked too, by name.
    public var benchmarks: [String] = []
    /// Folder with one folder for each benchmark.
    public var benchmarkData: String?
    /// About so many questions of each, spread over the whole; all where it is nil.
    public var questions: Int?

    /// What `checkpoints.best` calls the mean over all benchmarks and plans.
    public static let meanScore = "benchmarks"
  }
}
