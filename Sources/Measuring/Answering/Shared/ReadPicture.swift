import Compression
import LLaVA
import Torch

/// A picture as far as it can be read before a question: what all questions about it have in common.
struct ReadPicture {
  let key: String
  /// Ids before it.
  let text: [Int]
  /// For each group of plans that share rows, what they read.
  var groups: [Group]

  /// Plans that see the same rows at the decoder's input.
  struct Group {
    /// The plans, by number.
    let plans: [Int]
    /// The text before the picture and the picture, whole, in all layers that a question shares.
    var trunk: KeyValueCache
    /// How far each plan got.
    var states: [State]
    /// Rows of the picture, for plans that cannot begin before the question is known.
    let waitsForQuestion: Bool
  }

  /// A plan that waits for the question.
  struct State {
    /// What its layers from its first stage on hold.
    let cache: KeyValueCache?
    let waiting: WaitingRows?
    /// Stages that are still to come.
    let stages: [Branch.Stage]
    /// The first stage's layer, where the plan leaves the trunk; nil for a plan that keeps all tokens.
    let firstLayer: Int?
    /// True where that stage has been made.
    let hasLeft: Bool
    /// The picture behind the stages that have been made.
    let images: [ImageRows]
  }
}

/// A prompt ready to be read to its end under some plans.
struct PlannedPrompt {
  /// The rows that are not in the cache yet, one sample.
  let rows: PackedBatch
  let cache: KeyValueCache
  /// With the picture as a branch sees it already, where it does.
  let branches: [(plans: [Int], branch: Branch, images: [ImageRows])]
}
