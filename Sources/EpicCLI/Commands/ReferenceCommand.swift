import ArgumentParser
import Basics
import Foundation

/// Writes what can be said of the program by itself; `make reference` and `make install` use it.
struct ReferenceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reference",
    abstract: "Write the reference pages of the documentation, or the manual pages.", shouldDisplay: false)

  @Option(help: ArgumentHelp("Folder for the pages of the documentation, as Markdown.", valueName: "dir"))
  var output: String?

  @Option(help: ArgumentHelp("Folder for the manual pages, one of each command.", valueName: "dir"))
  var manual: String?

  func validate() throws {
    if output == nil, manual == nil { throw ValidationError("--output or --manual is missing") }
  }

  func run() throws {
    if let output { try Self.write(try ReferencePages.all(), into: output) }
    if let manual { try Self.write(try ManualPage.all(), into: manual) }
  }

  private static func write(_ files: [String: String], into folder: String) throws {
    let folder = URL(fileURLWithPath: folder)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    for (name, text) in files.sorted(by: { $0.key < $1.key }) {
      try WholeFile.write(Data(text.utf8), to: folder.appending(path: name))
    }
  }
}
