/// How text is divided into words, by the names that llama.cpp gives to the ways (`tokenizer.ggml.pre`).
///
/// Each is what the tokenizer.json of its models says. llama.cpp writes them as regular expressions of its own.
enum GGUFPreTokenizer {
  /// GPT-2: runs of letters, digits or symbols with a space in front.
  case gpt2
  /// The same behind single digits: SmolLM, StarCoder.
  case digits
  /// Llama 3: digits in groups of three; a word that is a token is taken whole.
  case llama3
  /// Qwen2: digits one by one, text in composed form.
  case qwen2

  private static let known: KeyValuePairs<String, GGUFPreTokenizer> = [
    "default": .gpt2, "gpt-2": .gpt2, "gpt2": .gpt2, "smollm": .digits, "starcoder": .digits, "refact": .digits,
    "llama-bpe": .llama3, "llama3": .llama3, "llama-v3": .llama3, "qwen2": .qwen2, "deepseek-r1-qwen": .qwen2,
  ]

  /// The names that are known.
  static var names: [String] { known.map(\.key) }

  /// The way of a name, GPT-2's without one; nil for names that are not known.
  init?(_ name: String?) {
    guard let way = Self.known.first(where: { $0.key == name ?? "default" })?.value else { return nil }
    self = way
  }

  /// True where llama.cpp begins sequences with a BOS though the file does not say so.
  var beginsSequences: Bool { self == .llama3 }

  var ignoresMerges: Bool { self == .llama3 }

  var normalizer: JSONValue { self == .qwen2 ? .members(["type": .text("NFC")]) : .null }

  /// The `pre_tokenizer` of a tokenizer.json.
  var json: JSONValue {
    switch self {
    case .gpt2: Self.byteLevel(splits: true)
    case .digits:
      Self.sequence([
        .members(["type": .text("Digits"), "individual_digits": .bool(true)]), Self.byteLevel(splits: true),
      ])
    case .llama3: Self.gpt4(digits: #"\p{N}{1,3}"#)
    case .qwen2: Self.gpt4(digits: #"\p{N}"#)
    }
  }

  /// Bytes in the alphabet of GPT-2, divided by its pattern where they are not yet.
  static func byteLevel(splits: Bool) -> JSONValue {
    .members([
      "type": .text("ByteLevel"), "add_prefix_space": .bool(false), "trim_offsets": .bool(true), "use_regex": .bool(splits),
    ])
  }

  private static func sequence(_ steps: [JSONValue]) -> JSONValue {
    .members(["type": .text("Sequence"), "pretokenizers": .array(steps)])
  }

  private static func gpt4(digits: String) -> JSONValue {
    let pattern = JSONValue.members(["Regex": .text(PreTokenizerPattern.gpt4Spelling(digits: digits))])
    let split = JSONValue.members([
      "type": .text("Split"), "pattern": pattern, "behavior": .text(SplitBehavior.isolated.rawValue), "invert": .bool(false),
    ])
    return sequence([split, byteLevel(splits: false)])
  }
}
