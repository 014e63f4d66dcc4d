import Basics
import Foundation
import OrderedCollections

/// MME: 14 subtasks, a yes and a no question about each of 1,187 pictures.
///
/// The score is perception and cognition together, at most 2800, as in the paper; LLaVA's tables print perception alone.
enum MME {
  static let definition = BenchmarkDefinition(
    name: "mme", title: "MME", splits: ["release"], scorers: ["llava", "lmms-eval", "vlmevalkit"], fullScore: 2800,
    originalMissing: .aborts
  ) { source in
    let root = try source.locate(
      BenchmarkFile(
        "MME/MME_Benchmark_release_version/MME_Benchmark", "MME/MME_Benchmark_release_version",
        "mme/MME_Benchmark_release_version",
        origin: "https://github.com/BradyFU/Awesome-Multimodal-Large-Language-Models/tree/Evaluation"))
    var list = QuestionList<Reference>()
    var ids = Occurrences()
    let folder = try MMEFolder(root)
    list.faults = folder.faults
    if let url = source.find(.llava("MME/llava_mme.jsonl")) {
      list.faults += try RecordFile(url).records { record in
        let line = try QuestionLine(record)
        guard let reference = folder.reference(to: line) else {
          throw record.fault("\(root.relativePath) has no such question about \(line.image)")
        }
        try list.add(line.question(id: ids.id(line.id.description), images: root, group: line.image), reference, at: record)
      }
    } else {
      for entry in folder.entries {
        let image = entry.image
        let question = Question(
          id: ids.id(image), fileID: .text(image), image: QuestionImage(file: root.appending(path: image)),
          prompt: entry.reference.question.replacingScalars("Please answer yes or no.", "").pythonStripped
            + PromptSuffix.shortAnswer,
          category: entry.subtask, group: image)
        try list.add(question, entry.reference, at: entry.record)
      }
    }
    return Benchmark(source, list, tally: tally, files: results)
  }

  static let perception = [
    "existence", "count", "position", "color", "posters", "celebrity", "scene", "landmark", "artwork", "OCR",
  ]
  static let cognition = ["commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning"]

  struct Reference: Sendable {
    /// The question as the data set has it, "Please answer yes or no." included.
    var question: String
    var isYes: Bool
  }

  /// Whether an answer says yes; nil for "other", which is always wrong.
  ///
  /// - llava: in lower case, yes or no exactly, else whether its first four characters hold "yes", else "no". So "know" is a no.
  /// - lmms-eval: also stripped, without full stops, and y or n alone will do.
  /// - vlmevalkit: exactly one of the words is there.
  static func saysYes(_ answer: String, scorer: String) -> Bool? {
    if scorer == "vlmevalkit" { return POPE.wordPresence(answer) }
    var text = answer.lowercased()
    if scorer == "lmms-eval" {
      text = text.pythonStripped.replacingScalars(".", "")
      if text.unicodeScalars.count == 1 { return text == "y" ? true : text == "n" ? false : nil }
    }
    let front = String(text.unicodeScalars.prefix(4))
    return front.holds("yes") ? true : front.holds("no") ? false : nil
  }

  static func tally(_ answered: [Answered<Reference>], scorer: String) -> Tally {
    let samples = answered.map { item in
      let yes = saysYes(item.answer, scorer: scorer)
      return item.sample(yes == item.reference.isYes ? 1 : 0, parsed: yes.map { $0 ? "yes" : "no" } ?? "other")
    }
    let bySubtask = Dictionary(grouping: zip(answered, samples)) { $0.0.question.category }
    var strata: [BenchmarkScore.Stratum] = []
    var figures: [(String, Double)] = []
    var sums = [0.0, 0.0]
    for (part, subtasks) in [perception, cognition].enumerated() {
      for subtask in subtasks {
        guard let members = bySubtask[subtask] else { continue }
        let (stratum, accuracy, accuracyPlus) = score(subtask, members)
        strata.append(stratum)
        figures += [("\(subtask)/acc", accuracy), ("\(subtask)/acc+", accuracyPlus), (subtask, accuracy + accuracyPlus)]
        sums[part] += accuracy + accuracyPlus
      }
    }
    let all = perception.count + cognition.count
    return Tally(
      samples: samples, strata: strata, value: sums[0] + sums[1], maximum: 200 * Double(strata.count),
      figures: [("perception", sums[0]), ("cognition", sums[1])] + figures,
      notes: strata.count == all ? [] : ["\(strata.count) of \(all) subtasks"])
  }

