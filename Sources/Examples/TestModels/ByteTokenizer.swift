import Basics
import Foundation
import LLaVA

/// A tokenizer without training: every byte of UTF-8 text is a token.
///
/// It is written as a `tokenizer.json` that the `tokenizers` package reads as well: byte-level BPE with no merges.
public enum ByteTokenizer {
  /// Unknown, start, end, image and padding tokens; bytes lie between the third and the fourth.
  public static let unknownTokenID = 0, bosTokenID = 1, eosTokenID = 2, imageTokenID = 259, padTokenID = 260
  /// Smallest vocabulary that a model needs for it.
  public static let vocabularySize = 261

  /// Makes a configuration agree with this tokenizer's special tokens.
  public static func adopt(into configuration: inout LLaVAConfiguration) {
    configuration.bosTokenID = bosTokenID
    configuration.eosTokenIDs = [eosTokenID]
    configuration.padTokenID = padTokenID
    configuration.imageTokenID = imageTokenID
  }

  /// Writes `tokenizer.json` and `tokenizer_config.json` into a folder.
  public static func write(to folder: URL) throws {
    let special = [
      ("<unk>", unknownTokenID), ("<s>", bosTokenID), ("</s>", eosTokenID), ("<image>", imageTokenID), ("<pad>", padTokenID),
    ]
    let added = special.map { content, id in
      Added(id: id, content: content)
    }
    let tokenizer = TokenizerFile(
      added_tokens: added, model: Model(vocab: vocabulary(), unk_token: nil),
      post_processor: PostProcessor(
        single: [["SpecialToken": Piece(id: "<s>")], ["Sequence": Piece(id: "A")]],
        pair: [["SpecialToken": Piece(id: "<s>")], ["Sequence": Piece(id: "A")], ["Sequence": Piece(id: "B")]],
        special_tokens: ["<s>": Special(id: "<s>", ids: [bosTokenID], tokens: ["<s>"])]))
    try WholeFile.write(json: tokenizer, to: folder.appendingPathComponent("tokenizer.json"))
    let settings = [
      "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>",
      "pad_token": "<pad>",
    ]
    try WholeFile.write(json: settings, to: folder.appendingPathComponent("tokenizer_config.json"))
  }

  /// GPT-2's printable stand-ins for bytes: printable Latin-1 stays, the others follow from U+0100 on.
  private static func vocabulary() -> [String: Int] {
    var vocabulary: [String: Int] = ["<unk>": unknownTokenID, "<s>": bosTokenID, "</s>": eosTokenID]
    var next: UInt32 = 0x100
    for byte in UInt32(0)...255 {
      let isPrintable = (0x21...0x7e).contains(byte) || (0xa1...0xac).contains(byte) || (0xae...0xff).contains(byte)
      let code = isPrintable ? byte : next
      if !isPrintable { next += 1 }
      if let scalar = Unicode.Scalar(code) { vocabulary[String(Character(scalar))] = 3 + Int(byte) }
    }
    return vocabulary
  }

  private struct Added: Encodable {
    let id: Int
    let content: String
    let single_word = false, lstrip = false, rstrip = false, normalized = false
    let special = true
  }

  private struct Model: Encodable {
    let type = "BPE"
    let vocab: [String: Int]
    let merges: [String] = []
    let unk_token: String?
    let fuse_unk = false, byte_fallback = false, ignore_merges = false
  }

  private struct ByteLevel: Encodable {
    let type = "ByteLevel"
    let add_prefix_space = false, trim_offsets = false
    let use_regex: Bool
  }

  private struct Piece: Encodable {
    let id: String
    let type_id = 0
  }

  private struct Special: Encodable {
    let id: String
    let ids: [Int]
    let tokens: [String]
  }

  private struct PostProcessor: Encodable {
    let type = "TemplateProcessing"
    let single: [[String: Piece]]
    let pair: [[String: Piece]]
    let special_tokens: [String: Special]
  }

  private struct TokenizerFile: Encodable {
    let version = "1.0"
    let added_tokens: [Added]
    let model: Model
    let pre_tokenizer = ByteLevel(use_regex: true)
    let decoder = ByteLevel(use_regex: true)
    let post_processor: PostProcessor
  }
}
