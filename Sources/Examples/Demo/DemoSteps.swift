import Basics
import Foundation
import Programs

/// What is known of a demonstration between two runs of it: `demo.json`.
struct DemoState: Codable, Equatable {
  /// The options that change results, as flags.
  var options: [String]
  /// What each finished step took, in seconds, by its name.
  var seconds: [String: Double] = [:]

  static let fileName = "demo.json"

  /// Reads a folder's state, or makes folder and state.
  ///
  /// - Throws: `DemoError`.
  static func open(_ folder: URL, command: String = "demo", options: [String]) throws -> DemoState {
    let url = folder.appending(path: fileName)
    let files = FileManager.default
    if files.fileExists(atPath: url.path) {
      let data = try demoFile(url) { try Data(contentsOf: $0) }
      let state: DemoState
      do {
        state = try JSONDecoder().decode(DemoState.self, from: data)
      } catch is DecodingError {
        throw DemoError.foreign(folder: folder.relativePath)
      }
      if state.options != options {
        throw DemoError.otherOptions(folder: folder.relativePath, found: shellLine(["epic", command] + state.options))
      }
      return state
    }
    if files.fileExists(atPath: folder.path) {
      guard isFolder(folder) else { throw DemoError.foreign(folder: folder.relativePath) }
      let old = try demoFile(folder) { try files.contentsOfDirectory(atPath: $0.path) }
      if old.contains(where: { !$0.hasPrefix(".") }) { throw DemoError.foreign(folder: folder.relativePath) }
    }
    let state = DemoState(options: options)
    try state.write(to: folder)
    return state
  }

  private static func isFolder(_ url: URL) -> Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder) && isFolder.boolValue
  }

  /// - Throws: `DemoError.unusable`.
  func write(to folder: URL) throws {
    try demoFile(folder.appending(path: Self.fileName)) { url in
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      try jsonData(isPretty: true).write(to: url, options: .atomic)
    }
  }
}

/// Steps of a demonstration one after the other: what is finished is not done again, and how long the rest will take is said before each.
struct DemoSteps {
  /// A step.
  struct Step {
    /// The name in `demo.json`.
    let name: String
    /// What people read.
    let title: String
    /// Seconds on two cores, about.
    let estimate: Double
    /// Done again each time, as the report, which is what one wants to see.
    var isRepeated = false
    /// Does it; false where it was asked to stop.
    let work: () async throws -> Bool
  }

  private let folder: DemoFolder
  private var state: DemoState
  private let start = ContinuousClock.now

  init(in folder: DemoFolder, _ state: DemoState) {
    self.folder = folder
    self.state = state
  }

  /// Runs all steps.
  ///
  /// - Returns: each with the seconds that it took; nil where it was asked to stop, which is said.
  mutating func run(_ steps: [Step]) async throws -> [(title: String, seconds: Double)]? {
    var pace = 1.0
    for (index, step) in steps.enumerated() {
      let number = "[\(index + 1)/\(steps.count)] \(step.title)"
      if !step.isRepeated, let seconds = state.seconds[step.name] {
        try folder.console.line("\(number): done before, in \(formatDuration(seconds))")
        continue
      }
      let left = steps[index...].filter { state.seconds[$0.name] == nil }.reduce(0) { $0 + $1.estimate } * pace
      let spent = (ContinuousClock.now - start) / .seconds(1)
      try folder.console.line("\n\(number) · \(formatDuration(spent)) so far, about \(formatDuration(left)) left")
      let begin = ContinuousClock.now
      if try await !step.work() {
        try folder.console.line("\nstopped     what is done is kept; the same command goes on")
        return nil
      }
      state.seconds[step.name] = (ContinuousClock.now - begin) / .seconds(1)
      try state.write(to: folder.url)
      // This machine's pace, from all that it has done so far; a few short steps tell little.
      let done = steps.filter { state.seconds[$0.name] != nil }
      let (taken, expected) = done.reduce(into: (0.0, 0.0)) { $0 = ($0.0 + (state.seconds[$1.name] ?? 0), $0.1 + $1.estimate) }
      pace = (taken + 20) / (expected + 20)
    }
    return steps.compactMap { step in state.seconds[step.name].map { (step.title, $0) } }
  }
}
