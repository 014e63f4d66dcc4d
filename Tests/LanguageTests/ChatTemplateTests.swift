import Foundation
import TestSupport
import Testing

@testable import Language

/// Conversations written down by a checkpoint's own template, and where its answers are.
@Suite struct ChatTemplateTests {
  /// Templates of families, which the tests of Jinja compare with Python.
  private static func source(_ name: String) throws -> String {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    return try String(contentsOf: folder.appending(path: "JinjaTests/Resources/templates/\(name).jinja"), encoding: .utf8)
  }

  private static let names = ["bos_token": "<s>", "eos_token": "</s>"]

  private func template(_ name: String, _ tokenizer: (any Tokenizer)? = nil) throws -> ConversationTemplate {
    try own(try Self.source(name), tokenizer)
  }

  private func own(
    _ source: String, _ tokenizer: (any Tokenizer)? = nil, names: [String: String] = names
  ) throws -> ConversationTemplate {
    ConversationTemplate(
      try ChatTemplate(ChatTemplateFile(path: "model/chat_template.jinja", source: source), names: names, tokenizer: tokenizer))
  }

  private let turns = [
    Turn(.user, "Hi."), Turn(.assistant, "Hello!"), Turn(.user, "<image>\nWhat is it?"), Turn(.assistant, "A cat."),
  ]

  /// Whether a family wants pictures as parts, what it writes for the user's question with a picture, and how it ends an answer.
  @Test(arguments: [
    ("llava_1_5", true, "USER: <image>\nWhat is it? ASSISTANT:", ""),
    ("vicuna", false, "USER: <image>\nWhat is it? ASSISTANT:", "</s>"),
    ("llava_next_mistral", true, "[INST] <image>\nWhat is it? [/INST]", "</s>"),
    ("llava_onevision", true, "<|im_start|>user <image>\nWhat is it?<|im_end|><|im_start|>assistant\n", "<|im_end|>"),
    ("chatml", false, "<|im_start|>user\n<image>\nWhat is it?<|im_end|>\n<|im_start|>assistant\n", "<|im_end|>"),
    (
      "qwen2_5_vl", true,
      "<|im_start|>user\n<|vision_start|><image><|vision_end|>What is it?<|im_end|>\n<|im_start|>assistant\n", "<|im_end|>"
    ),
    ("internvl3", true, "<|im_start|>user\n<image>\nWhat is it?<|im_end|>\n<|im_start|>assistant\n", "<|im_end|>"),
    ("smolvlm", true, "<|im_start|>User:<image>What is it?<end_of_utterance>\nAssistant:", "<end_of_utterance>"),
    ("llama_2", false, "<s>[INST] <image>\nWhat is it? [/INST]", "</s>"),
    ("llama_3_1", true, "<|start_header_id|>user<|end_header_id|>\n\n<image>What is it?<|eot_id|>", "<|eot_id|>"),
    ("gemma", false, "<start_of_turn>user\n<image>\nWhat is it?<end_of_turn>\n<start_of_turn>model\n", "<end_of_turn>"),
    ("phi_3", false, "<|user|>\n<image>\nWhat is it?<|end|>\n<|assistant|>\n", "<|end|>"),
    ("zephyr", false, "<|user|>\n<image>\nWhat is it?</s>\n<|assistant|>\n", "</s>"),
  ]) func picturesAndEndsAreFound(name: String, hasParts: Bool, question: String, end: String) throws {
    let template = try template(name, name == "phi_3" ? Spellings(["<|end|>", "</s>"]) : nil)
    let chat = try #require(template.chat)
    #expect(template.name == "checkpoint" && (chat.contents[.user] == .parts) == hasParts)
    let prompt = try template.prompt(for: [turns[2]])
    #expect(name == "llama_3_1" ? prompt.contains(question) : prompt.hasSuffix(question), "\(prompt)")
    #expect(chat.answerEnd == end && template.stopStrings == (end.isEmpty ? [] : [end]))
    // A system text of ours goes where the template puts it, or is refused with its own words.
    var instructed = template
    instructed.system = "Be kind."
    if name == "gemma" {
      let error = #expect(throws: LanguageError.self) { try instructed.prompt(for: [turns[0]]) }
      #expect(error?.description.contains("No system role here") == true)
    } else {
      #expect(try instructed.prompt(for: [turns[0]]).contains("Be kind."))
    }
  }

