import Foundation
import TestSupport
import Testing

/// Each block of the documents, and each line of their commands, is run or compared by a test, or it is named here with the reason why not.
@Suite struct DocumentedBlockTests {
  /// Lines of commands that do not begin with `epic`, by their beginnings, and what runs them.
  private static let programs: [(start: String, place: String)] = [
    ("curl http://127.0.0.1:8000/", "DocumentedRequestTests"), ("picture=$(base64", "DocumentedRequestTests"),
    ("export EPIC_API_KEY=$(openssl", "DocumentedRequestTests"), ("curl --data-binary @cat.jpg", "DocumentedProgramTests"),
    ("torchrun ", "DocumentedProgramTests"), ("srun ", "DocumentedProgramTests"), ("ffmpeg ", "DocumentedProgramTests"),
    ("make install", "DocumentedProgramTests"), ("scripts/swiftw run ", "DocumentedProgramTests"),
    ("../epic/scripts/setup ", "DocumentedProgramTests"), ("scripts/parquet-shards ", "DocumentedProgramTests"),
    ("python3 -c ", "DocumentedProgramTests"), ("cp Lab/", "LabTests read these results"),
    ("make build", "before the tests; makeWouldBegin"), ("make test", "these tests; makeWouldBegin"),
    ("make demo", "a build of minutes, and then what DemoCommandTests run; makeWouldBegin"),
    ("make benchmark", "half an hour, and times are not tested; makeWouldBegin"),
    ("Benchmarks/nested", "minutes, and times are not tested; benchmarksExplainThemselves"),
  ]

  /// Blocks of text, by their beginnings.
  private static let texts: [(start: String, place: String)] = [
    ("                  ┌── keep 64", "a drawing"), ("share that is dropped ", "a drawing"),
    ("padded batch ", "a drawing"),
    (" picture     tower ", "a drawing"), ("                    process 0 ", "a drawing"),
    ("benchmark text in front", "a drawing"),
    ("llava-1.5-7b: 32 decoder layers", "DocumentedOutputTests"), ("model       tiny, asked in", "DocumentedOutputTests"),
    ("compressor  keep  tokens/layer", "DocumentedOutputTests"), ("compressor  keep  finished", "DocumentedOutputTests"),
    ("sample 57 (id", "DocumentedOutputTests"), ("compressor  keep  start  trained", "DemoCommandTests"),
    ("start: ", "DemoCommandTests"), ("export PKG_CONFIG_PATH=CACHE", "DocumentedProgramTests"),
  ]

  /// Pages with blocks of JSON.
  private static let json = [
    "Adapt.md": "DocumentStage, whose questions.jsonl it is", "TrainingData.md": "DocumentedOutputTests",
    "VideoAndSound.md": "DocumentedRequestTests",
  ]

  /// Where Swift of the pages is compiled and run.
  private static let sources = [
    "CompressionTests/DocumentedCompressorTests.swift", "LLaVATests/DocumentedExampleTests.swift",
    "TrainingTests/DocumentedTrainingTests.swift",
  ]

  @Test func everyBlockIsAccountedFor() throws {
    let compiled = try Set(
      Self.sources.flatMap { source in
        try String(contentsOf: Document.root.appending(path: "Tests/\(source)"), encoding: .utf8).split(separator: "\n")
          .map { $0.trimmingCharacters(in: .whitespaces) }
      })
    let package = try String(contentsOf: Document.root.appending(path: "Package.swift"), encoding: .utf8)
    var used: Set<String> = []
    for document in try Document.all() {
      for block in document.blocks {
        let place = "\(document.path):\(block.line)"
        let first = block.lines.first ?? ""
        switch block.language {
        case "sh", "":
          for line in commands(block.lines) where ShellLine.commands(in: [line]).first?.first != "epic" {
            let program = Self.programs.first { line.hasPrefix($0.start) }
            #expect(program != nil, "\(place): nothing runs \(line)")
            used.insert(program?.start ?? "")
          }
        case "text":
          if first.hasPrefix("$ epic ") { continue }
          let text = Self.texts.first { first.hasPrefix($0.start) }
          #expect(text != nil, "\(place): nothing compares \(first)")
          used.insert(text?.start ?? "")
        case "json":
          let page = String(document.path.split(separator: "/").last ?? "")
          #expect(Self.json[page] != nil, "\(place): nothing reads it")
          used.insert(page)
        case "swift":
          let products = block.lines.flatMap { $0.matches(of: #/\.product\(name: "(\w+)"/#).map { String($0.1) } }
          if products.isEmpty {
            for line in block.lines.map({ $0.trimmingCharacters(in: .whitespaces) }) where !line.isEmpty {
              #expect(compiled.contains(line), "\(place): nothing compiles \(line)")
            }
          }
          for product in products { #expect(package.contains("\"\(product)\""), "\(place): no product \(product)") }
        case "python": #expect(document.path.hasSuffix("/Serve.md"), "\(place): DocumentedRequestTests do not run it")
        // DocumentTests read all of them.
        case "yaml": break
        case "bibtex": #expect(first == "@article{epic2025,", "\(place)")
        default: Issue.record("\(place): blocks of \(block.language) are unknown")
        }
      }
    }
    let all = Self.programs.map(\.start) + Self.texts.map(\.start) + Self.json.keys
    #expect(Set(all).subtracting(used) == [], "named here, and in no document")
  }

  /// Lines of a block as commands: what is typed into a program, or lies between quotes, belongs to the line before.
  private func commands(_ lines: [String]) -> [String] {
    var found: [String] = []
    var end: String?
    var isQuoted = false
    for line in ShellLine.whole(lines) {
      if let open = end {
        if line == open { end = nil }
        continue
      }
      let isContinued = isQuoted
      // Quotes behind a backslash do not count.
      if line.replacing("\\\"", with: "").count(where: { $0 == "\"" }) % 2 == 1 { isQuoted.toggle() }
      end = line.firstMatch(of: #/<<([A-Z]+)$/#).map { String($0.1) }
      if !isContinued, !line.isEmpty, !line.hasPrefix("#") { found.append(line) }
    }
    return found
  }

  /// Targets that take too long for a test exist, and so does all that they need.
  @Test func makeWouldBegin() async throws {
    for target in ["build", "test", "demo", "serve-demo", "benchmark", "docs", "sanitize"] {
      let outcome = try await Program.run(
        URL(filePath: "/usr/bin/env"), ["make", "-n", "-C", Document.root.path, target])
      #expect(outcome.code == 0, "\(target): \(outcome.err)")
      for name in outcome.out.matches(of: #/\b(?:scripts|Benchmarks)/[a-z-]+/#).map({ String($0.output) }) {
        let file = Document.root.appending(path: name)
        #expect(FileManager.default.isExecutableFile(atPath: file.path), "make \(target) needs \(name)")
      }
    }
  }

  /// Programs of `Benchmarks` that documents name begin, and say what they would do.
  @Test func benchmarksExplainThemselves() async throws {
    let names = try Set(
      Document.all().flatMap { document in
        (document.blocks.flatMap(\.lines) + document.codeSpans.map(\.text)).compactMap {
          $0.firstMatch(of: #/^Benchmarks/[a-z_.-]+/#).map { String($0.output) }
        }
      })
    #expect(names.count > 5)
    for name in names {
      let outcome = try await Program.run(
        Document.root.appending(path: name), ["--help"], environment: ["EPIC": EpicCommand.program.path])
      #expect(outcome.code == 0 && outcome.out.contains("usage"), "\(name): \(outcome)")
    }
  }
}
