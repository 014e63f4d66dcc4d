extension SampleEncoder {
  /// Labels a rendered `vicuna_v1` text as LLaVA's `preprocess_v1` does.
  ///
  /// Its assumptions are kept:
  /// 1. The text is split at `</s>`, each round at " ASSISTANT: "; a round that does not give two parts ends the count.
  /// 2. Rounds are tokenised on their own. The BOS of each stands in for the `</s>` that the split removed; of the
  ///    instruction's length two are taken off, for BOS and for the space that merges into the answer.
  /// 3. Non-legacy tokenizers make every round but the first one piece shorter in place than on its own; one is taken off.
  /// 4. Unless the cursor ends at the number of ids that are not the padding id, or at or beyond the maximum length, the
  ///    whole sample is ignored.
  func referenceSample(_ text: String, hasImage: Bool) throws -> LabelledSample {
    var ids = try ids(of: text, hasImage: hasImage)
    if !hasImage, let maximumLength { ids = Array(ids.prefix(maximumLength)) }
    var labels = ids
    func ignore(_ range: Range<Int>) {
      for position in range.clamped(to: labels.indices) { labels[position] = ignoredLabel }
    }

    let marker = template.userEnd + template.assistantHeader + template.lead
    let isShorterInPlace = (tokenizer as? SentencePieceTokenizer)?.legacy == false
    let total = ids.count { $0 != tokenizer.padTokenID }
    var cursor = 1
    ignore(0..<1)
    for (index, round) in split(text, separator: template.answerEnd).enumerated() {
      let parts = split(round, separator: marker)
      guard !round.isEmpty, parts.count == 2 else { break }
      let correction = index > 0 && isShorterInPlace ? 1 : 0
      let roundLength = try self.ids(of: round, hasImage: hasImage).count - correction
      let instructionLength = try self.ids(of: parts[0] + marker, hasImage: hasImage).count - 2 - correction
      ignore(cursor..<max(cursor, cursor + instructionLength))
      cursor += roundLength
    }
    ignore(min(cursor, labels.count)..<labels.count)
    let isMismatched = cursor < maximumLength ?? .max && cursor != total
    if isMismatched { ignore(0..<labels.count) }
    return LabelledSample(ids: ids, labels: labels, isMismatched: isMismatched)
  }
}
