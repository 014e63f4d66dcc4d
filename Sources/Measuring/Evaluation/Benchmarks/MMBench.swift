import Foundation

/// MMBench (English), dev set of July 2023: 1,176 multiple-choice questions, each also with its options rotated.
///
/// The score is circular accuracy: a question is right only if every copy is. "Vanilla" accuracy, on the copies that are not rotated,
/// lies almost 8 points higher and is a figure beside it.
enum MMBench {
  static let definition = definition(
    name: "mmbench", title: "MMBench", file: "mmbench_dev_20230712", folders: ["mmbench"], suffix: PromptSuffix.optionLetter)

  /// A benchmark of this layout and scoring.
  static func definition(name: String, title: String, file: String, folders: [String], suffix: String) -> BenchmarkDefinition {
    BenchmarkDefinition(
      name: name, title: title, splits: ["dev"], scorers: ["exact", "vlmevalkit", "lmms-eval"], maximumNewTokens: 1024,
      originalMissing: .aborts
    ) { source in
      let paths = folders.map { "\($0)/\(file).tsv" }
      let places = BenchmarkFile(
        paths: paths, origin: "https://download.openmmlab.com/mmclassification/datasets/mmbench/\(file).tsv")
      let table = try TabTable(source.locate(places))
      try table.require(["index", "question", "A", "B", "answer", "image"])
      return Benchmark(source, try read(table, suffix: suffix), tally: tally) { [upload($0, table, name: "\(file).xlsx")] }
    }
  }

  struct Reference: Sendable {
    var gold: String
    var options: [String]
    var category, level2: String
    /// The row in the table.
    var row: Int
  }

  /// Rotated copies have the index of their question and a multiple of this.
  private static let copies = 1_000_000

  private static func read(_ table: TabTable, suffix: String) throws -> QuestionList<Reference> {
    var list = QuestionList<Reference>()
    let rowOfIndex = Dictionary(table.rows.indices.map { (table.text(table.rows[$0], "index"), $0) }) { first, _ in first }
    var keys: [ArraySlice<UInt8>: String] = [:]
    for (place, row) in table.rows.enumerated() {
      func cell(_ column: String) -> String? {
        let text = table.text(row, column)
        return isMissing(text) ? nil : text
      }
      let record = Record(file: table.path, line: row.line, value: .null)
      do {
        guard let index = Int(table.text(row, "index").pythonStripped) else { throw record.fault("index is no whole number") }
        guard let question = cell("question") else { throw record.fault("it has no question") }
        var options: [String] = []
        for letter in ["A", "B", "C", "D"] {
          // The list ends at the first missing option.
          guard let option = cell(letter) else { break }
          options.append(option)
        }
        guard let gold = cell("answer"), let letter = gold.utf8.first, gold.utf8.count == 1, (65...68).contains(letter) else {
          throw record.fault("answer is \"\(table.text(row, "answer").prefix(20))\" where a letter A to D belongs")
        }
        var image = table.bytes(row, "image")
        if image.count <= 64, let other = rowOfIndex[String(decoding: image, as: UTF8.self)] {
          image = table.bytes(table.rows[other], "image")
        }
        if image.count <= 64 { throw record.fault("image is neither base64 nor the index of another row") }
        let key = keys[image] ?? "\(table.path):\(row.line)"
        keys[image] = key
        let lines = options.enumerated().map { "\n\(AnswerFile.letter($0)). \($1)" }
        let prompt = (cell("hint").map { $0 + "\n" } ?? "") + question + lines.joined()
        let category = cell("category") ?? "other"
        let item = Question(
          id: String(index), fileID: .number(index), image: QuestionImage(key: key, base64: image), prompt: prompt + suffix,
          recordedPrompt: prompt, category: category, group: String(index % copies), options: options)
        let reference = Reference(
          gold: gold, options: options, category: category, level2: cell("l2-category") ?? "other", row: place)
        try list.add(item, reference, at: record)
      } catch let fault as RecordFault {
        list.faults.append(fault)
      }
    }
    return list
  }

  /// Whether a cell is taken for empty.
  ///
  /// What pandas reads as missing, and LLaVA's own nan and none in any case: an option whose text is "None" ends the list of options.
  static func isMissing(_ text: String) -> Bool {
    missing.contains(text) || text.lowercased() == "nan" || text.lowercased() == "none"
  }

  private static let missing: Set = [
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA", "NULL", "NaN",
    "None", "n/a", "nan", "null",
  ]

  /// The letter that an answer means: the stripped answer itself, or what one of the tools extracts; nil where it fails.
  static func parse(_ answer: String, _ options: [String], scorer: String) -> String? {
    let lettered = options.enumerated().map { (letter: AnswerFile.letter($0), text: $1) }
    return switch scorer {
    case "vlmevalkit": OptionLetter.vlmevalkit(answer, options: lettered)
    case "lmms-eval": OptionLetter.lmmsEval(answer, options: lettered)
    default: answer.pythonStripped
    }
  }

  static func tally(_ answered: [Answered<Reference>], scorer: String) -> Tally {
    let samples = answered.map { item in
      let parsed = parse(item.answer, item.reference.options, scorer: scorer)
      return item.sample(parsed == item.reference.gold ? 1 : 0, parsed: parsed ?? "FAILED")
    }
    let pairs = Array(zip(answered, samples))
    let groups = Dictionary(grouping: pairs) { $0.0.question.group }
    var units: [BenchmarkScore.Unit] = []
    var parts: [(name: String, value: Double)] = []
    var seen: Set<String> = []
    for (item, sample) in pairs where seen.insert(item.question.group).inserted {
      let isRight = groups[item.question.group, default: []].allSatisfy { $0.1.value == 1 }
      let unit = BenchmarkScore.Unit(
        id: item.question.group, value: isRight ? 1 : 0, cluster: sample.image ?? item.question.group)
      units.append(unit)
      parts.append((name: "category/\(item.reference.category)", value: unit.value))
      parts.append((name: "l2-category/\(item.reference.level2)", value: unit.value))
    }
    let base = pairs.filter { $0.0.question.id == $0.0.question.group }.map { (name: "vanilla", value: $0.1.value) }
    let all = samples.map { (name: "all rows", value: $0.value) }
    return Tally(
      samples: samples, strata: [BenchmarkScore.Stratum(name: "questions", weight: 100, units: units)],
      figures: percentages(base) + percentages(all) + percentages(parts))
  }

  /// The table without pictures and hints, the predictions as its seventh column, as LLaVA's script makes it.
  ///
  /// The server finds the letters itself, so answers go in as they are.
  private static func upload(_ answered: [Answered<Reference>], _ table: TabTable, name: String) -> ExportedFile {
    let dropped: Set = ["hint", "category", "source", "image", "comment", "l2-category"]
    var columns = table.columns.filter { !dropped.contains($0) }
    columns.insert("prediction", at: min(6, columns.count))
    let rows = answered.map { item -> [Spreadsheet.Cell] in
      columns.map { column in
        if column == "prediction" { return item.given.map(Spreadsheet.Cell.text) ?? .empty }
        let text = table.text(table.rows[item.reference.row], column)
        if column == "index", let index = Int(text) { return .number(index) }
        return isMissing(text) ? .empty : .text(text)
      }
    }
    return ExportedFile(name: name, contents: Spreadsheet(rows: [columns.map(Spreadsheet.Cell.text)] + rows).data)
  }
}
