import Foundation
import Language
import TestSupport
import Testing
import Torch

@testable import LLaVA

extension MadeGGUF {
  /// A language model of one layer, 8 wide, whose tokens are letters.
  ///
  /// - Parameter heads: of queries, 1 or 2.
  static func tiny(heads: Int = 2) -> MadeGGUF {
    var made = MadeGGUF()
    made.add("general.architecture", "llama")
    for (name, value) in [
      ("block_count", 1), ("context_length", 64), ("embedding_length", 8), ("feed_forward_length", 4),
      ("attention.head_count", heads),
      ("attention.head_count_kv", 1),
    ] {
      made.add("llama." + name, value)
    }
    made.add("llama.attention.layer_norm_rms_epsilon", 1e-5 as Float)
    made.add("tokenizer.ggml.model", "gpt2")
    made.add("tokenizer.ggml.tokens", ["a", "b", "c"])
    made.keys.append(("tokenizer.ggml.merges", 9, MadeGGUF.list(8, [])))
    func add(_ name: String, _ shape: [Int]) { made.add(name, shape: shape, (0..<shape.reduce(1, *)).map { Float($0) / 8 }) }
    add("token_embd.weight", [3, 8])
    add("output_norm.weight", [8])
    let width = 8 / heads
    for (name, shape) in [
      ("attn_norm", [8]), ("ffn_norm", [8]), ("attn_q", [8, 8]), ("attn_k", [width, 8]), ("attn_v", [width, 8]),
      ("attn_output", [8, 8]),
      ("ffn_gate", [4, 8]), ("ffn_up", [4, 8]), ("ffn_down", [8, 4]),
    ] {
      add("blk.0.\(name).weight", shape)
    }
    return made
  }
}

/// GGUF files from which no model can be made: one typed error each, and no folder.
@Suite struct GGUFFaultTests {
  private static func golden(_ name: String) -> URL { Fixtures.bundled("gguf/" + name) }

  private static func put(_ made: inout MadeGGUF, _ name: String, _ value: Int?) {
    made.keys.removeAll { $0.name == name }
    if let value { made.add(name, value) }
  }

  private static let faults: [(says: String, change: @Sendable (inout MadeGGUF) -> Void)] = [
    ("general.architecture is \"bert\"", { $0.keys[0].value = MadeGGUF.bytes("bert") }),
    ("no general.architecture", { $0.keys.removeFirst() }),
    ("no llama.block_count", { put(&$0, "llama.block_count", nil) }),
    ("1000000 layers", { put(&$0, "llama.block_count", 1_000_000) }),
    ("num_hidden_layers", { put(&$0, "llama.block_count", 1 << 31) }),
    (
      "no tensor named blk.1.",
      { made in
        put(&made, "llama.block_count", 2)
        for index in 0..<10 { made.add("more.\(index)", shape: [1], [1]) }
      }
    ),
    ("[3, 8]", { put(&$0, "llama.embedding_length", 16) }),
    ("num_attention_heads", { put(&$0, "llama.attention.head_count", 0) }),
    ("num_key_value_heads", { put(&$0, "llama.attention.head_count_kv", 3) }),
    (
      "llama.rope.dimension_count",
      { made in
        put(&made, "llama.rope.dimension_count", 2)
        put(&made, "llama.attention.key_length", 4)
      }
    ),
    ("llama.rope.scaling.type is \"yarn\"", { $0.add("llama.rope.scaling.type", "yarn") }),
    ("split.count is 3", { $0.add("split.count", 3) }),
    ("tensor blk.0.ffn_gate_exps.weight", { $0.add("blk.0.ffn_gate_exps.weight", shape: [1], [1]) }),
    ("no tensor named token_embd.weight", { $0.tensors.removeFirst() }),
    ("no tensor named blk.0.attn_v.weight", { $0.tensors.removeAll { $0.name == "blk.0.attn_v.weight" } }),
    (
      "tokenizer.ggml.tokens: 4 tokens for 3 rows",
      { made in
        made.keys.removeAll { $0.name == "tokenizer.ggml.tokens" }
        made.add("tokenizer.ggml.tokens", ["a", "b", "c", "d"])
      }
    ),
    (
      "tensor blk.0.attn_q.weight holds I32",
      { made in
        made.tensors.removeAll { $0.name == "blk.0.attn_q.weight" }
        made.tensors.append(("blk.0.attn_q.weight", [8, 8], 26, [UInt8](repeating: 0, count: 256)))
      }
    ),
    ("1 NaN", { $0.tensors[1].data.replaceSubrange(0..<4, with: MadeGGUF.bytes(Float.nan.bitPattern)) }),
  ]

