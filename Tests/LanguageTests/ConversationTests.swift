import Foundation
import TestSupport
import Testing

@testable import Language

@Suite struct ConversationTests {
  private let turns = [
    Turn(.user, "Hi."), Turn(.assistant, "Hello!"), Turn(.user, "<image>\nWhat is it?"), Turn(.assistant, "A cat."),
  ]

  @Test func rendersVicuna() throws {
    let system = ConversationTemplate.vicunaV1.system
    #expect(
      try ConversationTemplate.vicunaV1.render(turns)
        == system + " USER: Hi. ASSISTANT: Hello!</s>USER: <image>\nWhat is it? ASSISTANT: A cat.</s>")
    #expect(try ConversationTemplate.vicunaV1.prompt(for: [Turn(.user, "Hi.")]) == system + " USER: Hi. ASSISTANT:")
    #expect(
      try ConversationTemplate.vicunaV1.prompt(for: [Turn(.user, "Hi."), Turn(.assistant, "")])
        == system + " USER: Hi. ASSISTANT:")
  }

  @Test func rendersPlain() throws {
    #expect(try ConversationTemplate.plain.render([Turn(.user, "<image>"), Turn(.assistant, "a cat")]) == "<image>a cat\n")
  }

  @Test func rendersLLaMA2() throws {
    var template = ConversationTemplate.llama2
    template.system = "Be kind."
    let first = "[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\nHi. [/INST]"
    #expect(
      try template.render(turns) == first + " Hello! </s><s>[INST] <image>\nWhat is it? [/INST] A cat. </s>")
    #expect(try template.prompt(for: [Turn(.user, "Hi.")]) == first)
    template.system = ""
    #expect(try template.prompt(for: [Turn(.user, "Hi.")]) == "[INST] Hi. [/INST]")
  }

  @Test func rendersChatML() throws {
    let system = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    let opening = "<|im_start|>user\nHi.<|im_end|>\n<|im_start|>assistant\n"
    #expect(
      try ConversationTemplate.chatML.render(Array(turns.prefix(2))) == system + opening + "Hello!<|im_end|>\n")
    #expect(try Conversation(.chatML, turns: [Turn(.user, "Hi.")]).prompt == system + opening)
  }

  @Test func registryKnowsItsTemplates() throws {
    for name in ["vicuna_v1", "plain", "llama_2", "chatml"] {
      #expect(try ConversationTemplate.named(name).name == name)
    }
    let error = #expect(throws: LanguageError.self) { try ConversationTemplate.named("alpaca") }
    let message = try #require(error?.description)
    #expect(message.contains("alpaca"))
    for template in ConversationTemplate.all { #expect(message.contains(template.name)) }
  }

  @Test func refusesTurnsOutOfOrder() {
    for turns in [[Turn(.assistant, "a")], [Turn(.user, "a"), Turn(.user, "b")]] {
      #expect(throws: LanguageError.self) { try ConversationTemplate.vicunaV1.render(turns) }
    }
    #expect(throws: LanguageError.self) { try Turn.Role(named: "system") }
  }

  private struct Golden: Decodable {
    struct Prompt: Decodable { let question, prompt: String }
    struct Tokens: Decodable {
      let legacy: Bool
      let text: String
      let ids: [Int]
    }
    let generation_prompts: [Prompt]
    let tokenizer_image_token: [Tokens]
  }

  @Test func promptsEqualLLaVAs() throws {
    for golden in try Fixtures.some(Fixtures.decode(Golden.self, "conversations.json").generation_prompts) {
      let prompt = try Conversation(.vicunaV1, turns: [Turn(.user, golden.question)]).prompt
      #expect(same(prompt, golden.prompt))
    }
  }

  @Test func textsWithImagesTokeniseAsLLaVAs() throws {
    let cases = try Fixtures.decode(Golden.self, "conversations.json").tokenizer_image_token
    #expect(!cases.isEmpty)
    for golden in cases {
      let ids = try encodeWithImages(golden.text, tokenizer: Fixtures.sentencePiece(legacy: golden.legacy))
      #expect(ids == golden.ids, "\(golden.text.debugDescription)")
    }
  }

  @Test func imageTagsMoveToTheFront() {
    let cases = [
      ("no tag ", "no tag "), ("<image>", "<image>"), (" a <image> b ", "<image>\na  b"), ("x<image><image>", "<image>\nx"),
      ("<image>\u{1C}\u{A0}", "<image>"), ("<im<image>age>", "<image>\n<image>"), ("<image>\u{301}", "<image>\n\u{301}"),
    ]
    for (text, expected) in cases {
      #expect(same(Turn(.user, text).withImageTagInFront().text, expected), "\(text.debugDescription)")
    }
  }
}

@Suite struct ChatTemplateFileTests {
  private func template(_ files: [String: String]) throws -> ChatTemplateFile? {
    try withTemporaryFolder { folder in
      for (name, text) in files { try Data(text.utf8).write(to: folder.appending(path: name)) }
      return try ChatTemplateFile.read(from: folder)
    }
  }

  @Test func theFilesOfTransformersAreReadInItsOrder() throws {
    #expect(try template([:]) == nil)
    #expect(try template(["tokenizer_config.json": "{}"]) == nil)
    let config = #"{"chat_template": "c"}"#
    #expect(try template(["tokenizer_config.json": config])?.source == "c")
    #expect(try template(["tokenizer_config.json": config, "chat_template.json": #"{"chat_template": "p"}"#])?.source == "p")
    #expect(try template(["tokenizer_config.json": config, "chat_template.jinja": "j"])?.source == "j")
    let list = #"{"chat_template": [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]}"#
    #expect(try template(["tokenizer_config.json": list])?.source == "d")
    for broken in [#"{"chat_template": 7}"#, #"{"chat_template": [{"name": "default"}]}"#] {
      let error = #expect(throws: LanguageError.self) { try template(["tokenizer_config.json": broken]) }
      #expect(error?.description.contains("chat_template") == true)
    }
  }

  /// Templates as they lie in checkpoints, line ends escaped or not.
  @Test func knownFormatsAreRecognised() throws {
    func recognized(_ source: String) -> ConversationTemplate? { ChatTemplateFile(path: "", source: source).recognized }
    let chatML =
      #"{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are SmolLM.<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"#
    for source in [chatML, chatML.replacing(#"\n"#, with: "\n")] {
      #expect(recognized(source)?.name == "chatml" && recognized(source)?.system == "You are SmolLM.")
    }
    // Qwen2.5 puts the system text of the conversation together first.
    let qwen =
      #"{{- '<|im_start|>system\n' + messages[0]['content'] + '<|im_end|>\n' }}{%- else %}{{- '<|im_start|>system\nYou are Qwen.<|im_end|>\n' }}"#
    #expect(recognized(qwen)?.system == "You are Qwen.")
    #expect(recognized("{{ '<|im_start|>' + role + '\n' + text + '<|im_end|>' }}")?.system == "")
    let llava =
      "{% for message in messages %}{% if message['role'] != 'system' %}{{ message['role'].upper() + ': '}}{% endif %}{% endfor %}{{ 'ASSISTANT:' }}"
    #expect(recognized(llava) == .vicunaV1)
    #expect(recognized("{{ '[INST] <<SYS>>\\n' }}") == .llama2)
    for other in ["", "{{ '[INST] ' + text + ' [/INST]' }}", "{{ '<|start_header_id|>' + role + '<|end_header_id|>' }}"] {
      #expect(recognized(other) == nil)
    }
  }
}
