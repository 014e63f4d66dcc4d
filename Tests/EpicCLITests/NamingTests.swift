import EvaluationLayouts
import Foundation
import TestSupport
import Testing

@testable import EpicCLI

/// One concept has one spelling in flags, keys of a run, fields of requests and of JSON, and metrics.
@Suite struct NamingTests {
  /// What is said in one way; the other words mean the same.
  private static let synonyms: [(word: String, others: Set<String>)] = [
    ("image", ["picture", "photo", "img"]), ("images", ["pictures", "photos", "imgs"]),
    ("compressor", ["strategy", "pruner", "reducer"]), ("compressors", ["strategies", "pruners", "reducers"]),
    ("max", ["maximum", "most", "largest", "limits"]), ("min", ["minimum", "fewest", "least", "smallest"]),
    ("folder", ["directory", "dir"]), ("output", ["out", "destination"]), ("count", ["num", "number", "amount"]),
    ("layer", ["depth"]), ("dtype", ["precision"]), ("seconds", ["secs", "duration", "elapsed"]), ("warmup", ["warm"]),
    ("learning rate", ["lr"]), ("weight", ["coefficient"]), ("ratio", ["fraction"]), ("speedup", ["acceleration"]),
    ("temperature", ["temp"]), ("kept", ["retained", "remaining"]), ("samples", ["examples"]), ("cache", ["memo"]),
  ]

  /// Names with another word, and why.
  private static let exceptions = [
    "smallest": "the role of a branch of nested, beside between and full",
    "held-out": "one word", "held-out-questions": "one word",
  ]

  /// Two words of which one begins like the other, and why both are there.
  private static let unrelated = [
    "all allowed": "another word", "log logits": "another word", "log logprobs": "OpenAI's field", "min minutes": "another word",
    "moment momentum": "another word", "out output": "held-out", "out outputs": "held-out", "per percentage": "another word",
    "len length": "OpenAI's and vLLM's max_model_len", "len lengths": "OpenAI's and vLLM's max_model_len",
    "grad gradient": "max-grad-norm as transformers has it", "grad gradients": "max-grad-norm as transformers has it",
  ]

  @Test func namesAreWrittenAsTheirKindIs() async throws {
    for name in try await Self.all() {
      #expect(name.surface.allows(name.text), "\(name)")
    }
  }

  /// Where `warmup` is one word, `warm-up` is none.
  @Test func wordsAreDividedAlike() async throws {
    let names = try await Self.all()
    let words = Dictionary(grouping: names.flatMap { name in name.words.map { ($0, name) } }, by: \.0)
    for name in names {
      for (first, second) in zip(name.words, name.words.dropFirst()) {
        for (_, other) in words[first + second] ?? [] {
          Issue.record("\(name) and \(other) divide \(first)\(second) differently")
        }
      }
    }
  }

  /// Where there is `maximum`, there is no `max`.
  @Test func noWordIsShortened() async throws {
    let names = try await Self.all()
    let words = Set(names.flatMap(\.words).filter { $0.count > 2 && $0.allSatisfy(\.isLetter) }).sorted()
    for short in words {
      for long in words where long.hasPrefix(short) && long != short && !Self.isForm(long, of: short) {
        if Self.unrelated["\(short) \(long)"] != nil { continue }
        let places = names.filter { $0.words.contains(short) || $0.words.contains(long) }.map(\.description).sorted()
        Issue.record("\(short) and \(long): \(places.joined(separator: ", "))")
      }
    }
  }

  @Test func oneWordForOneThing() async throws {
    for name in try await Self.all() {
      for (word, others) in Self.synonyms {
        for other in name.words where others.contains(other) && Self.exceptions[name.text] == nil {
          Issue.record("\(name): say \(word) for \(other)")
        }
      }
    }
  }

  /// A flag of several commands takes the same kind of value in all of them.
  @Test func oneFlagTakesOneKindOfValue() throws {
    var kinds: [String: Set<String>] = [:]
    for argument in try CommandDescription.program().all.flatMap(\.ownArguments) {
      for name in argument.names ?? [] {
        kinds[name.text, default: []].insert(argument.kind == "flag" ? "" : argument.valueName ?? "")
      }
    }
    for (name, values) in kinds.sorted(by: { $0.key < $1.key }) where values.count > 1 {
      // A list is several of the same kind; `name=split` is the split of what is named.
      let single = Set(values.map { ($0.split(separator: ",").first ?? "").trimmingPrefix("name=") })
      // `epic demo --video` is a demonstration about videos.
      #expect(
        single.count == 1 || name == "--video" && single == ["", "file"],
        "\(name) takes \(values.sorted().joined(separator: " and "))")
    }
  }

  /// Flags of `epic curriculum` and the keys below `curriculum` are the same.
  @Test func aCurriculumIsDescribedInOneWay() throws {
    let command = try #require(try CommandDescription.program().all.first { $0.path == "epic curriculum" })
    let keys = Set(try PublicName.documented().filter { $0.surface == .key }.map(\.text))
    let own: Set = ["curriculum", "preset", "steps", "layers", "visual-tokens", "theory", "svg", "json"]
    for name in command.ownArguments.flatMap({ $0.names ?? [] }).map({ String($0.text.drop { $0 == "-" }) })
    where !own.contains(name) {
      #expect(keys.contains(name), "--\(name) is no key")
    }
  }

  /// Whether a word is another in the plural, in another tense, or with another ending.
  private static func isForm(_ long: String, of short: String) -> Bool {
    ["s", "es", "d", "ed", "n", "r", "ing", "y", "al", "ly", "er", "ion", "ive", "izer", "iness"].contains(
      String(long.dropFirst(short.count)))
  }

  private static let found = Task { try await documentedAndWritten() }
  private static func all() async throws -> [PublicName] { try await found.value.sorted { $0.description < $1.description } }

  /// Documented names, and those of what `--json` prints.
  private static func documentedAndWritten() async throws -> Set<PublicName> {
    var names = try PublicName.documented()
    func read(_ text: String, _ surface: PublicName.Surface) throws {
      let json = try JSONSerialization.jsonObject(with: Data(text.utf8))
      names.formUnion(PublicName.fields(of: json, surface, data: WrittenJSON.data))
    }
    for text in try await WrittenJSON.printed() { try read(text, .json) }
    let (load, answers) = try await WrittenJSON.served()
    try read(load, .json)
    for text in answers { try read(text, .response) }
    return names
  }
}
