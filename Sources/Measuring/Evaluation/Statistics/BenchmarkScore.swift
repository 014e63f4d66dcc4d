/// How a model did on a benchmark.
public struct BenchmarkScore: Sendable, Equatable, Codable {
  /// One question's score.
  public struct Sample: Sendable, Equatable, Codable {
    /// The question's id.
    public let id: String
    /// In 0...1.
    public let value: Double
    /// What the scorer made of the answer.
    public let parsed: String
    /// The picture, by its key; nil for text alone.
    public let image: String?
  }

  /// A number beside the score itself.
  public struct Figure: Sendable, Equatable, Codable {
    /// Its name, "random/f1" for example.
    public let name: String
    /// In percent unless the name says otherwise; counts as they are.
    public let value: Double
  }

  /// What is averaged in one part of a benchmark.
  public struct Unit: Sendable, Equatable, Codable {
    /// The same in every score of the same questions.
    public let id: String
    /// Its part of the mean.
    public let value: Double
    /// The picture, or the unit itself without one.
    public let cluster: String
  }

  /// A part of a benchmark whose mean counts with a weight: the score is Σ weight · mean(units).
  ///
  /// Most benchmarks are one part of weight 100. MME has one for each subtask, its units are pictures; MMBench's are groups of
  /// rotations; POPE's hold the F1 score of a split as a mean of pseudo-values.
  public struct Stratum: Sendable, Equatable, Codable {
    /// Its name.
    public let name: String
    /// What a mean of 1 adds to the score.
    public let weight: Double
    /// What is averaged.
    public let units: [Unit]

    var mean: Double { units.isEmpty ? 0 : units.reduce(0) { $0 + $1.value } / Double(units.count) }
  }

  /// The benchmark's name.
  public let benchmark: String
  /// The part of the data.
  public let split: String
  /// The way of asking.
  public let prompt: String
  /// The scorer, which also says how answers are normalised.
  public let scorer: String
  /// The score as the benchmark defines it, in 0...``maximum``.
  public let value: Double
  /// The most that these questions could give: 100, or for MME and OCRBench what was asked of 2800 and 1000.
  public let maximum: Double
  /// Every question's own score, in the questions' order.
  public let samples: [Sample]
  /// Further numbers of the benchmark.
  public let figures: [Figure]
  /// What the score is the mean of, for intervals and differences.
  public let strata: [Stratum]
  /// What a report should say beside the score.
  public let notes: [String]

  /// The score in percent of the maximum, in 0...100.
  public var percentage: Double { maximum > 0 ? 100 * value / maximum : 0 }

  /// A further number by its name.
  public func figure(_ name: String) -> Double? { figures.first { $0.name == name }?.value }

  init(benchmark: String, split: String, prompt: String, scorer: String, _ tally: Tally, notes: [String]) {
    self.benchmark = benchmark
    self.split = split
    self.prompt = prompt
    self.scorer = scorer
    value = tally.value
    maximum = tally.maximum
    samples = tally.samples
    figures = tally.figures
    strata = tally.strata
    self.notes = notes
  }
}

/// What a benchmark's own scorer finds.
struct Tally: Sendable {
  var samples: [BenchmarkScore.Sample]
  var strata: [BenchmarkScore.Stratum]
  var value: Double
  var maximum: Double
  var figures: [BenchmarkScore.Figure]
  var notes: [String]

  /// A score out of its parts.
  ///
  /// - Parameter value: the parts' weighted mean unless given.
  init(
    samples: [BenchmarkScore.Sample], strata: [BenchmarkScore.Stratum], value: Double? = nil, maximum: Double = 100,
    figures: [(String, Double)] = [], notes: [String] = []
  ) {
    self.samples = samples
    self.strata = strata
    self.value = value ?? strata.reduce(0) { $0 + $1.weight * $1.mean }
    self.maximum = maximum
    self.figures = figures.map { BenchmarkScore.Figure(name: $0.0, value: $0.1) }
    self.notes = notes
  }

  /// A score that is the samples' mean, times a weight.
  init(
    meanOf samples: [BenchmarkScore.Sample], weight: Double = 100, figures: [(String, Double)] = [], notes: [String] = []
  ) {
    let units = samples.map { BenchmarkScore.Unit(id: $0.id, value: $0.value, cluster: $0.image ?? $0.id) }
    self.init(
      samples: samples, strata: [BenchmarkScore.Stratum(name: "all", weight: weight, units: units)], maximum: weight,
      figures: figures, notes: notes)
  }
}

extension Tally {
  /// A score that is the mean over tasks of each task's share of right answers, in percent.
  ///
  /// - Parameters:
  ///   - tasks: all that there are.
  ///   - owners: the task of each sample.
  init(meanOver tasks: [String], _ owners: [String], _ samples: [BenchmarkScore.Sample]) {
    let members = Dictionary(grouping: zip(owners, samples), by: \.0)
    let present = tasks.filter { members[$0] != nil }
    let strata = present.map { task in
      let units = members[task, default: []].map { _, sample in
        BenchmarkScore.Unit(id: sample.id, value: sample.value, cluster: sample.image ?? sample.id)
      }
      return BenchmarkScore.Stratum(name: task, weight: 100 / Double(present.count), units: units)
    }
    self.init(
      samples: samples, strata: strata, figures: strata.map { ($0.name, 100 * $0.mean) },
      notes: present.count == tasks.count ? [] : ["\(present.count) of \(tasks.count) tasks"])
  }
}

/// The means of values by a name of their own, in percent, names sorted.
func percentages(_ values: some Sequence<(name: String, value: Double)>) -> [(String, Double)] {
  Dictionary(grouping: values, by: \.name).sorted { $0.key < $1.key }.map { name, members in
    (name, 100 * members.reduce(0) { $0 + $1.value } / Double(members.count))
  }
}
