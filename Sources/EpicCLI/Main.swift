import ArgumentParser
import Foundation

/// The `epic` command.
struct Epic: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "epic",
    abstract: "Run vision-language models that see with fewer visual tokens.",
    version: Version.text,
    subcommands: [Generate.self, Chat.self, Inspect.self, Convert.self, Bench.self, Init.self])
}

/// Parses, runs, and turns every error into one line: exit code 2 for wrong usage, 1 for a failure.
@main
enum Main {
  static func main() async {
    // A reader that went away (`epic ... | head`) is no reason to die with a signal.
    signal(SIGPIPE, SIG_IGN)
    do {
      var command = try Epic.parseAsRoot()
      if var command = command as? any AsyncParsableCommand {
        try await command.run()
      } else {
        try command.run()
      }
    } catch {
      exit(report(error))
    }
  }

  private static func report(_ error: any Error) -> Int32 {
    switch Epic.exitCode(for: error) {
    case .success:
      print(Epic.fullMessage(for: error))
      return 0
    case .validationFailure:
      let help = Epic.fullMessage(for: error).contains("epic help") ? "" : usageHint(error)
      printError("epic: \(oneLine(Epic.message(for: error)))\(help)")
      return 2
    default:
      if let code = error as? ExitCode { return code.rawValue }
      printError("epic: \(oneLine(describe(error)))")
      return 1
    }
  }

  /// Names the command whose help tells more.
  private static func usageHint(_ error: any Error) -> String {
    let words = CommandLine.arguments.dropFirst().prefix { !$0.hasPrefix("-") }
    let known = Set(Epic.configuration.subcommands.map { $0._commandName })
    let command = words.first.map { known.contains($0) ? " " + $0 : "" } ?? ""
    return " (see: epic\(command) --help)"
  }
}

/// One sentence for an error: its own description, or the system's for errors of Foundation.
func describe(_ error: any Error) -> String {
  type(of: error) is NSError.Type || error is CocoaError ? error.localizedDescription : "\(error)"
}

func oneLine(_ text: String) -> String {
  text.split(whereSeparator: \.isNewline).joined(separator: " ")
}

func printError(_ line: String) {
  FileHandle.standardError.write(Data((line + "\n").utf8))
}
