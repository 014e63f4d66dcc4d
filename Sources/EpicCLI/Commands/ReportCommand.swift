import ArgumentParser
import Foundation
import Results

/// The table and the report out of results that are there.
struct ReportCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Make the table and the HTML report of evaluations from their results, without a model.",
    discussion: """
      Models of several folders stand side by side; of results of one model that are in several, the last counts. Writes report.html, \
      table.md, table.csv and results.json.
      """)

  @Argument(help: ArgumentHelp("Output folders of epic eval.", valueName: "dir"))
  var folders: [String]

  @Option(help: ArgumentHelp("Where to write; the first folder unless given.", valueName: "dir"))
  var output: String?

  @Flag(help: "Print one JSON object, what results.json holds.")
  var json = false

  func run() async throws {
    let results = EvaluationResults(merging: try folders.map { try EvaluationResults(from: URL(fileURLWithPath: $0)) })
    let place = URL(fileURLWithPath: output ?? folders[0])
    try results.write(into: place)
    if json { return try printJSON(results) }
    try printLine(ResultTable(results).text(width: terminalWidth()))
    try printLine("\nresults in  \(place.appending(path: ResultsPage.fileName).relativePath)")
  }
}
