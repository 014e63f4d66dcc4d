import Foundation

extension ChatTemplate {
  /// A conversation with its answers marked, so that all segments together are what the template writes.
  ///
  /// The template is a program, so it is asked where its answers are. `whole` is the conversation, `prompts` what it writes to ask for each
  /// answer, `skeleton` the conversation with a mark in place of every answer.
  ///
  /// 1. An answer begins behind its prompt, where `whole` begins with that: what follows a prompt is what a model has to produce. Else,
  ///    where the prompt has something that the finished conversation has not, it begins where both part, at the latest at its text.
  /// 2. Its text ends where the text begins that follows its mark in the skeleton: the next prompt ends with that text, or the whole does.
  /// 3. `answerEnd` belongs to the answer, with white space in front of it. A template that writes none gets the tokenizer's EOS behind the
  ///    last answer, in place of white space, as a model would not learn to end otherwise.
  ///
  /// - Throws: `LanguageError.invalidConversation` where the template writes something else around an answer than around another.
  func segments(for messages: [TemplateMessage], closesEmptyAnswer: Bool) throws -> [ConversationTemplate.Segment] {
    let now = Date()
    let whole = Array(try render(messages, asks: false, now: now).utf8)
    let places = messages.indices.filter { messages[$0].role == .assistant }
    guard !places.isEmpty else { return [.init(text: String(decoding: whole, as: UTF8.self))] }
    let between = try literals(messages, places, now)
    let prompts = try prompts(messages, places, now)

    var segments: [ConversationTemplate.Segment] = []
    var done = 0
    func append(to end: Int, isAnswer: Bool) {
      if end > done { segments.append(.init(text: String(decoding: whole[done..<end], as: UTF8.self), isAnswer: isAnswer)) }
      done = max(done, end)
    }
    for (index, place) in places.enumerated() {
      let (begin, textBegin) = try begin(of: index, in: whole, from: done, prompts[index].text, between[index])
      let tail = between[index + 1]
      let isLast = index == places.count - 1
      let end = try textEnd(
        of: messages[place], in: whole, from: textBegin ?? begin, next: isLast ? nil : prompts[index + 1], tail, index + 1)
      let isEmpty = messages[place].parts.allSatisfy { $0 == .text("") }
      if isEmpty, !(isLast && closesEmptyAnswer) { continue }
      append(to: begin, isAnswer: false)
      if answerEnd.isEmpty, isLast, let eos = tokens["eos_token"], whole[end...].allSatisfy({ $0 == 0x20 || $0 == 0x0A }) {
        segments.append(.init(text: String(decoding: whole[done..<max(done, end)], as: UTF8.self) + eos, isAnswer: true))
        return segments
      }
      let blanks = tail.prefix { $0 == 0x20 || $0 == 0x0A }.count
      let hasEnd = !answerEnd.isEmpty && tail.dropFirst(blanks).starts(with: answerEnd.utf8)
      append(to: end + (hasEnd ? blanks + answerEnd.utf8.count : 0), isAnswer: true)
    }
    append(to: whole.count, isAnswer: false)
    return segments
  }

  /// What asks for an answer, and what of it follows a mark in place of the answer before.
  private struct Prompt {
    let text, tail: [UInt8]
  }

  private func prompts(_ messages: [TemplateMessage], _ places: [Int], _ now: Date) throws -> [Prompt] {
    let marked = marked(messages, places)
    return try places.enumerated().map { index, place in
      let text = Array(try render(Array(messages[..<place]), asks: true, now: now).utf8)
      if index == 0 { return Prompt(text: text, tail: text) }
      let parts = split(try render(Array(marked[..<place]), asks: true, now: now), separator: TemplateProbe.mark("\(index - 1)"))
      return Prompt(text: text, tail: Array((parts.last ?? "").utf8))
    }
  }

  private func marked(_ messages: [TemplateMessage], _ places: [Int]) -> [TemplateMessage] {
    var marked = messages
    for (index, place) in places.enumerated() { marked[place].parts = [.text(TemplateProbe.mark("\(index)"))] }
    return marked
  }

  /// What the template writes in front of, between and behind answers.
  private func literals(_ messages: [TemplateMessage], _ places: [Int], _ now: Date) throws -> [[UInt8]] {
    var rest = try render(marked(messages, places), asks: false, now: now)
    var found: [[UInt8]] = []
    for index in places.indices {
      let parts = split(rest, separator: TemplateProbe.mark("\(index)"))
      guard parts.count == 2 else {
        throw indivisible("answer \(index + 1) is written \(parts.count == 1 ? "not at all" : "more than once")")
      }
      found.append(Array(parts[0].utf8))
      rest = parts[1]
    }
    return found + [Array(rest.utf8)]
  }

  /// Where an answer begins, and where its text does; nil for the text where only the prompt is known.
  private func begin(
    of index: Int, in whole: [UInt8], from done: Int, _ prompt: [UInt8], _ header: [UInt8]
  ) throws -> (begin: Int, textBegin: Int?) {
    if whole.starts(with: prompt), prompt.count >= done { return (prompt.count, nil) }
    // What stood behind the answer before belongs to the header in part, so the header is looked for as a whole.
    let common = zip(whole, prompt).prefix { $0 == $1 }.count
    guard let place = occurrences(of: header, in: whole[headerStart(done, header, whole)...]).first?.upperBound, common >= done
    else {
      throw indivisible("what stands in front of answer \(index + 1) depends on it")
    }
    return (min(common, place), place)
  }

  /// The header begins where the answer's text before it ended, of which the end token may be behind us.
  private func headerStart(_ done: Int, _ header: [UInt8], _ whole: [UInt8]) -> Int {
    let reach = min(done, answerEnd.utf8.count + 2)
    return (done - reach...done).first { whole[$0...].starts(with: header) } ?? done
  }

  /// Where the text of an answer ends.
  private func textEnd(
    of message: TemplateMessage, in whole: [UInt8], from begin: Int, next: Prompt?, _ tail: [UInt8], _ number: Int
  ) throws -> Int {
    if let next {
      if whole.starts(with: next.text), next.text.reversed().starts(with: next.tail.reversed()),
        next.text.count - next.tail.count >= begin
      {
        return next.text.count - next.tail.count
      }
    } else if whole.reversed().starts(with: tail.reversed()), whole.count - tail.count >= begin {
      return whole.count - tail.count
    }
    for text in message.spellings {
      let place = occurrences(of: Array(text.utf8) + tail, in: whole[begin...]).first?.lowerBound
      if let place { return place + text.utf8.count }
    }
    throw indivisible("what stands behind answer \(number) depends on it")
  }

  private func indivisible(_ reason: String) -> LanguageError {
    .invalidConversation(
      problem: "\(fileName) cannot be divided into turns, as \(reason); name a conversation template, such as vicuna_v1 or chatml"
    )
  }

  /// The name of the file alone, for those whom the folder does not concern.
  var fileName: String { URL(filePath: path).lastPathComponent }
}

extension TemplateMessage {
  /// The words, as they are and as templates cut them.
  fileprivate var spellings: [String] {
    let text = parts.map { if case .text(let text) = $0 { text } else { "" } }.joined()
    return [text, text.trimmingCharacters(in: .whitespacesAndNewlines)]
  }
}
