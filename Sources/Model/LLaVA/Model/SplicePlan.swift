import Language
import Torch

/// What is wrong with a prompt.
public enum PromptError: Error, Equatable, CustomStringConvertible {
  /// The prompt names more or fewer images than were given.
  case imageCount(placeholders: Int, images: Int)
  /// The prompt has no token.
  case empty
  /// A token id that the model has no embedding for.
  case tokenOutOfRange(id: Int, vocabularySize: Int)
  /// Labels and ids differ in number.
  case labelCount(labels: Int, ids: Int)
  /// The prompt and the answer do not fit into the context.
  case tooLong(tokens: Int, maximum: Int)

  /// One sentence for people.
  public var description: String {
    switch self {
    case .imageCount(let placeholders, let images):
      "the prompt has \(placeholders) <image> placeholder\(placeholders == 1 ? "" : "s") and \(images) image\(images == 1 ? " was" : "s were") given; they must be equal in number"
    case .empty: "the prompt is empty"
    case .tokenOutOfRange(let id, let size):
      "the prompt has token id \(id), the model's vocabulary has \(size) entries; tokenizer and model do not belong together"
    case .labelCount(let labels, let ids): "\(labels) labels were given for \(ids) ids or samples; they must be equal in number"
    case .tooLong(let tokens, let maximum):
      "the prompt takes \(tokens) tokens, images included, of a context of \(maximum) tokens; shorten it or use fewer images"
    }
  }
}

/// The order in which text and images of a batch follow one another, worked out on the host.
struct SplicePlan {
  enum Piece {
    /// So many of the embedded text ids, those after the last piece's.
    case text(Int)
    /// All rows of an image.
    case image(sample: Int, image: Int)
  }

  var textIDs: [Int] = []
  var pieces: [Piece] = []
  var positions: [Int] = []
  var lengths: [Int] = []
  var visual: [[Range<Int>]] = []
  var promptEnds: [[Int]] = []
  var labels: [Int]?

  /// - Parameter promptLengths: ids of each sample that belong to the prompt; where there are labels they say it, for each image.
  init(
    _ prompts: [[Int]], _ features: [[Tensor]], vocabularySize: Int, _ labels: [[Int]]?, promptLengths: [Int?]? = nil
  ) throws {
    if let labels {
      guard labels.count == prompts.count else { throw PromptError.labelCount(labels: labels.count, ids: prompts.count) }
      self.labels = []
    }
    for (sample, ids) in prompts.enumerated() {
      let images = sample < features.count ? features[sample] : []
      try Self.check(ids, images.count, vocabularySize, labels?[sample].count)
      var spans: [Range<Int>] = []
      var length = 0
      // Rows at which an answer may begin, ascending.
      var answers: [Int] = []
      var textStart = textIDs.count
      func textPiece(_ end: Int) -> [Piece] { textStart < end ? [.text(end - textStart)] : [] }
      for (index, id) in ids.enumerated() {
        let isSupervised = labels.map { $0[sample][index] != ignoredLabel } ?? false
        if isSupervised || index == promptLengths?[sample] { answers.append(length) }
        if id == imagePlaceholderID {
          pieces += textPiece(textIDs.count)
          textStart = textIDs.count
          let rows = images[spans.count].size(0)
          pieces.append(.image(sample: sample, image: spans.count))
          spans.append(length..<length + rows)
          length += rows
          self.labels?.append(contentsOf: repeatElement(ignoredLabel, count: rows))
        } else {
          textIDs.append(id)
          length += 1
          if let labels { self.labels?.append(labels[sample][index]) }
        }
      }
      pieces += textPiece(textIDs.count)
      positions += 0..<length
      lengths.append(length)
      visual.append(spans)
      promptEnds.append(spans.map { span in answers.first { $0 >= span.upperBound } ?? length })
    }
  }

  private static func check(_ ids: [Int], _ images: Int, _ vocabularySize: Int, _ labels: Int?) throws {
    if ids.isEmpty { throw PromptError.empty }
    if let labels, labels != ids.count { throw PromptError.labelCount(labels: labels, ids: ids.count) }
    let placeholders = ids.lazy.filter { $0 == imagePlaceholderID }.count
    if placeholders != images { throw PromptError.imageCount(placeholders: placeholders, images: images) }
    if let bad = ids.first(where: { $0 != imagePlaceholderID && !(0..<vocabularySize).contains($0) }) {
      throw PromptError.tokenOutOfRange(id: bad, vocabularySize: vocabularySize)
    }
  }
}
