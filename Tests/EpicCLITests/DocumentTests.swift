import ArgumentParser
import Foundation
import TestSupport
import Testing
import Training

@testable import EpicCLI

/// What documents say can be done: links lead somewhere, commands and keys exist, and pages made from the code are up to date.
@Suite struct DocumentTests {
  private static let documents = Result { try Document.all() }

  private func documents() throws -> [Document] { try Self.documents.get() }

  @Test func theReadmeIsShort() throws {
    let readme = try Document("README.md")
    #expect(readme.lines.count - 1 <= 150)
    // The command that runs the tests is named there, and is what the automatic check runs.
    #expect(readme.blocks.contains { $0.lines.contains { $0.hasPrefix("make test") } })
    #expect(try String(contentsOf: Document.root.appending(path: ".ci/run"), encoding: .utf8).contains("make test"))
  }

  @Test func linksLeadSomewhere() throws {
    let all = try documents()
    #expect(all.count > 20)
    let anchors = Dictionary(uniqueKeysWithValues: all.map { ($0.path, $0.anchors) })
    var count = 0
    for document in all {
      let folder = Document.root.appending(path: document.path).deletingLastPathComponent()
      for link in document.links where !link.target.contains("://") && !link.target.hasPrefix("mailto:") {
        count += 1
        let parts = link.target.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let file = parts[0].isEmpty ? Document.root.appending(path: document.path) : folder.appending(path: parts[0])
        let place = "\(document.path):\(link.line): \(link.target)"
        #expect(FileManager.default.fileExists(atPath: file.path), "no such file: \(place)")
        guard parts.count == 2 else { continue }
        let path = String(file.standardizedFileURL.path.dropFirst(Document.root.path.count + 1))
        #expect(anchors[path]?.contains(parts[1]) == true, "no such heading: \(place)")
      }
    }
    #expect(count > 100)
  }

  /// Every page can be reached from the README by links.
  @Test func everyPageCanBeReached() throws {
    let all = Dictionary(uniqueKeysWithValues: try documents().map { ($0.path, $0) })
    var (reached, waiting) = (Set<String>(), ["README.md"])
    while let path = waiting.popLast() {
      guard reached.insert(path).inserted, let document = all[path] else { continue }
      let folder = Document.root.appending(path: path).deletingLastPathComponent()
      for link in document.links where !link.target.contains("://") {
        let file = folder.appending(path: link.target.split(separator: "#").first.map(String.init) ?? "").standardizedFileURL
        waiting.append(String(file.path.dropFirst(Document.root.path.count + 1)))
      }
    }
    #expect(Set(all.keys).subtracting(reached) == [])
  }

  /// Every `epic` command in a block of code is one that the program would begin to run.
  @Test func commandsParse() throws {
    var count = 0
    for document in try documents() {
      for block in document.blocks {
        for words in ShellLine.commands(in: block.lines) {
          guard let start = words.firstIndex(of: "epic") else { continue }
          let arguments = Array(words[(start + 1)...])
          let place = "\(document.path):\(block.line): epic \(arguments.joined(separator: " "))"
          #expect(!arguments.contains("…"), "nobody can type \(place)")
          count += 1
          // The whole program's parser looks through all commands each time, so each command parses its own.
          var (command, rest) = (Epic.self as any ParsableCommand.Type, arguments[...])
          while let next = command.configuration.subcommands.first(where: { $0._commandName == rest.first }) {
            command = next
            rest.removeFirst()
          }
          do {
            _ = try command.parseAsRoot(Main.joiningNegativeNumbers(Array(rest)))
          } catch {
            // Asking for help is fine.
            if command.exitCode(for: error) != .success { Issue.record("\(place): \(command.message(for: error))") }
          }
        }
      }
    }
    #expect(count > 80)
  }

  /// The help of each command ends with a command line that can be typed; `commandsParse` reads it in the reference.
  @Test func everyCommandHasAnExample() throws {
    let commands = try CommandDescription.program().all.filter { $0.subcommands == nil }
    #expect(commands.count > 20)
    for command in commands {
      let example = try #require(command.example, "\(command.path) has no example")
      #expect(example == command.path || example.hasPrefix(command.path + " "), "\(example)")
    }
  }