  @Test(arguments: faults.indices) func faultsAreNamed(_ index: Int) throws {
    let (says, change) = Self.faults[index]
    let scratch = try Scratch()
    var made = MadeGGUF.tiny()
    change(&made)
    let url = try made.write(to: scratch.url)
    let place = scratch.url.appending(path: "made")
    let error = #expect(throws: (any Error).self) { try GGUFCheckpoint(url).write(to: place) }
    let text = error.map { "\($0)" } ?? ""
    #expect(text.contains(says) && text.contains("made.gguf") && !text.contains("\n"), "\(says): \(text)")
    #expect(!FileManager.default.fileExists(atPath: place.path))
  }

  /// Bytes of either header changed at random: a typed error, or a folder.
  @Test func damagedFilesAreRefusedOrConverted() throws {
    let seed: UInt64 = 21
    print("damaged GGUF models: seed \(seed)")
    var random = SplitMix(seed: seed)
    let scratch = try Scratch()
    let numbers: [UInt64] = [0, 1, 2, 3, 7, 255, 1 << 31, 1 << 32, 1 << 62, 1 << 63, .max]
    let sound = try ["llama.gguf", "mmproj.gguf"].map { try Data(contentsOf: Self.golden($0)) }
    // Values of the keys lie in front of the tokens, and tensors behind all keys.
    let ends = [900, 3500]
    var (refused, converted) = (0, 0)
    for round in 0..<200 {
      var files = sound
      let which = random.next(below: 2)
      let place = random.next(below: ends[which])
      switch random.next(below: 3) {
      case 0: files[which][place] = UInt8(truncatingIfNeeded: random.next())
      case 1: files[which][place] ^= 1 << UInt8(random.next(below: 8))
      default:
        let bytes = MadeGGUF.bytes(numbers[random.next(below: numbers.count)])
        files[which].replaceSubrange(place..<place + 4, with: bytes.prefix(4))
      }
      let urls = [0, 1].map { scratch.url.appending(path: "\($0).gguf") }
      for (url, data) in zip(urls, files) { try data.write(to: url) }
      let folder = scratch.url.appending(path: "made-\(round)")
      do {
        try GGUFCheckpoint(urls[0], projector: urls[1]).write(to: folder)
        try FileManager.default.removeItem(at: folder)
        converted += 1
      } catch is TensorFileError {
        refused += 1
      } catch is ConfigurationError {
        refused += 1
      } catch is CheckpointError {
        refused += 1
      } catch is LanguageError {
        refused += 1
      }
    }
    #expect(refused > 40 && converted > 10, "\(refused) refused, \(converted) converted")
  }

  @Test func filesInEachOthersPlaces() throws {
    let (text, projector) = (Self.golden("llama.gguf"), Self.golden("mmproj.gguf"))
    for (model, tower, says) in [(projector, nil, "behind --projector"), (text, text, "known are clip")] as [(URL, URL?, String)]
    {
      let error = #expect(throws: ConfigurationError.self) { try GGUFCheckpoint(model, projector: tower) }
      #expect(error?.description.contains(says) == true, "\(String(describing: error))")
    }
    // A tower for wider embeddings.
    let error = #expect(throws: CheckpointError.self) { try GGUFCheckpoint(Self.golden("qwen2.gguf"), projector: projector) }
    #expect(error?.description.contains("mm.0.weight has shape [16, 8]") == true)
  }
}
