/// Questions with what it takes to score each, as a reader collects them.
struct QuestionList<Reference: Sendable>: Sendable {
  private(set) var questions: [Question] = []
  private(set) var references: [String: Reference] = [:]
  var faults: [RecordFault] = []
  /// What a report should say about these questions.
  var notes: [String] = []

  /// Adds a question.
  ///
  /// - Throws: `RecordFault` where its id is taken.
  mutating func add(_ question: Question, _ reference: Reference, at record: Record) throws(RecordFault) {
    guard references.updateValue(reference, forKey: question.id) == nil else {
      throw record.fault("\(question.id) is there twice")
    }
    questions.append(question)
  }
}

/// Gives questions whose files call them by the same name one id each.
struct Occurrences {
  private var counts: [String: Int] = [:]

  /// "name", "name#2", "name#3" and so on.
  mutating func id(_ name: String) -> String {
    counts[name, default: 0] += 1
    return counts[name] == 1 ? name : "\(name)#\(counts[name] ?? 1)"
  }
}
