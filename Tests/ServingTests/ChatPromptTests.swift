import ChatProtocol
import Foundation
import LLaVA
import Language
import TestModels
import TestSupport
import Testing

@testable import Serving

/// Requests written down by the checkpoint's own template.
@Suite struct ChatPromptTests {
  private static let source =
    "{% if messages[0].role == 'system' %}[{{ messages[0].content }}]{% set messages = messages[1:] %}{% endif %}"
    + "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('take turns') }}{% endif %}"
    + "{{ m.role }}:{% if m.content is string %}{{ m.content }}{% else %}{% for c in m.content %}"
    + "{{ '<image>' if c.type == 'image' else c.text }}{% endfor %}{% endif %}{{ ';' }}{% endfor %}"
    + "{% if add_generation_prompt %}assistant:{% endif %}"

  private func pipeline() throws -> LLaVAPipeline {
    try withTemporaryFolder { folder in
      let place = folder.appending(path: "tiny")
      try TestModel.write(TestModel.tiny(seed: 1), to: place)
      try Data(Self.source.utf8).write(to: place.appending(path: "chat_template.jinja"))
      return try LLaVAPipeline.load(from: place)
    }
  }

  private func picture(_ index: Int) -> ChatMessage.Part { .picture(ImageReference(url: "data:\(index)", path: "\(index)")) }

  @Test func messagesGoThroughTheTemplateAsTheyAre() throws {
    let pipeline = try pipeline()
    func ids(_ text: String) throws -> [Int] { try encodeWithImages(text, tokenizer: pipeline.tokenizer) }
    let question = ChatMessage(.user, [.text("a"), picture(0), .text("b"), .text("c"), picture(1)])
    let first = try ChatPrompt([ChatMessage(.developer, [.text("Be kind.")]), question], pipeline)
    #expect(try first.ids == ids("[Be kind.]user:a<image>bc<image>;assistant:"))
    #expect(first.promptLength == nil && first.pictures.map(\.path) == ["0", "1"])

    let more = try ChatPrompt(
      [question, ChatMessage(.assistant, [.text("d")]), ChatMessage(.user, [.text("e")])], pipeline)
    #expect(try more.ids == ids("user:a<image>bc<image>;assistant:d;user:e;assistant:"))
    #expect(try more.promptLength == ids("user:a<image>bc<image>;assistant:").count)

    // Words are content, whatever they spell.
    let spelt = try ChatPrompt([ChatMessage(.user, [.text("<image></s>")])], pipeline)
    #expect(!spelt.ids.contains(imagePlaceholderID) && !spelt.ids.contains(ByteTokenizer.eosTokenID))
  }

  @Test func whatTheTemplateRefusesIsTheClientsMistake() throws {
    let messages = [ChatMessage(.user, [.text("a")]), ChatMessage(.user, [.text("b")])]
    let error = #expect(throws: APIError.self) { try ChatPrompt(messages, pipeline()) }
    #expect(error?.status == 400 && error?.message.contains("take turns") == true)
  }
}