  /// Commands and options that are named in the text exist.
  @Test func namedOptionsExist() throws {
    let commands = try CommandDescription.program().all
    let known = Set(commands.flatMap { ($0.arguments ?? []).flatMap { ($0.names ?? []).map(\.text) } })
    let paths = Set(commands.map(\.path))
    var count = 0
    for document in try documents() {
      for span in document.codeSpans where span.text.hasPrefix("epic ") {
        let words = span.text.split(separator: " ").map(String.init)
        let path = words.prefix { $0.wholeMatch(of: /[a-z]+/) != nil }
        let isKnown = (1...max(1, path.count)).contains { $0 > 1 && paths.contains(path.prefix($0).joined(separator: " ")) }
        #expect(isKnown || path.count == 1, "\(document.path):\(span.line): no command \(span.text)")
        for word in words where word.hasPrefix("--") {
          let name = String(word.prefix { $0 != "=" })
          #expect(known.contains(name), "\(document.path):\(span.line): no option \(name) in \(span.text)")
          count += 1
        }
      }
    }
    #expect(count > 20)
  }

  /// Blocks of YAML and values behind `--set` are read as `epic train` reads them.
  @Test func keysExist() throws {
    let scratch = try Scratch()
    var count = 0
    for document in try documents() {
      for block in document.blocks where block.language == "yaml" {
        let file = scratch.url.appending(path: "run.yaml")
        try Data(block.lines.joined(separator: "\n").utf8).write(to: file)
        do {
          _ = try TrainingConfiguration(contentsOf: file)
        } catch {
          Issue.record("\(document.path):\(block.line): \(error)")
        }
        count += 1
      }
      let sections = Set(ConfigurationKey.all.compactMap { $0.path.split(separator: ".").dropLast().first.map(String.init) })
      for span in document.codeSpans {
        // `batch.samples` and `batch.samples=4`; a name with a capital letter or a slash is something else.
        guard let match = span.text.wholeMatch(of: /([a-z]+)\.([a-z-]+)(=.*|: .*)?/), sections.contains(String(match.1)),
          !span.text.hasSuffix(".json"), !span.text.hasSuffix(".jsonl"), !span.text.hasSuffix(".yaml")
        else { continue }
        let path = "\(match.1).\(match.2)"
        count += 1
        #expect(
          ConfigurationKey.all.contains { $0.path == path || $0.path.hasPrefix(path + ".") },
          "\(document.path):\(span.line): no key \(path)")
      }
    }
    #expect(count > 30)
  }

  /// `make` targets that documents name are in the Makefile.
  @Test func targetsExist() throws {
    let makefile = try String(contentsOf: Document.root.appending(path: "Makefile"), encoding: .utf8)
    let rules = makefile.matches(of: try Regex(#"^([a-z-]+):"#).anchorsMatchLineEndings())
    let targets = Set(rules.compactMap { $0.output[1].substring })
    for document in try documents() {
      let blocks = document.blocks.flatMap { block in block.lines.map { (block.line, $0) } }
      let lines = blocks + document.codeSpans.map { ($0.line, $0.text) }
      for (number, line) in lines {
        guard let match = line.wholeMatch(of: /(?:\$ )?make ([a-z-]+)(?: .*)?/) else { continue }
        #expect(targets.contains(match.1), "\(document.path):\(number): make \(match.1)")
      }
    }
  }

  /// The reference is what the program writes now.
  @Test func theReferenceIsUpToDate() throws {
    for (name, text) in try ReferencePages.all() {
      let file = Document.root.appending(path: "Documentation/Epic.docc/\(name)")
      let found = try? String(contentsOf: file, encoding: .utf8)
      #expect(found == text, "\(name) is not what the program writes now; run make reference")
    }
  }

  /// Pages of the manual say all that `--help` says, in a form that `man` reads: no line of text begins with one of its own characters.
  @Test func everyCommandHasAManualPage() throws {
    let commands = try CommandDescription.program().all
    let pages = try ManualPage.all()
    #expect(pages.keys.sorted() == commands.map { $0.path.replacing(" ", with: "-") + ".1" }.sorted())
    for command in commands {
      let page = try #require(pages[command.path.replacing(" ", with: "-") + ".1"])
      for argument in command.ownArguments {
        for name in argument.names ?? [] { #expect(page.contains(name.text.replacing("-", with: "\\-")), "\(name.text)") }
      }
      for line in page.split(separator: "\n") where line.hasPrefix(".") {
        #expect([".TH", ".SH", ".TP", ".B"].contains { line == $0 || line.hasPrefix($0 + " ") }, "\(line)")
      }
      #expect(!page.contains("\n'"))
    }
  }
}
