import ChatProtocol
import Foundation
import LLaVA
import Language

/// What `/v1/models` lists.
struct ModelList: Encodable {
  let object = "list"
  let data: [ModelDescription]
}

/// A model, and the budgets at which it can be asked.
struct ModelDescription: Encodable {
  struct Rung: Encodable {
    let tokens: Int
    let average_per_layer: Double
    /// The mean over the benchmarks, in percent; absent where it was not evaluated.
    let accuracy: Double?
    let scores: [String: Double]?
  }

  struct VisualTokens: Encodable {
    let total: Int
    let compressor: String
    let layer: Int
    /// Whether other numbers than the rungs may be asked for.
    let any_budget: Bool
    let rungs: [Rung]
  }

  private static let started = Int(Date().timeIntervalSince1970)

  let id, root: String
  let object = "model"
  let created = started
  let owned_by = "epic"
  let max_model_len: Int
  let visual_tokens: VisualTokens

  init(_ service: ChatService) throws {
    let model = service.model
    id = model.name
    root = model.name
    max_model_len = service.limits.contextLength
    visual_tokens = VisualTokens(
      total: model.ladder.total, compressor: model.compressor, layer: model.layer, any_budget: model.ladder.allowsOthers,
      rungs: try model.ladder.rungs.map { rung in
        Rung(
          tokens: rung.tokens, average_per_layer: try model.average(rung.tokens), accuracy: rung.accuracy,
          scores: rung.scores.isEmpty ? nil : rung.scores)
      })
  }
}

/// What `/tokenize` is asked: a text, or a conversation.
struct TokenizeRequest {
  /// Ids; a picture is one, that of the image token.
  let tokens: [Int]

  init(_ body: [UInt8], _ service: ChatService) throws {
    let node = RequestNode(try service.limits.json.parse(body))
    try node.requireKnown([
      "model", "prompt", "messages", "add_special_tokens", "add_generation_prompt", "continue_final_message", "return_token_strs",
    ])
    try service.requireModel(try node["model"]?.string())
    let pipeline = service.model.pipeline
    if let prompt = node["prompt"] {
      if node["messages"] != nil { throw APIError.invalidValue("messages", "prompt and messages are given; give one of them") }
      let special = try node["add_special_tokens"]?.bool() ?? true
      let text = pipeline.tokenizer.literal(try prompt.string(0...service.limits.maximumTextBytes))
      tokens = try pipeline.tokenizer.encode(text, addSpecialTokens: special)
    } else if let messages = node["messages"] {
      var list: [ChatMessage] = []
      for message in try messages.elements(1...service.limits.maximumMessages, "messages") {
        list.append(try ChatMessage.reading(message, service.limits))
      }
      let image = pipeline.model.configuration.imageTokenID
      tokens = try ChatPrompt(list, pipeline).ids.map { $0 == imagePlaceholderID ? image : $0 }
    } else {
      throw APIError.invalidValue("prompt", "prompt and messages are missing; give one of them")
    }
  }
}

/// What `/tokenize` answers.
struct TokenizeAnswer: Encodable {
  let count: Int
  let max_model_len: Int
  let tokens: [Int]

  init(_ tokens: [Int], maximum: Int) { (self.tokens, count, max_model_len) = (tokens, tokens.count, maximum) }
}
