import ArgumentParser
import Foundation
import Results

/// The table and the report out of results that are there.
struct ReportCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Make the tables and the HTML report of evaluations, training runs and pictures, without a model.",
    discussion: """
      Models of several evaluations stand side by side, and beside the first one with their differences to it; of results of one model \
      that are in several, the last counts. Writes report.html, and of evaluations table.md, table.csv and results.json.

      Example: epic report evaluation-before evaluation-after run --output report
      """)

  @Argument(help: ArgumentHelp("Output folders of epic eval and epic train, and the pictures of epic demo.", valueName: "dir"))
  var folders: [String]

  @Option(help: ArgumentHelp("Where to write; the first folder unless given.", valueName: "dir"))
  var output: String?

  @Option(
    help: ArgumentHelp("The benchmarks' folder, to pair differences between models question by question.", valueName: "dir"))
  var data: String?

  @Flag(help: "Print one JSON object, what results.json holds.")
  var json = false

  func run() async throws {
    let place = URL(fileURLWithPath: output ?? folders[0])
    let contents = try waiting(for: "writing \(place.relativePath)") {
      let contents = try ReportContents(
        from: folders.map { URL(fileURLWithPath: $0) }, data: data.map { URL(fileURLWithPath: $0) })
      try contents.write(into: place)
      return contents
    }
    if json { return try printJSON(contents.results) }
    if let comparison = contents.comparison {
      try printLine(comparison.table.text(width: terminalWidth()))
      if let summary = comparison.summary { try printLine("\n\(summary)") }
    } else if !contents.results.models.isEmpty {
      try printLine(ResultTable(contents.results).text(width: terminalWidth()))
    }
    // A single run beside its evaluations has nothing to be compared with.
    if contents.trainings.count > 1 || contents.results.models.isEmpty && !contents.trainings.isEmpty {
      try printLine(TrainingLog.table(contents.trainings).text(width: terminalWidth()))
    }
    try printLine("\nresults in  \(place.appending(path: ResultsPage.fileName).relativePath)")
  }
}
