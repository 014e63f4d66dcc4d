/// Questions that need many visual tokens, apart from those that a smaller picture answers as well (VTC-Bench, ACL 2026).
///
/// A compressor that is no better than down-sampling shows on the first group, and hides behind the second.
public struct DifficultyGroups: Sendable, Equatable {
  /// Right with all tokens, wrong when the picture is shown smaller: group A.
  public let hard: Set<String>
  /// Right both ways: group B.
  public let easy: Set<String>

  /// The groups of the questions that both scores know.
  ///
  /// An answer is right that has half of its score or more. Questions that are wrong with all tokens belong to no group.
  ///
  /// - Parameters:
  ///   - full: with all tokens.
  ///   - smaller: with as many tokens as the budget leaves, of a smaller picture.
  public init(full: BenchmarkScore, smaller: BenchmarkScore) {
    let right = Set(full.samples.filter(\.isRight).map(\.id))
    let other = Dictionary(uniqueKeysWithValues: smaller.samples.map { ($0.id, $0.isRight) })
    hard = right.filter { other[$0] == false }
    easy = right.filter { other[$0] == true }
  }

  /// How a way of asking does on either group; questions without an answer count as wrong.
  public func score(_ score: BenchmarkScore) -> DifficultyScore {
    let right = Set(score.samples.filter(\.isRight).map(\.id))
    return DifficultyScore(
      hard: .init(questions: hard.count, right: hard.intersection(right).count),
      easy: .init(questions: easy.count, right: easy.intersection(right).count))
  }
}

/// How a way of asking does on the questions that need many tokens, and on those that do not.
public struct DifficultyScore: Sendable, Equatable, Codable {
  /// Right answers of a group.
  public struct Group: Sendable, Equatable, Codable {
    /// Questions in the group.
    public var questions: Int
    /// Right answers to them.
    public var right: Int

    /// A group's count.
    public init(questions: Int, right: Int) { (self.questions, self.right) = (questions, right) }

    /// Accuracy in percent; nil for a group without questions.
    public var percentage: Double? { questions == 0 ? nil : 100 * Double(right) / Double(questions) }
  }

  /// Group A.
  public var hard: Group
  /// Group B.
  public var easy: Group

  /// Scores of both groups.
  public init(hard: Group, easy: Group) { (self.hard, self.easy) = (hard, easy) }
}

extension BenchmarkScore.Sample {
  /// Half of the score or more.
  fileprivate var isRight: Bool { value >= 0.5 }
}
