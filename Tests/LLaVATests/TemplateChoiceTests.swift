import Foundation
import Language
import TestModels
import TestSupport
import Testing

@testable import LLaVA

/// Which conversation template a checkpoint is used with, and what follows from it.
@Suite struct TemplateChoiceTests {
  private let scratch: Scratch
  private let folder: URL

  init() throws {
    scratch = try Scratch()
    folder = scratch.url.appending(path: "model")
    try TestModel.write(TestModel.tiny(seed: 1), to: folder)
  }

  private static let source =
    "{% for m in messages %}{{ m.role }}:{% for c in m.content %}{{ '<pic>' if c.type == 'image' else c.text }}{% endfor %}<pad>\n{% endfor %}"
    + "{% if add_generation_prompt %}assistant:{% endif %}"

  private func write(_ source: String, _ name: String = "chat_template.jinja") throws {
    try Data(source.utf8).write(to: folder.appending(path: name))
  }

  @Test func withoutATemplateTheFamilysIsUsed() throws {
    #expect(try LLaVAPipeline.load(from: folder).template == .vicunaV1)
    let error = #expect(throws: LanguageError.self) { try LLaVAPipeline.load(from: folder, template: "checkpoint") }
    #expect(error?.description.contains("chat_template.jinja") == true)
  }

  @Test func theCheckpointsOwnIsUsedUnlessAnotherIsNamed() throws {
    try write(Self.source.replacing("<pic>", with: "<image>"))
    let pipeline = try LLaVAPipeline.load(from: folder)
    #expect(pipeline.template.name == "checkpoint" && pipeline.template.stopStrings == ["<pad>"])
    // Answers end with what the template ends them with.
    #expect(pipeline.model.configuration.eosTokenIDs == [ByteTokenizer.eosTokenID, ByteTokenizer.padTokenID])
    let turns = [Turn(.user, "<image>\nA?"), Turn(.assistant, "B"), Turn(.user, "C <image>"), Turn(.assistant, "")]
    #expect(try pipeline.template.prompt(for: turns) == "user:<image>A?<pad>\nassistant:B<pad>\nuser:C <image><pad>\nassistant:")
    #expect(try pipeline.with(system: "S").template.prompt(for: turns).hasPrefix("system:S<pad>\nuser:"))
    #expect(try LLaVAPipeline.load(from: folder, template: "checkpoint").template == pipeline.template)
    #expect(try LLaVAPipeline.load(from: folder, template: "llama_2").template == .llama2)
    // A conversation goes on from the cache as with any other template.
    var chat = try ChatSession(pipeline, images: [try TestModel.drawing()])
    chat.options.maximumNewTokens = 4
    _ = try chat.reply(to: "What?")
    let second = try chat.reply(to: "Why?")
    #expect(second.result.promptTokens > 0 && chat.turns.count == 4)
  }

  @Test func aTemplateThatCannotBeUsedIsRefusedWithItsLine() throws {
    try write("{{ messages[0].content }}\n{% extends 'x' %}")
    let error = #expect(throws: LanguageError.self) { try LLaVAPipeline.load(from: folder) }
    let text = error?.description ?? ""
    #expect(
      text.contains("chat_template.jinja: line 2: the tag \"extends\" is not supported") && text.contains("--template"), "\(text)"
    )
    #expect(try LLaVAPipeline.load(from: folder, template: "vicuna_v1").template == .vicunaV1)
  }

  @Test func aNamedFormatBringsTheCheckpointsSystemText() throws {
    try write(
      "{% for m in messages %}{% if loop.first %}{{ '<|im_start|>system\nYou are SmolLM.<|im_end|>\n' }}{% endif %}"
        + "{{'<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n'}}{% endfor %}")
    #expect(try LLaVAPipeline.load(from: folder, template: "chatml").template.system == "You are SmolLM.")
  }

  @Test func fingerprintsTellTemplatesApart() throws {
    func fingerprint() throws -> String {
      try ModelFingerprint(LLaVAPipeline.load(from: folder), tokenizer: folder, .samples).text
    }
    let without = try fingerprint()
    try write(Self.source.replacing("<pic>", with: "<image>"))
    let own = try fingerprint()
    try write(Self.source.replacing("<pic>", with: "<image> "))
    #expect(Set([without, own, try fingerprint()]).count == 3)
  }
}
