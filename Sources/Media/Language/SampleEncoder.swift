/// The label of positions a model does not learn from.
public let ignoredLabel = -100

/// A training sample as ids and next-token labels.
public struct LabelledSample: Sendable, Equatable {
  /// Token ids, with `imagePlaceholderID` for images.
  public var ids: [Int]
  /// For each id itself where it is supervised, else `ignoredLabel`.
  ///
  /// An image inside an answer keeps its placeholder as label, as in LLaVA; splicing in the image replaces it.
  public var labels: [Int]
  /// Whether reference semantics lost count and ignored the whole sample.
  public var isMismatched = false

  /// Cuts ids and labels to a length, which is how LLaVA's collator treats samples with images.
  public func truncated(to length: Int) -> LabelledSample {
    LabelledSample(
      ids: Array(ids.prefix(length)), labels: Array(labels.prefix(length)), isMismatched: isMismatched)
  }
}

/// Renders conversations and marks what a model learns: every answer with its end, and nothing else.
///
/// Rules, in this order:
/// 1. A leading answer without a question is dropped; after that roles alternate. (As in LLaVA.)
/// 2. With an image, every turn's image tags become one in front (`Turn.withImageTagInFront`). Without one, `<image>` is
///    text like any other. (As in LLaVA.)
/// 3. Everything up to an answer's header is ignored; the space behind the header is supervised, alone or merged with
///    the answer's first word, because that is what the model must produce after a prompt. (As in LLaVA.)
/// 4. A token belongs to an answer if any of its text does.
///
/// LLaVA recovers the answers by splitting the rendered text at `</s>` and at ` ASSISTANT: ` and counting tokens; when the
/// counts do not add up it ignores the whole sample. `.corrected` knows where each answer lies instead, so:
/// 5. An empty last answer is supervised as its end alone, directly behind the header: after the prompt the model should
///    stop at once. (LLaVA renders no end, which teaches nothing.) An empty answer that another question follows counts
///    as not given: it is its header, ignored. (As in LLaVA.)
/// 6. A last question without an answer stays, ignored; the answers before it are supervised.
/// 7. An answer or question may contain the marker of an answer, or the end token: that is content. The question's
///    is ignored with it, the answer's supervised with it, so ids are those LLaVA makes.
/// 8. Ids equal to the padding id are content like any other.
///
/// Wherever LLaVA's counts add up, ids and labels equal LLaVA's exactly, but for samples that LLaVA mislabels unnoticed: a
/// question that itself ends in " ASSISTANT:" (its last word is then supervised), two miscounts that cancel, and any
/// miscount beyond the maximum length, where LLaVA does not check.
public struct SampleEncoder: Sendable {
  /// How answers are found.
  public enum Semantics: Sendable {
    /// By construction.
    case corrected
    /// As LLaVA's `preprocess_v1` counts, mistakes included; for `vicuna_v1` and `plain`.
    case reference
  }

  let template: ConversationTemplate
  let tokenizer: any Tokenizer
  let semantics: Semantics
  let maximumLength: Int?

  /// An encoder for one template and tokenizer.
  ///
  /// - Parameter maximumLength: samples without image are cut to this many ids; those with one are not, because their
  ///   images have yet to be expanded.
  /// - Throws: `LanguageError.noReferenceLabels` for reference semantics with another template; `.invalidConversation` for a checkpoint's
  ///   own template that cannot be divided into turns.
  public init(
    template: ConversationTemplate, tokenizer: any Tokenizer, semantics: Semantics = .corrected, maximumLength: Int? = nil
  ) throws {
    let hasReference = template.name == ConversationTemplate.vicunaV1.name || template.keepsOnlyImages
    if semantics == .reference, !hasReference { throw LanguageError.noReferenceLabels(template: template.name) }
    if template.chat != nil {
      let turns = ["One?", "Two.", "Three?", "Four."].enumerated().map { Turn($0 % 2 == 0 ? .user : .assistant, $1) }
      _ = try template.segments(for: turns, closesEmptyAnswer: true)
    }
    self.template = template
    self.tokenizer = tokenizer
    self.semantics = semantics
    self.maximumLength = maximumLength
  }

  /// Encodes one sample.
  ///
  /// - Parameter keepsSeveralTags: leave turns with several image tags as they are instead of making one of them; for samples
  ///   of several images, which LLaVA-1.5 does not train on.
  /// - Throws: `LanguageError.invalidConversation` for turns that do not alternate, or for a captioning template without
  ///   exactly one question with an image and one answer.
  public func encode(_ turns: [Turn], hasImage: Bool, keepsSeveralTags: Bool = false) throws -> LabelledSample {
    var turns = turns
    if turns.first?.role == .assistant, !template.keepsOnlyImages { turns.removeFirst() }
    if template.keepsOnlyImages {
      guard turns.count == 2, split(turns[0].text, separator: imageTag).count > 1 else {
        throw LanguageError.invalidConversation(
          problem: "the template \(template.name) takes one question with \(imageTag) and one answer")
      }
      turns[0].text = imageTag
    }
    guard !turns.isEmpty else { throw LanguageError.invalidConversation(problem: "it has no question") }
    if hasImage { turns = turns.map { keepsSeveralTags && $0.imageTags > 1 ? $0 : $0.withImageTagInFront() } }

    let sample =
      if semantics == .reference, !template.keepsOnlyImages {
        try referenceSample(try template.render(turns), hasImage: hasImage)
      } else {
        try correctedSample(turns, hasImage: hasImage || template.keepsOnlyImages)
      }
    guard let maximumLength, !hasImage else { return sample }
    return sample.truncated(to: maximumLength)
  }

  /// The ids of a rendered text.
  func ids(of text: String, hasImage: Bool) throws -> [Int] {
    hasImage ? try encodeWithImages(text, tokenizer: tokenizer) : try tokenizer.encode(text, addSpecialTokens: true)
  }

  /// Tokenises the whole text once, so that ids are what inference sees, and finds each answer by tokenising the text in
  /// front of it: ids in common with the whole lie before the answer.
  private func correctedSample(_ turns: [Turn], hasImage: Bool) throws -> LabelledSample {
    let segments = try template.segments(for: turns, closesEmptyAnswer: true, hasImages: hasImage)
    let ids = try ids(of: segments.map(\.text).joined(), hasImage: hasImage)
    var labels = [Int](repeating: ignoredLabel, count: ids.count)
    var text = ""
    func position() throws -> Int {
      zip(ids, try self.ids(of: text, hasImage: hasImage)).prefix { $0 == $1 }.count
    }
    let lastText = segments.lastIndex { !$0.text.isEmpty }
    for (index, segment) in segments.enumerated() {
      let start = segment.isAnswer ? try position() : 0
      text += segment.text
      guard segment.isAnswer else { continue }
      let end = index == lastText ? ids.count : try position()
      if start < end { labels.replaceSubrange(start..<end, with: ids[start..<end]) }
    }
    return LabelledSample(ids: ids, labels: labels)
  }
}
