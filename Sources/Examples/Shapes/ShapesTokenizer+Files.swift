import Basics
import Foundation

extension ShapesTokenizer {
  /// Writes `tokenizer.model` (SentencePiece), and for programs that read it as data, transformers among them, `tokenizer.json`,
  /// `tokenizer_config.json`, `special_tokens_map.json`, and where the words have one a `chat_template.jinja`.
  ///
  /// - Throws: `FileError.failed`.
  public func write(to folder: URL) throws {
    try WholeFile.write(model, to: folder.appending(path: "tokenizer.model"))
    try WholeFile.write(json: TokenizerFile(self), to: folder.appending(path: "tokenizer.json"))
    try WholeFile.write(json: Settings(), to: folder.appending(path: "tokenizer_config.json"))
    let special = ["bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"]
    try WholeFile.write(json: special, to: folder.appending(path: "special_tokens_map.json"))
    if let template = words.chatTemplate {
      try WholeFile.write(Data(template.utf8), to: folder.appending(path: "chat_template.jinja"))
    }
  }

  /// SentencePiece's `ModelProto`: pieces (field 1), trainer_spec (2) and normalizer_spec (3).
  private var model: Data {
    var file = Message()
    for piece in pieces {
      var entry = Message()
      entry.append(1, bytes: Array(piece.text.utf8))
      entry.append(2, float: piece.score)
      entry.append(3, integer: piece.kind.rawValue)
      file.append(1, bytes: entry.bytes)
    }
    var trainer = Message()
    trainer.append(3, integer: 1)  // model_type: UNIGRAM
    trainer.append(4, integer: pieces.count)
    for (field, id) in [(40, Self.unknownTokenID), (41, Self.bosTokenID), (42, Self.eosTokenID), (43, padTokenID)] {
      trainer.append(field, integer: id)
    }
    file.append(2, bytes: trainer.bytes)
    var normalizer = Message()
    normalizer.append(1, bytes: Array("identity".utf8))
    normalizer.append(3, integer: 1)  // add_dummy_prefix
    normalizer.append(4, integer: 0)  // remove_extra_whitespaces
    normalizer.append(5, integer: 1)  // escape_whitespaces
    file.append(3, bytes: normalizer.bytes)
    return Data(file.bytes)
  }

  /// The fields of a protobuf message that a tokenizer needs.
  private struct Message {
    var bytes: [UInt8] = []

    private mutating func append(varint value: UInt64) {
      var rest = value
      while rest >= 0x80 {
        bytes.append(UInt8(rest & 0x7f) | 0x80)
        rest >>= 7
      }
      bytes.append(UInt8(rest))
    }

    mutating func append(_ field: Int, integer: Int) {
      append(varint: UInt64(field << 3))
      append(varint: UInt64(integer))
    }

    mutating func append(_ field: Int, float: Float) {
      append(varint: UInt64(field << 3 | 5))
      withUnsafeBytes(of: float.bitPattern.littleEndian) { bytes += $0 }
    }

    mutating func append(_ field: Int, bytes value: [UInt8]) {
      append(varint: UInt64(field << 3 | 2))
      append(varint: UInt64(value.count))
      bytes += value
    }
  }
}

// MARK: - tokenizer.json

private struct Settings: Encodable {
  let tokenizer_class = "PreTrainedTokenizerFast"
  let bos_token = "<s>", eos_token = "</s>", unk_token = "<unk>", pad_token = "<pad>"
  let legacy = true, add_bos_token = true, add_eos_token = false, clean_up_tokenization_spaces = false
  let model_max_length = 2048
  let extra_special_tokens = ["image_token": "<image>"]
}

private struct TokenizerFile: Encodable {
  struct Added: Encodable {
    let id: Int
    let content: String
    let single_word = false, lstrip = false, rstrip = false, normalized = false, special = true
  }

  struct Step: Encodable {
    struct Pattern: Encodable {
      let string: String
      enum CodingKeys: String, CodingKey { case string = "String" }
    }
    var type: String
    var prepend: String?
    var pattern: Pattern?
    var content: String?
    var start: Int?
    var stop: Int?
    var normalizers: [Step]?
    var decoders: [Step]?
  }

  struct Model: Encodable {
    let pieces: [ShapesTokenizer.Piece]

    enum CodingKeys: CodingKey { case type, unk_id, vocab, byte_fallback }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode("Unigram", forKey: .type)
      try container.encode(ShapesTokenizer.unknownTokenID, forKey: .unk_id)
      try container.encode(false, forKey: .byte_fallback)
      var entries = container.nestedUnkeyedContainer(forKey: .vocab)
      for piece in pieces {
        var entry = entries.nestedUnkeyedContainer()
        try entry.encode(piece.text)
        try entry.encode(piece.score)
      }
    }
  }

  struct Piece: Encodable {
    let id: String
    let type_id = 0
  }

  struct Special: Encodable {
    let id = "<s>"
    let ids = [ShapesTokenizer.bosTokenID]
    let tokens = ["<s>"]
  }

  struct PostProcessor: Encodable {
    let type = "TemplateProcessing"
    let single = [["SpecialToken": Piece(id: "<s>")], ["Sequence": Piece(id: "A")]]
    let pair = [["SpecialToken": Piece(id: "<s>")], ["Sequence": Piece(id: "A")], ["Sequence": Piece(id: "B")]]
    let special_tokens = ["<s>": Special()]
  }

  let version = "1.0"
  let added_tokens: [Added]
  let normalizer = Step(
    type: "Sequence",
    normalizers: [
      Step(type: "Prepend", prepend: ShapesTokenizer.space),
      Step(type: "Replace", pattern: .init(string: " "), content: ShapesTokenizer.space),
    ])
  let post_processor = PostProcessor()
  let decoder = Step(
    type: "Sequence",
    decoders: [
      Step(type: "Replace", pattern: .init(string: ShapesTokenizer.space), content: " "), Step(type: "Fuse"),
      Step(type: "Strip", content: " ", start: 1, stop: 0),
    ])
  let model: Model

  init(_ tokenizer: ShapesTokenizer) {
    added_tokens = tokenizer.pieces.prefix(tokenizer.specialCount).enumerated().map { Added(id: $0, content: $1.text) }
    model = Model(pieces: tokenizer.pieces)
  }
}
