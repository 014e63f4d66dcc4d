import ChatProtocol
import Serving
import Training

/// Pages of the documentation that are made from the code.
enum ReferencePages {
  /// What stands under each title, so that nobody writes into these files.
  private static let note = "This page is made by `make reference` from the program itself. Do not edit it."

  /// Files by name.
  static func all() throws -> [String: String] {
    [
      "CommandReference.md": commands(try CommandDescription.program()), "ConfigurationReference.md": try configuration(),
      "RequestReference.md": requests(), "MetricsReference.md": metrics(),
    ]
  }

  private static func commands(_ program: CommandDescription) -> String {
    var lines = ["# All commands", "", note, "", "Every command also takes `--help` and `--version`.", ""]
    for command in program.all.dropFirst() {
      lines += ["## \(command.path)", "", markdown(command.abstract ?? ""), "", "`\(command.usage)`", ""]
      if let explanation = command.explanation { lines += [markdown(explanation.joined(separator: " ")), ""] }
      if let example = command.example { lines += ["```sh", example, "```", ""] }
      for section in command.sections {
        lines += table(
          [section.title.prefix(1).uppercased() + section.title.dropFirst(), "what it does"],
          section.arguments.map { ["`\($0.signature)`", markdown($0.meaning)] })
      }
    }
    return page(lines)
  }

  private static func configuration() throws -> String {
    let defaults = try TrainingConfiguration(contentsOf: nil)
    var lines = [
      "# All keys of a training run", "", note, "",
      "A key stands in the YAML file of `epic train --config`, where `batch.samples` is `samples` in the section `batch`, or behind `--set`.",
      "",
    ]
    lines += table(
      ["key", "default", "what it does"],
      ConfigurationKey.all.map { key in
        let value = key.value(in: defaults)
        return ["`\(key.path)`", ["", "null", "''", "\"\""].contains(value) ? "" : "`\(value)`", markdown(key.help)]
      })
    return page(lines)
  }

  private static func requests() -> String {
    var lines = [
      "# All fields of a request", "", note, "",
      "These are the fields of the JSON body of `POST /v1/chat/completions`. Other fields that would change an answer are refused by name.",
      "",
    ]
    lines += table(
      ["field", "value", "what it does"], RequestField.all.map { ["`\($0.path)`", markdown($0.type), markdown($0.meaning)] })
    return page(lines)
  }

  private static func metrics() -> String {
    var lines = [
      "# All metrics", "", note, "", "## Of a server", "", "`GET /metrics` gives them in the text format of Prometheus.", "",
    ]
    lines += table(
      ["metric", "what it is"], ServedMetric.descriptions.sorted { $0.key < $1.key }.map { ["`\($0.key)`", markdown($0.value)] })
    lines += ["## Of a training step", "", "A line of `metrics.jsonl` is a JSON object with these fields.", ""]
    lines += table(["field", "what it is"], StepRecord.fields.map { ["`\($0.name)`", markdown($0.meaning)] })
    return page(lines)
  }

  private static func page(_ lines: [String]) -> String {
    lines.joined(separator: "\n").trimmingSuffix("\n") + "\n"
  }

  private static func table(_ head: [String], _ rows: [[String]]) -> [String] {
    let lines = [head, head.map { _ in "---" }] + rows.map { $0.map { $0.replacing("|", with: "\\|") } }
    return lines.map { "| " + $0.joined(separator: " | ") + " |" } + [""]
  }

  /// Text whose characters mean nothing to Markdown, but for code between backticks; names of options become code.
  static func markdown(_ text: String) -> String {
    let marked = pieces(text) { $0.replacing(/--[a-z][a-z0-9-]*/) { "`\($0.0)`" } }
    return pieces(marked) { $0.reduce(into: "") { $0 += "\\*_<>[]#~".contains($1) ? "\\\($1)" : "\($1)" } }
  }

  /// A text whose pieces outside of backticks are changed.
  private static func pieces(_ text: String, _ change: (String) -> String) -> String {
    text.split(separator: "`", omittingEmptySubsequences: false).enumerated().map { index, piece in
      index % 2 == 1 ? "`\(piece)`" : change(String(piece))
    }.joined()
  }
}

extension String {
  fileprivate func trimmingSuffix(_ suffix: String) -> String {
    var text = self[...]
    while text.hasSuffix(suffix) { text = text.dropLast(suffix.count) }
    return String(text)
  }
}
