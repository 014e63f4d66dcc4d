/// What `compare_with_transformers.py` reads.
struct TransformersManifest: Encodable {
  struct Prompt: Encodable {
    let name: String
    let ids: [Int]
    let greedy: [Int]
    /// Visual tokens of each image; nil for as many as the configuration says.
    var tokens: [Int]?
    /// Which of the images are videos; nil for none.
    var videos: [Bool]?
    var drop: Drop?
  }
  /// Rows that are left behind some layers, and the answer with them.
  struct Drop: Encodable {
    let layer: Int
    let rows: [Int]
    let greedy: [Int]
  }
  struct Checkpoint: Encodable {
    let name: String
    let folder: String
    let dtype: String
    let outputs: String
    let prompts: [Prompt]
    /// Whether text goes on behind the times of videos, as the model's authors do, or as this transformers does.
    let textIsBehindTimes: Bool
    /// Where transformers saves the model again; nil for nowhere.
    var saved: String?
  }
  struct Text: Encodable {
    let text: String
    let ids: [Int]
    let idsWithSpecial: [Int]
    let decoded: String
  }
  struct TokenizerFile: Encodable {
    let name: String
    let file: String
    let texts: [Text]
  }
  var checkpoints: [Checkpoint] = []
  var tokenizers: [TokenizerFile] = []
}
