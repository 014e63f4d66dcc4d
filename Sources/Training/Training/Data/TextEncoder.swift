import Language

/// What becomes of samples with more tokens than allowed.
public enum Overlong: String, Sendable, Codable, CaseIterable {
  /// They are skipped with the fault `too-long`.
  case skip
  /// They are cut behind the last token that fits, as LLaVA does; an image that does not fit whole is cut off with what follows.
  case truncate
}

/// How the text of samples is prepared.
public struct TextOptions: Sendable {
  /// What is written around the turns.
  public var template: ConversationTemplate
  /// How answers are found.
  public var semantics: SampleEncoder.Semantics
  /// Rows that one image becomes, or one of which nothing more is known.
  public var visualTokens: Int
  /// Most rows of a sample, visual tokens included.
  public var maximumLength: Int
  /// What becomes of longer ones.
  public var overlong: Overlong

  /// LLaVA-1.5's numbers unless others are given.
  public init(
    template: ConversationTemplate = .vicunaV1, semantics: SampleEncoder.Semantics = .corrected, visualTokens: Int = 576,
    maximumLength: Int = 2048, overlong: Overlong = .skip
  ) {
    self.template = template
    self.semantics = semantics
    self.visualTokens = visualTokens
    self.maximumLength = maximumLength
    self.overlong = overlong
  }
}

/// The text of a sample as ids and labels.
struct EncodedText: Sendable, Equatable {
  var ids: [Int]
  var labels: [Int]
  var images: Int
  /// Rows, visual tokens included.
  var rows: Int

  /// Visual tokens of each image.
  var visual: [Int]

  /// The same where its images have so many tokens.
  func counting(_ visual: [Int]) -> EncodedText {
    let shown = Array(visual.prefix(images))
    return EncodedText(ids: ids, labels: labels, images: images, rows: ids.count - images + shown.reduce(0, +), visual: shown)
  }

  /// Labels that are a target: the first position has nothing in front of it that could predict it.
  static func supervised(_ labels: [Int]) -> Int { labels.dropFirst().count { $0 != ignoredLabel } }
}

/// Turns records into ids and labels, or says why not.
struct TextEncoder: Sendable {
  let options: TextOptions
  private let encoder: SampleEncoder

  /// - Throws: `LanguageError.noReferenceLabels`, `DatasetError.setting`.
  init(tokenizer: any Tokenizer, _ options: TextOptions) throws {
    if options.maximumLength < 2 {
      throw DatasetError.setting(name: "the maximum length", reason: "is \(options.maximumLength); give at least 2 tokens")
    }
    if options.visualTokens < 1 {
      throw DatasetError.setting(name: "the number of visual tokens", reason: "is \(options.visualTokens); give at least 1")
    }
    self.options = options
    // The original compares its count of tokens with the length that it cuts at.
    let cutsText = options.semantics == .reference && options.overlong == .truncate
    encoder = try SampleEncoder(
      template: options.template, tokenizer: tokenizer, semantics: options.semantics,
      maximumLength: cutsText ? options.maximumLength : nil)
  }

  /// Ids and labels of a record, however long.
  func encode(_ record: InstructionRecord) throws -> EncodedText {
    let turns = try record.trainingTurns(options.template)
    let encoded: LabelledSample
    do {
      encoded = try encoder.encode(turns, hasImage: !record.images.isEmpty, keepsSeveralTags: record.images.count > 1)
    } catch LanguageError.encodingFailed(let reason) {
      throw RecordProblem(.untokenizable, reason)
    } catch LanguageError.invalidConversation(let problem) {
      throw RecordProblem(.template, problem)
    } catch LanguageError.chatTemplate(_, let problem) {
      throw RecordProblem(.template, problem)
    }
    let labels = zip(encoded.ids, encoded.labels).map { $0 == imagePlaceholderID ? ignoredLabel : $1 }
    if encoded.isMismatched {
      throw RecordProblem(.unsupervised, "the reference's count of tokens does not add up, so it would learn nothing from it")
    }
    let images = encoded.ids.count { $0 == imagePlaceholderID }
    if options.template.chat != nil, images != record.images.count {
      throw RecordProblem(
        .placeholders, "the model's chat template writes \(images) marks for \(record.images.count) images")
    }
    return counted(encoded.ids, labels, Array(repeating: options.visualTokens, count: images))
  }

  /// The text if it can be trained on, cut where that is asked for.
  func fitted(_ text: EncodedText) throws(RecordProblem) -> EncodedText {
    var text = text
    if text.rows > options.maximumLength {
      if options.overlong == .skip {
        let images = text.images == 0 ? "" : ", \(text.visual.reduce(0, +)) of them visual"
        throw RecordProblem(.tooLong, "it has \(text.rows) tokens\(images); the maximum is \(options.maximumLength)")
      }
      text = cut(text)
    }
    if EncodedText.supervised(text.labels) == 0 {
      throw RecordProblem(.unsupervised, "no token of it is an answer's, so nothing would be learnt from it")
    }
    return text
  }

  private func counted(_ ids: [Int], _ labels: [Int], _ visual: [Int]) -> EncodedText {
    let images = ids.count { $0 == imagePlaceholderID }
    return EncodedText(ids: ids, labels: labels, images: images, rows: 0, visual: []).counting(visual)
  }

  private func cut(_ text: EncodedText) -> EncodedText {
    var (rows, visual) = (0, text.visual[...])
    let kept = text.ids.prefix { id in
      rows += id == imagePlaceholderID ? visual.popFirst() ?? 0 : 1
      return rows <= options.maximumLength
    }
    return counted(Array(kept), Array(text.labels.prefix(kept.count)), text.visual)
  }
}

extension InstructionRecord {
  /// The turns to train on, once they are seen to be in order.
  ///
  /// 1. A leading answer without a question is dropped, as in LLaVA, but not where the template takes captions.
  /// 2. Roles alternate, and there is a question with an answer.
  /// 3. There is an image for every tag that training sees, and the other way round. LLaVA makes one tag of all tags of a turn; a
  ///    record of several images keeps them. LLaVA takes a tag without an image for text; here it is a fault, because as a rule
  ///    the image got lost.
  func trainingTurns(_ template: ConversationTemplate) throws(RecordProblem) -> [Turn] {
    var turns = turns
    if turns.first?.role == .assistant, !template.keepsOnlyImages { turns.removeFirst() }
    if turns.count < 2 {
      throw RecordProblem(
        .tooFewTurns, "it has \(self.turns.count == 1 ? "1 turn" : "\(self.turns.count) turns"), not a question and its answer")
    }
    for (index, turn) in turns.enumerated() where (turn.role == .user) != (index % 2 == 0) {
      let place = index + self.turns.count - turns.count
      throw RecordProblem(.roles, "conversations[\(place)] has the same role as the turn before, or the first is no question")
    }
    if template.keepsOnlyImages, turns.count != 2 {
      throw RecordProblem(
        .template, "the template \(template.name) takes one question and one caption, this has \(turns.count) turns")
    }
    let seen = template.keepsOnlyImages ? turns.prefix(1) : turns[...]
    let keepsSeveral = images.count > 1 && !template.keepsOnlyImages
    let tags = seen.reduce(0) { $0 + (keepsSeveral ? $1.imageTags : min(1, $1.imageTags)) }
    if tags != images.count {
      let counts = "\(tags) \(imageTag) tag\(tags == 1 ? "" : "s") and \(images.count) image\(images.count == 1 ? "" : "s")"
      throw RecordProblem(.placeholders, "it has \(counts); they must be equal in number")
    }
    return turns
  }
}
