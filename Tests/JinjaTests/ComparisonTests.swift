import Foundation
import TestSupport
import Testing

@testable import Jinja

/// Templates of many families and random small ones, as Python's jinja2 renders them under transformers.
@Suite struct ComparisonTests {
  /// Every template with every conversation, without and with a prompt for an answer.
  @Test func familiesAreWrittenAsByJinja2() throws {
    let golden = try Document.resource("families.json").value
    let conversations = try golden["conversations"].elements
    var variables = Dictionary(uniqueKeysWithValues: try golden["variables"].members.map { ($0.name, $0.value) })
    variables["tools"] = Value.none
    variables["documents"] = Value.none
    let families = try golden["texts"].members
    #expect(families.count >= 12)
    var refused = 0
    for (name, texts) in families {
      let url = Document.folder.appending(path: "templates/\(name).jinja")
      let template = try Template(String(decoding: Data(contentsOf: url), as: UTF8.self))
      for (messages, pair) in zip(conversations, try texts.elements) {
        variables["messages"] = messages
        for (asks, expected) in zip([false, true], try pair.elements) {
          variables["add_generation_prompt"] = .bool(asks)
          let text: String?
          do {
            text = try template.render(variables)
          } catch {
            text = nil
            #expect(error.kind == .raised || error.kind == .failed, "\(name): \(error)")
            refused += 1
          }
          if case .string(let expected) = expected {
            #expect(text?.utf8.elementsEqual(expected.utf8) == true, "\(name), \(messages.literal)")
          } else {
            #expect(text == nil, "\(name), \(messages.literal)")
          }
        }
      }
    }
    #expect(refused > 50)
  }

  @Test(arguments: [11, 12]) func randomTemplatesAreWrittenAsByJinja2(seed: Int) async throws {
    let output: String
    do {
      output = try await PythonProgram.run("chat_templates.py", ["pieces", "\(seed)", "400"])
    } catch PythonProgram.Failure.unavailable(let reason) {
      print("skipped the comparison with jinja2: \(reason)")
      try Test.cancel("\(reason)")
    }
    let document = try Document(Array(output.utf8)).value
    let variables = Dictionary(uniqueKeysWithValues: try document["variables"].members.map { ($0.name, $0.value) })
    var (equal, refused) = (0, 0)
    for example in try document["cases"].elements {
      let source = try example["template"].text
      switch (rendered(source, variables), try example["text"]) {
      case (.success(let text), .string(let expected)):
        #expect(text.utf8.elementsEqual(expected.utf8), "\(source.debugDescription)")
        equal += 1
      case (.failure, .none): refused += 1
      // What is not part of the subset is refused; nothing else may be.
      case (.failure(let error), _): #expect(error.kind == .unsupported, "\(source.debugDescription): \(error)")
      case (.success(let text), _): Issue.record("\(source.debugDescription) ends with an error in jinja2, here it gives \(text)")
      }
    }
    #expect(equal > 100 && refused > 50)
  }
}
