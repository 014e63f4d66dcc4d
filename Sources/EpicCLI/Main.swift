import ArgumentParser
import Foundation

/// The `epic` command.
struct Epic: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "epic",
    abstract: "Run vision-language models that see with fewer visual tokens.",
    version: Version.text,
    subcommands: [
      Generate.self, Chat.self, PullCommand.self, Inspect.self, Convert.self, Profile.self, CurriculumCommand.self,
      DataCommand.self,
      Train.self, AdaptCommand.self,
      Eval.self, FitCommand.self, ReportCommand.self, Serve.self, DemoCommand.self, LabCommand.self, Bench.self, Init.self,
      AlignCommand.self,
      BaseCommand.self,
    ])
}

/// Parses, runs, and turns every error into one line: exit code 2 for wrong usage, 1 for a failure.
@main
enum Main {
  static func main() async {
    // A reader that went away (`epic ... | head`) is no reason to die with a signal.
    signal(SIGPIPE, SIG_IGN)
    do {
      try requireUTF8Arguments()
      let arguments = joiningNegativeNumbers(Array(CommandLine.arguments.dropFirst()))
      try requireKnownCommand(arguments)
      var command = try Epic.parseAsRoot(arguments)
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
    // Who closed the output has what it wanted.
    if case OutputError.closed = error { return 0 }
    switch Epic.exitCode(for: error) {
    case .success:
      print(Epic.fullMessage(for: error))
      return 0
    case .validationFailure:
      printError("epic: \(oneLine(Epic.message(for: error))) (see: epic\(commandPath()) --help)")
      return 2
    default:
      if let code = error as? ExitCode { return code.rawValue }
      printError("epic: \(oneLine(describe(error)))")
      return 1
    }
  }

  /// Names the command whose help tells more: ` bench generate`, or nothing for the program itself.
  private static func commandPath() -> String {
    var path = ""
    var known = Epic.configuration.subcommands
    for word in CommandLine.arguments.dropFirst() {
      guard let command = known.first(where: { $0._commandName == word }) else { break }
      path += " " + word
      known = command.configuration.subcommands
    }
    return path
  }

  /// `--temperature -1` as `--temperature=-1`: no option is called -1, and the parser would take it for one and miss the value.
  static func joiningNegativeNumbers(_ arguments: [String]) -> [String] {
    var joined: [String] = []
    var isOption = false
    for argument in arguments {
      if isOption, argument.hasPrefix("-"), Double(argument) != nil, let option = joined.popLast() {
        joined.append("\(option)=\(argument)")
        isOption = false
      } else {
        joined.append(argument)
        isOption = argument.hasPrefix("--") && argument.count > 2 && !argument.contains("=")
      }
    }
    return joined
  }

  /// A word that is no command is what is wrong, whatever follows it.
  private static func requireKnownCommand(_ arguments: [String]) throws {
    let known = Epic.configuration.subcommands.map { $0._commandName }
    guard let word = arguments.first, !word.hasPrefix("-"), word != "help", !known.contains(word) else { return }
    throw ValidationError("there is no command \(word); commands are \(known.joined(separator: ", "))")
  }

  /// Swift replaces broken characters in arguments, which would change a prompt or a file name without a word.
  private static func requireUTF8Arguments() throws {
    let arguments = UnsafeBufferPointer(start: CommandLine.unsafeArgv, count: Int(CommandLine.argc))
    for (index, argument) in arguments.enumerated() {
      guard let argument, String(validatingCString: argument) == nil else { continue }
      throw ValidationError("argument \(index) is not valid UTF-8: \"\(String(cString: argument))\"")
    }
  }
}
