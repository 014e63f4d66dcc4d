/// A page of the system's manual about one command, in the language of `man`.
struct ManualPage {
  private let command: CommandDescription
  private let commands: [CommandDescription]

  /// - Parameters:
  ///   - command: what the page is about.
  ///   - commands: those below it, which it lists.
  init(_ command: CommandDescription, commands: [CommandDescription] = []) { (self.command, self.commands) = (command, commands) }

  /// The page's name: `epic-bench-train`.
  var name: String { command.path.replacing(" ", with: "-") }

  /// The page of each command that is shown, by file name.
  static func all() throws -> [String: String] {
    let program = try CommandDescription.program()
    let pages = program.all.map { ManualPage($0, commands: Array($0.all.dropFirst())) }
    return Dictionary(uniqueKeysWithValues: pages.map { ("\($0.name).1", $0.text) })
  }

  /// The page.
  var text: String {
    var lines = [
      ".TH \(name.uppercased()) 1 \"\" \"epic \(Version.number)\" \"Epic\"", ".SH NAME",
      "\(Self.roff(name)) \\- \(Self.roff(command.abstract ?? ""))", ".SH SYNOPSIS", Self.roff(command.usage),
    ]
    if let explanation = command.explanation { lines += [".SH DESCRIPTION"] + explanation.map(Self.roff) }
    if let example = command.example { lines += [".SH EXAMPLE", Self.roff(example)] }
    if !commands.isEmpty {
      lines.append(".SH COMMANDS")
      for command in commands where command.subcommands == nil {
        lines += [".TP", ".B " + Self.roff(command.path), Self.roff(command.abstract ?? "")]
      }
    }
    for section in command.sections {
      lines.append(".SH " + section.title.uppercased())
      for argument in section.arguments { lines += [".TP", ".B " + Self.roff(argument.signature), Self.roff(argument.meaning)] }
    }
    lines += [
      ".SH EXIT STATUS", "0 where it went well, 2 for wrong usage, 1 for a failure. Each error is one line on standard error.",
    ]
    return lines.joined(separator: "\n") + "\n"
  }

  /// Text that `man` shows as it is.
  private static func roff(_ text: String) -> String {
    let escaped = text.replacing("\\", with: "\\e").replacing("-", with: "\\-")
    return escaped.hasPrefix(".") || escaped.hasPrefix("'") ? "\\&" + escaped : escaped
  }
}
