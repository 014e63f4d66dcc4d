extension ChatRequest {
  private static let supported = RequestField.names(under: "")

  /// Fields that say something to other servers and nothing here; they change no answer.
  private static let withoutEffect: Set<String> = [
    "user", "safety_identifier", "prompt_cache_key", "request_id", "metadata", "store", "service_tier", "parallel_tool_calls",
    "reasoning_effort", "verbosity", "priority",
  ]

  /// Fields that would change the answer and are not offered, with what a client sends that does not mean them.
  private static let neutral: [String: String] = [
    "presence_penalty": "0", "frequency_penalty": "0", "min_p": "0", "min_tokens": "0", "length_penalty": "1",
    "logprobs": "false", "top_logprobs": "0", "echo": "false", "use_beam_search": "false", "skip_special_tokens": "true",
    "add_generation_prompt": "true", "continue_final_message": "false", "add_special_tokens": "false",
    "include_stop_str_in_output": "false", "spaces_between_special_tokens": "true", "best_of": "1", "tool_choice": "\"none\"",
    "function_call": "\"none\"", "modalities": "[\"text\"]", "response_format": "{\"type\": \"text\"}",
    "return_token_ids": "false",
  ]

  private static let refused: Set<String> = [
    "logit_bias", "tools", "functions", "audio", "prediction", "web_search_options", "stop_token_ids", "bad_words",
    "chat_template", "chat_template_kwargs", "documents", "media_io_kwargs", "image_embeds", "prompt_embeds", "guided_json",
    "guided_regex", "guided_choice", "guided_grammar", "structured_outputs", "guided_decoding_backend", "logits_processors",
    "prompt_logprobs", "allowed_token_ids", "truncate_prompt_tokens", "kv_transfer_params", "vllm_xargs", "structural_tag",
    "max_pixels", "min_pixels", "max_soft_tokens", "max_dynamic_patch", "images_kwargs", "size", "image_size",
  ]

  private static let sizes: Set<String> = [
    "max_pixels", "min_pixels", "max_soft_tokens", "max_dynamic_patch", "images_kwargs", "size", "image_size",
  ]

  /// Refuses what would be silently without effect, by name.
  static func refuseUnsupported(_ node: RequestNode) throws(APIError) {
    for (name, member) in try node.members() {
      if supported.contains(name) { continue }
      if withoutEffect.contains(name) {
        if case .string = member.value { _ = try member.string(0...512, isOneLine: true) }
      } else if let neutral = neutral[name] {
        if !member.isEmpty, !isNeutral(member, neutral) {
          throw .unsupported(name, "\(name) is not supported, or nothing but \(neutral); leave it out")
        }
      } else if refused.contains(name) {
        if member.isEmpty { continue }
        throw .unsupported(
          name,
          "\(name) is not supported" + (sizes.contains(name) ? "; visual_tokens sets how closely pictures are looked at" : ""))
      } else {
        throw APIError(
          400, code: "unknown_parameter", param: name.shortened(120), "\(name.shortened(120)) is not known; leave it out")
      }
    }
  }

  private static func isNeutral(_ node: RequestNode, _ text: String) -> Bool {
    switch node.value {
    case .bool(let bool): "\(bool)" == text
    case .integer(let number): "\(number)" == text
    case .number(let number): Double(text) == number
    case .string(let bytes): bytes.elementsEqual(text.dropFirst().dropLast().utf8)
    case .object(let members): text.hasPrefix("{") && members.count == 1 && members[0].value == .string(Array("text".utf8))
    case .array(let elements): text.hasPrefix("[") && elements == [.string(Array("text".utf8))]
    case .null: true
    }
  }
}
