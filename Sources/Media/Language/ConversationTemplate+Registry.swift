extension ConversationTemplate {
  /// All templates.
  public static let all = [vicunaV1, plain, llama2, chatML]

  /// Finds a template by name.
  ///
  /// - Throws: `LanguageError.unknownTemplate`, listing the known names.
  public static func named(_ name: String) throws -> ConversationTemplate {
    if let template = all.first(where: { $0.name == name }) { return template }
    throw LanguageError.unknownTemplate(name: name, known: all.map(\.name))
  }

  /// Refuses a name that means nothing; `ownName` is one that means something where there is a checkpoint.
  ///
  /// - Throws: `LanguageError.unknownTemplate`, listing the known names.
  public static func requireKnown(_ name: String) throws {
    if name != ownName, !all.contains(where: { $0.name == name }) {
      throw LanguageError.unknownTemplate(name: name, known: [ownName] + all.map(\.name))
    }
  }

  /// `vicuna_v1`: Vicuna 1.1 and later, the template of LLaVA-1.5 (LLaVA's `conv_vicuna_v1`, version "v1").
  public static let vicunaV1 = ConversationTemplate(
    name: "vicuna_v1",
    system: "A chat between a curious user and an artificial intelligence assistant. "
      + "The assistant gives helpful, detailed, and polite answers to the user's questions.",
    systemSuffix: " ", userHeader: "USER:", assistantHeader: "ASSISTANT:", lead: " ", userEnd: " ", answerEnd: "</s>",
    stopStrings: ["</s>"])

  /// `plain`: an image and its caption, for the stage that trains the projector alone (LLaVA's `conv_llava_plain`).
  public static let plain = ConversationTemplate(
    name: "plain", answerEnd: "\n", keepsOnlyImages: true, stopStrings: ["\n"])

  /// `llama_2`: LLaMA-2 chat with LLaVA's system text (LLaVA's `conv_llava_llama_2`).
  ///
  /// The `<s>` in front of the first turn is left to the tokenizer, as in LLaVA.
  public static let llama2 = ConversationTemplate(
    name: "llama_2",
    system: "You are a helpful language and vision assistant. "
      + "You are able to understand the visual content that the user provides, "
      + "and assist the user with a variety of tasks using natural language.",
    systemPrefix: "<<SYS>>\n", systemSuffix: "\n<</SYS>>\n\n", systemIsInFirstTurn: true,
    userHeader: "[INST]", laterUserPrefix: "<s>", lead: " ", userEnd: " [/INST]", answerEnd: " </s>",
    stopStrings: ["</s>"])

  /// `chatml`: ChatML with the system text of Qwen2's own chat template.
  public static let chatML = ConversationTemplate(
    name: "chatml", system: "You are a helpful assistant.",
    systemPrefix: "<|im_start|>system\n", systemSuffix: "<|im_end|>\n",
    userHeader: "<|im_start|>user\n", assistantHeader: "<|im_start|>assistant\n", userEnd: "<|im_end|>\n",
    answerEnd: "<|im_end|>", answerSuffix: "\n", stopStrings: ["<|im_end|>"])
}