  /// Templates of ours as data, and the same as programs: ids and labels have to be equal.
  @Test(arguments: ["vicuna", "llama_2", "chatml"]) func labelsAreThoseOfTheSameFormatAsData(name: String) throws {
    let data = try ConversationTemplate.named(["vicuna": "vicuna_v1"][name] ?? name)
    let tokenizer: any Tokenizer =
      name == "chatml" ? try TokenizerLoader.load(from: Fixtures.bytePair("qwen2")) : try Fixtures.sentencePiece(legacy: false)
    var program = try template(name, tokenizer)
    if name == "llama_2" { program.system = data.system }
    var random = SplitMix(seed: 5)
    let words = ["the", "man", "14", "café", "你好", "😀", "don't", "A cat.", "x = 1;", "ASSISTANT:", "a\nb"]
    let (ours, theirs) = (
      try SampleEncoder(template: data, tokenizer: tokenizer), try SampleEncoder(template: program, tokenizer: tokenizer)
    )
    for _ in 0..<30 {
      let hasImage = Bool.random(using: &random)
      let turns = (0..<2 * Int.random(in: 1..<4, using: &random)).map { index in
        let text = (0..<Int.random(in: 1..<6, using: &random)).compactMap { _ in words.randomElement(using: &random) }
        return Turn(
          index % 2 == 0 ? .user : .assistant, (index == 0 && hasImage ? "<image>\n" : "") + text.joined(separator: " "))
      }
      #expect(try theirs.encode(turns, hasImage: hasImage) == ours.encode(turns, hasImage: hasImage), "\(turns)")
    }
  }