  /// acc is the share of right answers, acc+ that of pictures with all answers right; both in percent.
  private static func score(
    _ subtask: String, _ members: [(Answered<Reference>, BenchmarkScore.Sample)]
  ) -> (BenchmarkScore.Stratum, accuracy: Double, accuracyPlus: Double) {
    let pictures = OrderedDictionary(grouping: members) { $0.0.question.group }
    let right = members.reduce(0) { $0 + $1.1.value }
    let bothRight = pictures.values.count { $0.allSatisfy { $0.1.value == 1 } }
    let questionsPerPicture = Double(members.count) / Double(pictures.count)
    let units = pictures.map { group, own in
      let share = own.reduce(0) { $0 + $1.1.value } / questionsPerPicture
      return BenchmarkScore.Unit(
        id: group, value: share + (own.allSatisfy { $0.1.value == 1 } ? 1 : 0), cluster: own.first?.1.image ?? group)
    }
    return (
      BenchmarkScore.Stratum(name: subtask, weight: 100, units: units), 100 * right / Double(members.count),
      100 * Double(bothRight) / Double(pictures.count)
    )
  }

  /// What the official tool reads: a file for each subtask, four fields between tabs in a line, the two lines of a picture together.
  private static func results(_ answered: [Answered<Reference>]) -> [ExportedFile] {
    let bySubtask = Dictionary(grouping: answered.filter { $0.given != nil }) { $0.question.category }
    return bySubtask.sorted { $0.key < $1.key }.map { subtask, members in
      let byPicture = OrderedDictionary(grouping: members) { $0.question.group }
      let lines = byPicture.values.joined().map { item in
        let name = URL(filePath: item.question.group).deletingPathExtension().lastPathComponent + ".txt"
        let fields = [name, item.reference.question, item.reference.isYes ? "Yes" : "No", item.answer]
        return fields.map { $0.split { "\t\n\r\r\n".contains($0) }.joined(separator: " ") }.joined(separator: "\t") + "\n"
      }
      return ExportedFile(name: "\(subtask).txt", contents: Data(lines.joined().utf8))
    }
  }
}

/// The folder of MME: for each picture a text file with two lines of question, tab, Yes or No.
///
/// Five subtasks keep pictures in `images` and texts in `questions_answers_YN`, nine keep them side by side.
private struct MMEFolder {
  struct Entry {
    var subtask, image: String
    var reference: MME.Reference
    var record: Record
  }

  private(set) var entries: [Entry] = []
  private(set) var faults: [RecordFault] = []
  private var places: [String: Int] = [:]

  init(_ root: URL) throws {
    for subtask in MME.perception + MME.cognition {
      let folder = root.appending(path: subtask)
      let apart = folder.appending(path: "questions_answers_YN")
      let isApart = FileManager.default.fileExists(atPath: apart.path)
      let images = names(in: isApart ? folder.appending(path: "images") : folder).filter { !$0.hasSuffix(".txt") }
      let byStem = Dictionary(images.map { (Self.stem($0), $0) }) { first, _ in first }
      for name in names(in: isApart ? apart : folder) where name.hasSuffix(".txt") {
        let picture = byStem[Self.stem(name)] ?? Self.stem(name) + ".jpg"
        read((isApart ? apart : folder).appending(path: name), subtask, image: "\(subtask)/\(isApart ? "images/" : "")\(picture)")
      }
    }
  }

  /// The reference to a line of LLaVA's file: its prompt without LLaVA's sentence and with the data set's own, behind one space, or two
  /// where the question is so (7 of 2,374).
  func reference(to line: QuestionLine) -> MME.Reference? {
    let question = line.text.replacingScalars(String(PromptSuffix.shortAnswer.dropFirst()), "").pythonStripped
    for space in [" ", "  "] {
      let full = question.holds("Please answer yes or no.") ? question : question + space + "Please answer yes or no."
      if let place = places["\(line.category)/\(Self.stem(line.image))\n\(full)"] { return entries[place].reference }
    }
    return nil
  }

  private mutating func read(_ url: URL, _ subtask: String, image: String) {
    let data: Data
    do {
      data = try Data(contentsOf: url)
    } catch {
      faults.append(RecordFault(file: url.relativePath, line: 1, reason: "cannot be read (\(systemReason(error)))"))
      return
    }
    for (index, line) in String(decoding: data, as: UTF8.self).split(whereSeparator: \.isNewline).enumerated() {
      let record = Record(file: url.relativePath, line: index + 1, value: .null)
      let fields = String(line).partsBetween("\t")
      let answer = fields.count == 2 ? fields[1].pythonStripped : ""
      guard answer == "Yes" || answer == "No" else {
        faults.append(record.fault("it is not a question, a tab, and Yes or No"))
        continue
      }
      places["\(subtask)/\(Self.stem(image))\n\(fields[0])"] = entries.count
      let reference = MME.Reference(question: fields[0], isYes: answer == "Yes")
      entries.append(Entry(subtask: subtask, image: image, reference: reference, record: record))
    }
  }

  /// The files of a folder; none where it is absent, as a part of the subtasks is a data set too.
  private mutating func names(in folder: URL) -> [String] {
    if !FileManager.default.fileExists(atPath: folder.path) { return [] }
    do {
      return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    } catch {
      faults.append(RecordFault(file: folder.relativePath, line: 1, reason: "cannot be read (\(systemReason(error)))"))
      return []
    }
  }

  private static func stem(_ path: String) -> String { URL(filePath: path).deletingPathExtension().lastPathComponent }
}
