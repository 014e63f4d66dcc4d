import Foundation
import Imaging
import Language
import TestModels
import TestSupport
import Testing

@testable import Training

/// Records with `messages`.
@Suite struct MessageRecordTests {
  private func record(_ text: String) throws -> InstructionRecord { try DataFolder().dataset(text: "[\(text)]").record(at: 0) }

  /// The same record in both formats, and with lists of media beside tags.
  @Test func messagesSayWhatConversationsSay() throws {
    let conversations = try record(
      #"{"id": "a", "image": ["p.png", "q.png"], "conversations": [{"from": "human", "value": "<image>\n<image>\nWhich?"}, "#
        + #"{"from": "gpt", "value": "Both."}]}"#)
    let parts = try record(
      #"{"id": "a", "messages": [{"role": "user", "content": [{"type": "image", "image": "p.png"}, "#
        + #"{"type": "image_url", "image_url": {"url": "q.png"}}, {"type": "text", "text": "Which?"}]}, "#
        + #"{"role": "assistant", "content": "Both."}]}"#)
    let tags = try record(
      #"{"id": "a", "images": ["p.png", "q.png"], "messages": [{"role": "user", "content": "<image>\n<image>\nWhich?"}, "#
        + #"{"role": "assistant", "content": [{"type": "text", "text": "Both."}]}]}"#)
    #expect(parts == conversations && tags == conversations)
    let film = try record(
      #"{"messages": [{"role": "user", "content": [{"type": "text", "text": "Look: "}, {"type": "video", "video": "a.mp4"}, "#
        + #"{"type": "image_url", "image_url": "p.png"}]}, {"role": "assistant", "content": "Yes."}]}"#)
    #expect(film.images == ["a.mp4", "p.png"] && film.media == [.video, .image])
    #expect(film.turns[0].text == "Look: <image>\n<image>\n")
  }

  /// A picture inside of a record is the same as in a file.
  @Test func picturesMayLieInRecords() throws {
    let folder = try DataFolder()
    try folder.picture("p.png", width: 20, height: 14)
    let uri = "data:image/png;base64," + (try Data(contentsOf: folder.url.appending(path: "p.png"))).base64EncodedString()
    let dataset = try folder.dataset([
      dataRecord("file", image: "p.png", "<image>q", "a"), dataRecord("uri", image: uri, "<image>q", "a"),
      dataRecord("broken", image: "data:image/png;base64,?", "<image>q", "a"),
      dataRecord("text", image: "data:image/png;base64,aGVsbG8=", "<image>q", "a"),
    ])
    let preparer = try folder.preparer(dataset)
    let (file, inside) = (try preparer.sample(at: 0), try preparer.sample(at: 1))
    #expect(try file.pictures[0].views.array(Float.self) == inside.pictures[0].views.array(Float.self))
    for (index, code) in [(2, SampleFault.Code.damagedImage), (3, .notAnImage)] {
      let fault = #expect(throws: SampleFault.self) { try preparer.sample(at: index) }
      #expect(fault?.code == code && fault?.path == "a data URI", "\(fault.map { "\($0)" } ?? "")")
    }
  }

  @Test(arguments: [
    (#"{"messages": "hi"}"#, "messages is"), (#"{"messages": [{"role": "system", "content": "Be brief."}]}"#, "template's"),
    (#"{"messages": [{"role": "tool", "content": "x"}]}"#, "use user or assistant"),
    (#"{"messages": [{"role": "user", "content": [{"type": "table"}]}]}"#, "messages[0].content[0].type"),
    (#"{"messages": [{"role": "user", "content": [{"type": "image"}]}]}"#, "has no field image"),
    (#"{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": ""}}]}]}"#, "empty"),
    (#"{"messages": [{"role": "user"}]}"#, "has no field content"), (#"{"text": "hi"}"#, "nor messages"),
    (#"{"messages": [{"role": "user", "content": 3}]}"#, "where text belongs"),
  ]) func whatIsNoMessageIsNamed(_ text: String, _ words: String) throws {
    let folder = try DataFolder()
    let dataset = try folder.dataset(text: "[\(text)]")
    let fault = #expect(throws: SampleFault.self) { try folder.preparer(dataset).sample(at: 0) }
    #expect(fault.map { "\($0)".contains(words) } ?? false, "\(fault.map { "\($0)" } ?? "")")
  }
}