  /// What is supervised is spelt out, whatever the template does around it.
  @Test func answersAreFound() throws {
    func answers(_ template: ConversationTemplate, _ turns: [Turn]) throws -> [String] {
      let segments = try template.segments(for: turns, closesEmptyAnswer: true)
      let marked = segments.filter(\.isAnswer).map(\.text)
      if template.chat?.answerEnd.isEmpty == false {
        #expect(same(segments.map(\.text).joined(), try template.render(turns)))
      }
      return marked
    }
    #expect(try answers(template("llava_1_5"), turns) == [" Hello!", " A cat.</s>"])
    #expect(try answers(template("llava_next_mistral"), turns) == [" Hello!</s>", " A cat.</s>"])
    // Its prompts have no space in front of the line break, its conversations have one.
    #expect(try answers(template("llava_onevision"), turns) == [" \nHello!<|im_end|>", " \nA cat.<|im_end|>"])
    #expect(try answers(template("qwen2_5_vl"), turns) == ["Hello!<|im_end|>", "A cat.<|im_end|>"])
    #expect(try answers(template("smolvlm"), turns) == [" Hello!<end_of_utterance>", " A cat.<end_of_utterance>"])
    #expect(try answers(template("llama_3"), turns) == ["Hello!<|eot_id|>", "A cat.<|eot_id|>"])
    #expect(try answers(template("gemma"), turns) == ["Hello!<end_of_turn>", "A cat.<end_of_turn>"])
    #expect(try answers(template("zephyr"), turns) == ["Hello!</s>", "A cat.</s>"])
    // Its last words, "</s>" behind everything, are in no other place.
    #expect(try answers(template("phi_3", Spellings(["<|end|>", "</s>"])), turns) == ["Hello!<|end|>", "A cat.<|end|>"])
    // The last answer has thoughts in front of it, which earlier ones have not.
    #expect(
      try answers(template("qwen3"), turns) == ["Hello!<|im_end|>", "<think>\n\n</think>\n\nA cat.<|im_end|>"])
    let thinking = [
      turns[0], Turn(.assistant, "<think>\nhm\n</think>\n\nHello!"), turns[0], Turn(.assistant, "<think>hm</think>Yes"),
    ]
    #expect(try answers(template("qwen3"), thinking) == ["Hello!<|im_end|>", "<think>\nhm\n</think>\n\nYes<|im_end|>"])
    // Its prompts begin the thoughts, which finished conversations have not.
    #expect(
      try answers(template("deepseek_r1"), turns) == ["Hello!<｜end▁of▁sentence｜>", "A cat.<｜end▁of▁sentence｜>"])
    // Content that looks like an end, or like a header, is content; spaces that a template cuts off are not there.
    let odd = [turns[0], Turn(.assistant, " <|eot_id|>"), Turn(.user, "Hello!"), Turn(.assistant, "")]
    #expect(try answers(template("llama_3"), odd) == ["<|eot_id|><|eot_id|>", "<|eot_id|>"])
    #expect(try answers(template("chatml"), odd) == [" <|eot_id|><|im_end|>", "<|im_end|>"])
  }

  @Test func whatCannotBeDividedIsSaid() throws {
    let twice = "{% for m in messages %}{{ m.role }}:{{ m.content }}{{ m.content }};{% endfor %}"
    let never = "{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}"
    for source in [twice, never] {
      let template = try own(source)
      let error = #expect(throws: LanguageError.self) {
        try SampleEncoder(template: template, tokenizer: Fixtures.sentencePiece(legacy: false))
      }
      #expect(error?.description.contains("chat_template.jinja cannot be divided into turns") == true)
      #expect(try template.prompt(for: [turns[0]]).contains("Hi."))
    }
  }

  @Test func unusableTemplatesAreRefusedWithTheirLine() throws {
    for (source, words) in [
      ("{{ messages[0].content }}\n{% include 'x' %}", "line 2: the tag \"include\" is not supported"), ("{% if %}", "line 1"),
      ("{{ 'nothing' }}", "does not write what the user says"),
      ("{{ raise_exception('no') }}", "line 1: the template refuses this conversation: no"),
    ] {
      let error = #expect(throws: LanguageError.self) { try own(source) }
      let text = error?.description ?? ""
      #expect(text.hasPrefix("model/chat_template.jinja: ") && text.contains(words), "\(text)")
    }
  }

  /// The tokenizer puts `<s>` in front by itself; a template that writes it as well writes one too many.
  @Test func theBeginningStandsThereOnce() throws {
    let tokenizer = try Fixtures.sentencePiece(legacy: false)
    let template = try template("llama_2", tokenizer)
    let ids = try encodeWithImages(template.prompt(for: [turns[0]]), tokenizer: tokenizer)
    let bos = try #require(tokenizer.bosTokenID)
    #expect(ids.first == bos && ids.count { $0 == bos } == 1)
  }

  @Test func messagesHaveTextsAndPicturesInOrder() throws {
    func parts(_ text: String) -> [TemplateMessage.Part] { TemplateMessage(Turn(.user, text)).parts }
    #expect(parts("<image>\nWhat?") == [.image, .text("What?")])
    #expect(parts("Is\n<image>\nas <image>?") == [.text("Is"), .image, .text("as "), .image, .text("?")])
    #expect(parts("<image><image>") == [.image, .image])
    #expect(parts("") == [.text("")])
    #expect(TemplateMessage(Turn(.user, "<image>"), hasImages: false).parts == [.text("<image>")])
    let chat = try template("qwen2_5_vl")
    let message = TemplateMessage(.user, [.text("a"), .image, .text("b"), .text("c"), .image])
    #expect(
      try chat.prompt(for: [message]).contains(
        "user\na<|vision_start|><image><|vision_end|>bc<|vision_start|><image><|vision_end|><|im_end|>"))
  }
}

/// A tokenizer of which only the special spellings matter.
private struct Spellings: Tokenizer {
  let specialSpellings: [String]
  let vocabularySize = 0
  let bosTokenID: Int? = nil, eosTokenID: Int? = nil, padTokenID: Int? = nil, unknownTokenID: Int? = nil

  init(_ spellings: [String]) { specialSpellings = spellings }

  func encode(_ text: String, addSpecialTokens: Bool) throws -> [Int] { [] }
  func decode(_ ids: [Int], skipSpecialTokens: Bool) throws -> String { "" }
  func tokenID(of piece: String) -> Int? { nil }
}
