import ArgumentParser
import Basics
import Foundation
import Lab
import Torch

/// Many trainings and evaluations, and what they show.
struct LabCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lab",
    abstract: "Train and evaluate every cell of a grid over bases and seeds, and print means and paired differences.",
    discussion: """
      The YAML file names the data, the checkpoints to start from, what all cells train with, and the cells; Lab/curricula.yaml is one. \
      Each run is epic train and then epic eval, in a folder of its own. Results are added to results.jsonl as they come: the same \
      command goes on where it was stopped or killed, finished runs are not run again, and changed ones are new runs.

      Example: epic lab Lab/nested.yaml --output lab --jobs 2
      """)

  enum Split: String, ExpressibleByArgument, CaseIterable { case tune, test }

  @Argument(help: ArgumentHelp("YAML file of the grid.", valueName: "file"))
  var grid: String

  @Option(help: ArgumentHelp("Folder for runs and results.", valueName: "dir"))
  var output = "lab"

  @Option(help: "Which part of the data is asked: tune to make choices, test to report them.")
  var split = Split.tune

  @Option(help: ArgumentHelp("Only these cells, with commas between them.", valueName: "names"))
  var only: String?

  @Option(help: ArgumentHelp("Only these seeds, with commas between them.", valueName: "list"))
  var seeds: String?

  @Option(help: "Runs at a time.")
  var jobs = 1

  @Option(help: "CPU threads of each run; its share of the cores unless given.")
  var threads: Int?

  @Option(help: "Where to compute: cpu, cuda or cuda:N.")
  var device = "cpu"

  @Flag(help: "Print the tables of what is there and leave.")
  var table = false

  @Flag(help: "Remove a run's checkpoints once it is evaluated; another split then trains it again.")
  var discardCheckpoints = false

  func validate() throws {
    for (name, value) in [("jobs", jobs), ("threads", threads ?? 1)] where !(1...1024).contains(value) {
      throw ValidationError("--\(name) is \(value), expected 1...1024")
    }
    if let seeds { _ = try Self.numbers(seeds) }
    _ = try checkOption("--device") { try Device(name: device) }
  }

  private static func numbers(_ text: String) throws -> [Int] {
    try text.split(separator: ",", omittingEmptySubsequences: false).map { part in
      guard let number = Int(part), number >= 0 else {
        throw ValidationError("--seeds is \(text), expected numbers with commas between them, as in 0,1,2")
      }
      return number
    }
  }

  func run() async throws {
    let file = URL(fileURLWithPath: grid)
    let grid = try LabGrid(contentsOf: file)
    let names = only?.split(separator: ",").map(String.init)
    for name in names ?? [] where !grid.cells.contains(where: { $0.name == name }) {
      let known = grid.cells.map(\.name).joined(separator: ", ")
      throw ValidationError("--only names \(name), which is no cell of the grid; it has \(known)")
    }
    let folder = URL(fileURLWithPath: output, isDirectory: true)
    let share = self.threads ?? max(1, ProcessInfo.processInfo.activeProcessorCount / jobs)
    var work = try LabWork(
      grid, in: folder, split: split.rawValue, threads: share, device: device, discards: discardCheckpoints,
      console: TerminalConsole())
    let runs = grid.runs(only: names, seeds: try seeds.map { try Self.numbers($0) })
    let failures = table ? [] : try await work.run(runs, jobs: jobs)
    let beds = LabTable.beds(grid, try runs.compactMap { try work.result(of: $0) }, split: split.rawValue)
    for (name, found) in beds {
      try printLine(name.map { "\n\($0)\n" } ?? "")
      try printLine(found.text(width: terminalWidth()))
    }
    if !beds.isEmpty {
      let page = folder.appending(path: "\(file.deletingPathExtension().lastPathComponent).\(split.rawValue).md")
      try WholeFile.write(Data(LabTable.markdown(beds).utf8), to: page)
      try printLine("\ntables in   \(page.relativePath)")
      if let figure = LabTable.figure(beds) {
        let drawing = page.deletingPathExtension().appendingPathExtension("svg")
        try figure.write(to: drawing)
        try printLine("drawing in  \(drawing.relativePath)")
      }
    } else if table {
      try printLine("no results yet for the split \(split.rawValue)")
    }
    if !failures.isEmpty {
      throw InputError(description: "\(failures.count) of \(runs.count) runs failed: \(failures.joined(separator: "; "))")
    }
  }
}
