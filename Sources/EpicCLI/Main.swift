import ArgumentParser
import Foundation

/// The `epic` command.
struct Epic: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "epic",
    abstract: "Run vision-language models that see with fewer visual tokens.",
    version: Version.text,
    groupedSubcommands: [
      CommandGroup(name: "Answer questions", subcommands: [Generate.self, Chat.self, Watch.self, Serve.self]),
      CommandGroup(name: "Get and change checkpoints", subcommands: [PullCommand.self, Inspect.self, Convert.self, Init.self]),
      CommandGroup(
        name: "Choose what to do", subcommands: [Profile.self, CurriculumCommand.self, PlanCommand.self, FitCommand.self]),
      CommandGroup(name: "Train", subcommands: [DataCommand.self, Train.self, AdaptCommand.self]),
      CommandGroup(name: "Measure", subcommands: [Eval.self, StabilityCommand.self, ReportCommand.self, Bench.self]),
      CommandGroup(
        name: "See it work", subcommands: [DemoCommand.self, LabCommand.self, BaseCommand.self, AlignCommand.self]),
      CommandGroup(name: "About this program", subcommands: [DoctorCommand.self, ReferenceCommand.self]),
    ])
}

@main
enum Main {
  static func main() async {
    // A reader that went away (`epic ... | head`) is no reason to die with a signal.
    signal(SIGPIPE, SIG_IGN)
    let arguments = Array(CommandLine.arguments.dropFirst())
    let ending: Ending
    do {
      try requireUTF8Arguments()
      ending = await run(arguments)
    } catch {
      ending = Ending(error, arguments)
    }
    if let text = ending.text { print(text) }
    if let line = ending.line { printError(line) }
    exit(ending.code)
  }

  /// How a command ended.
  struct Ending {
    /// The program's exit code: 0, 2 for wrong usage, 1 for a failure.
    let code: Int32
    /// What was asked for in place of a run: help, or the version.
    var text: String?
    /// What is said of an error.
    var line: String?
  }

  /// Parses and runs what the program is asked to do; every error becomes one line.
  static func run(_ arguments: [String]) async -> Ending {
    do {
      let joined = joiningNegativeNumbers(arguments)
      try requireKnownCommand(joined)
      var command = try Epic.parseAsRoot(joined)
      if var command = command as? any AsyncParsableCommand {
        try await command.run()
      } else {
        try command.run()
      }
      return Ending(code: 0)
    } catch {
      return Ending(error, arguments)
    }
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
    let commands = Epic.configuration.subcommands
    guard let word = arguments.first, !word.hasPrefix("-"), word != "help",
      !commands.contains(where: { $0._commandName == word })
    else { return }
    let known = commands.filter { $0.configuration.shouldDisplay }.map { $0._commandName }
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

extension Main.Ending {
  init(_ error: any Error, _ arguments: [String]) {
    // Who closed the output has what it wanted.
    if case OutputError.closed = error {
      self.init(code: 0)
      return
    }
    switch Epic.exitCode(for: error) {
    case .success:
      self.init(code: 0, text: Epic.fullMessage(for: error))
    case .validationFailure:
      let message = oneLine(Epic.message(for: error))
      self.init(code: 2, line: "epic: \(message) (see: epic\(Self.path(of: arguments)) --help)")
    default:
      let code = error as? ExitCode
      self.init(code: code?.rawValue ?? 1, line: code == nil ? "epic: \(oneLine(describe(error)))" : nil)
    }
  }

  /// Names the command whose help tells more: ` bench generate`, or nothing for the program itself.
  private static func path(of arguments: [String]) -> String {
    var path = ""
    var known = Epic.configuration.subcommands
    for word in arguments {
      guard let command = known.first(where: { $0._commandName == word }) else { break }
      path += " " + word
      known = command.configuration.subcommands
    }
    return path
  }
}
