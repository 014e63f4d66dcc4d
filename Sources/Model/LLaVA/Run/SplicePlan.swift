import Language
import Torch

/// What is wrong with a prompt.
public enum PromptError: Error, Equatable, CustomStringConvertible {
  /// The prompt names more or fewer images than were given.
  case imageCount(placeholders: Int, images: Int)
  /// The prompt has no token.
  case empty
  /// As many lists of something as there are prompts were expected.
  case listCount(what: String, found: Int, prompts: Int)
  /// A token id that the model has no embedding for.
  case tokenOutOfRange(id: Int, vocabularySize: Int)
  /// Labels and ids differ in number.
  case labelCount(labels: Int, ids: Int)
  /// A video was given to a model that takes none.
  case noVideos(type: String)
  /// A picture was given to a model that listens.
  case noPictures(type: String)
  /// Sound was given to a model that sees.
  case noAudio(type: String)
  /// The prompt and the answer do not fit into the context.
  case tooLong(tokens: Int, maximum: Int)

  /// One sentence for people.
  public var description: String {
    switch self {
    case .imageCount(let placeholders, let images):
      "the prompt has \(placeholders) <image> placeholder\(placeholders == 1 ? "" : "s") and \(images) image\(images == 1 ? " was" : "s were") given; they must be equal in number"
    case .empty: "the prompt is empty"
    case .listCount(let what, let found, let prompts):
      "\(what) were given for \(found) prompts, expected \(prompts): one entry for each prompt"
    case .tokenOutOfRange(let id, let size):
      "the prompt has token id \(id), the model's vocabulary has \(size) entries; tokenizer and model do not belong together"
    case .labelCount(let labels, let ids): "\(labels) labels were given for \(ids) ids or samples; they must be equal in number"
    case .noVideos(let type):
      "models of the type \(type) take no videos; types that do: \(ModelFamily.all.filter { $0.video != nil }.map(\.type).joined(separator: ", "))"
    case .noPictures(let type): "models of the type \(type) take no pictures but sound; give --audio, or another model"
    case .noAudio(let type):
      "models of the type \(type) take no sound; types that do: \(ModelFamily.all.filter { $0.weights == .audioTower }.map(\.type).joined(separator: ", "))"
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
  var lengths: [Int] = []
  var images: [[ImageRows]] = []
  var labels: [Int]?
  /// Position of each row; of an image with gaps that of its first token, to which the places are added.
  private var positions: [Int] = []
  private var next: [Int] = []
  /// Rows of images with gaps.
  private var gaps: [(rows: Range<Int>, sample: Int, image: Int)] = []

  /// - Parameter promptLengths: ids of each sample that belong to the prompt; where there are labels they say it, for each image.
  init(
    _ prompts: [[Int]], _ segments: [[VisualSegment]], vocabularySize: Int, _ labels: [[Int]]?, _ promptLengths: [Int?]?,
    _ past: [Int]?
  ) throws {
    for (what, count) in [
      ("images", segments.count), ("labels", labels?.count), ("prompt lengths", promptLengths?.count), ("positions", past?.count),
    ] {
      if let count, count != prompts.count { throw PromptError.listCount(what: what, found: count, prompts: prompts.count) }
    }
    if labels != nil { self.labels = [] }
    for (sample, ids) in prompts.enumerated() {
      try Self.check(ids, segments[sample].count, vocabularySize, labels?[sample].count)
      add(ids, segments[sample], sample, labels?[sample], promptLengths?[sample], past?[sample] ?? 0)
    }
  }

  private mutating func add(
    _ ids: [Int], _ segments: [VisualSegment], _ sample: Int, _ labels: [Int]?, _ promptLength: Int?, _ past: Int
  ) {
    var found: [ImageRows] = []
    var (length, position, reach) = (0, past, past)
    // Rows at which an answer may begin, ascending.
    var answers: [Int] = []
    var textStart = textIDs.count
    func textPiece(_ end: Int) -> [Piece] { textStart < end ? [.text(end - textStart)] : [] }
    for (index, id) in ids.enumerated() {
      let isSupervised = labels.map { $0[index] != ignoredLabel } ?? false
      if isSupervised || index == promptLength { answers.append(length) }
      if id == imagePlaceholderID {
        pieces += textPiece(textIDs.count)
        textStart = textIDs.count
        let segment = segments[found.count]
        let rows = segment.rows.size(0)
        pieces.append(.image(sample: sample, image: found.count))
        if segment.places == nil {
          positions += position..<position + rows
        } else {
          gaps.append((positions.count..<positions.count + rows, sample, found.count))
          positions += repeatElement(position, count: rows)
        }
        reach = max(reach, position + segment.reach)
        position += segment.positions
        found.append(
          ImageRows(
            span: length..<length + rows, end: position, layout: segment.layout, kept: segment.kept, tower: segment.tower))
        length += rows
        self.labels?.append(contentsOf: repeatElement(ignoredLabel, count: rows))
      } else {
        textIDs.append(id)
        positions.append(position)
        (length, position) = (length + 1, position + 1)
        if let labels { self.labels?.append(labels[index]) }
      }
    }
    pieces += textPiece(textIDs.count)
    lengths.append(length)
    next.append(max(position, reach))
    for index in found.indices { found[index].promptEnd = answers.first { $0 >= found[index].span.upperBound } }
    images.append(found)
  }

  /// Where the rows stand.
  ///
  /// - Parameter axes: of each position; text is at the same place on all of them.
  func positions(_ segments: [[VisualSegment]], axes: Int, on device: Device) throws -> Positions {
    var found = try Positions(Tensor(positions, on: device), axes: axes, next: next)
    if !gaps.isEmpty {
      let rows = try Tensor(gaps.flatMap { Array($0.rows) }, on: device)
      let places = try gaps.compactMap { gap in
        try segments[gap.sample][gap.image].places.map { try $0.rank == 1 ? $0.unsqueezed(0).expanded([axes, $0.count]) : $0 }
      }
      found.rotary = try found.rotary.contiguous().scatterAddInPlace(
        1, rows.unsqueezed(0).expanded([axes, rows.count]).contiguous(), concatenate(places, 1))
    }
    return found
  }

  static func check(_ ids: [Int], _ images: Int, _ vocabularySize: Int, _ labels: Int? = nil) throws {
    if ids.isEmpty { throw PromptError.empty }
    if let labels, labels != ids.count { throw PromptError.labelCount(labels: labels, ids: ids.count) }
    let placeholders = ids.lazy.filter { $0 == imagePlaceholderID }.count
    if placeholders != images { throw PromptError.imageCount(placeholders: placeholders, images: images) }
    if let bad = ids.first(where: { $0 != imagePlaceholderID && !(0..<vocabularySize).contains($0) }) {
      throw PromptError.tokenOutOfRange(id: bad, vocabularySize: vocabularySize)
    }
  }
}
