import ArgumentParser
import Foundation

/// A command as the argument parser describes it to programs (`--experimental-dump-help`).
struct CommandDescription: Decodable {
  /// An argument, an option or a flag.
  struct Argument: Decodable {
    struct Name: Decodable {
      let kind, name: String

      /// As it is typed: `--keep`.
      var text: String { (kind == "long" ? "--" : "-") + name }
    }

    let kind: String
    let names: [Name]?
    let valueName, sectionTitle, abstract, discussion, defaultValue: String?
    let allValues: [String]?
    let isOptional, isRepeating, shouldDisplay: Bool

    /// Names and value: `--keep <n>`, or `<dir> ...`.
    var signature: String {
      let value = "<\(valueName ?? "value")>" + (isRepeating && kind == "positional" ? " ..." : "")
      guard let names, !names.isEmpty else { return value }
      return names.map(\.text).joined(separator: ", ") + (kind == "flag" ? "" : " " + value)
    }

    /// What it means, which values it takes, and what it is unless given.
    var meaning: String {
      var parts = [abstract, discussion].compactMap { $0 }
      if kind == "option", let allValues, !allValues.isEmpty { parts.append("One of \(allValues.joined(separator: ", ")).") }
      if kind == "option", let defaultValue, !defaultValue.isEmpty { parts.append("Default: \(defaultValue).") }
      return parts.joined(separator: " ").split(whereSeparator: \.isNewline).joined(separator: " ")
    }
  }

  let commandName: String
  let superCommands: [String]?
  let abstract, discussion: String?
  let shouldDisplay: Bool
  let subcommands: [CommandDescription]?
  let arguments: [Argument]?

  /// How the help's last paragraph begins where it is an example.
  private static let exampleMark = "Example: "

  /// A command line that people can type.
  var example: String? {
    let lines = (discussion ?? "").split(whereSeparator: \.isNewline)
    return lines.last { $0.hasPrefix(Self.exampleMark) }.map { String($0.dropFirst(Self.exampleMark.count)) }
  }

  /// What the help explains, without the example; nil where it explains nothing.
  var explanation: [String]? {
    let lines = (discussion ?? "").split(whereSeparator: \.isNewline).filter { !$0.hasPrefix(Self.exampleMark) }
    return lines.isEmpty ? nil : lines.map(String.init)
  }

  /// All of the name: `epic bench train`.
  var path: String { ((superCommands ?? []) + [commandName]).joined(separator: " ") }

  /// What the command takes, without what every command has.
  var ownArguments: [Argument] {
    (arguments ?? []).filter { argument in
      argument.shouldDisplay && !(argument.names ?? []).contains { ["--help", "--version"].contains($0.text) }
    }
  }

  /// The line that shows how it is used.
  var usage: String {
    let required = ownArguments.filter { !$0.isOptional }.map(\.signature)
    let rest = ownArguments.contains(where: \.isOptional) ? ["[options]"] : []
    return ([path] + (subcommands == nil ? required + rest : ["<command>"])).joined(separator: " ")
  }

  /// Options in the groups of `--help`, in its order.
  var sections: [(title: String, arguments: [Argument])] {
    var sections: [(title: String, arguments: [Argument])] = []
    for argument in ownArguments {
      let title = argument.sectionTitle ?? "Options"
      if let index = sections.firstIndex(where: { $0.title == title }) {
        sections[index].arguments.append(argument)
      } else {
        sections.append((title, [argument]))
      }
    }
    return sections
  }

  /// This command and all below it that are shown, each before its own.
  var all: [CommandDescription] {
    [self] + (subcommands ?? []).filter { $0.shouldDisplay && $0.commandName != "help" }.flatMap(\.all)
  }

  /// The whole program.
  static func program() throws -> CommandDescription {
    struct Tool: Decodable { let command: CommandDescription }
    return try JSONDecoder().decode(Tool.self, from: Data(Epic._dumpHelp().utf8)).command
  }
}
