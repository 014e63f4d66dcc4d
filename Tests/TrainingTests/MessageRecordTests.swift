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

  /// Hugging Face's objects and base64 without a prefix, wherever a path may stand.
  @Test func picturesMayBeBytes() throws {
    let folder = try DataFolder()
    try folder.picture("p.png", width: 20, height: 14)
    let bytes = try Data(contentsOf: folder.url.appending(path: "p.png"))
    let text = bytes.base64EncodedString()
    let spellings: [Any] = [
      "p.png", text, ["bytes": text, "path": "elsewhere.png"], ["bytes": bytes.map { Int($0) }], ["path": "p.png"],
      ["bytes": NSNull(), "path": "p.png"], ["bytes": "data:image/png;base64,\(text)"], [["bytes": text]],
    ]
    var records = spellings.map { dataRecord("s", image: $0, "<image>\nq", "a") }
    records += spellings.prefix(7).map { spelling in
      let parts: [[String: Any]] = [["type": "image", "image": spelling], ["type": "text", "text": "q"]]
      return ["messages": [["role": "user", "content": parts], ["role": "assistant", "content": "a"]]]
    }
    // The medium is listed, the part says where it stands.
    records.append([
      "images": [["bytes": text]],
      "messages": [
        ["role": "user", "content": [["type": "image"], ["type": "text", "text": "q"]]], ["role": "assistant", "content": "a"],
      ],
    ])
    let good = records.count
    records += ["AAAA", "?", ""].map { dataRecord("bad", image: ["bytes": $0], "<image>q", "a") }
    let preparer = try folder.preparer(folder.dataset(records))
    let first = try preparer.sample(at: 0)
    for index in 1..<good {
      let sample = try preparer.sample(at: index)
      #expect(try sample.pictures[0].views.array(Float.self) == first.pictures[0].views.array(Float.self), "\(index)")
      #expect(sample.ids == first.ids && sample.labels == first.labels, "\(index)")
    }
    for (index, code) in zip(good..., [SampleFault.Code.notAnImage, .damagedImage, .damagedImage]) {
      let fault = #expect(throws: SampleFault.self) { try preparer.sample(at: index) }
      #expect(fault?.code == code && fault?.path == "the record's bytes", "\(fault.map { "\($0)" } ?? "")")
    }
    // Neither report nor fault repeats the bytes.
    let report = try DatasetCheck(preparer.dataset).run(workers: 2)
    #expect(report.bad.count == 3 && report.incompleteFolders.isEmpty && report.images == records.count)
  }

  /// What is deep or long is read within bounds, or one bad record.
  @Test func hostileRecordsAreBadRecords() throws {
    let folder = try DataFolder()
    let long = String(repeating: "a", count: 3 << 20)
    let good = #"{"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}"#
    let texts = [
      #"{"id": "a", "x": \#(String(repeating: "[", count: 100_000))\#(String(repeating: "]", count: 100_000))}"#,
      #"{"id": "a", "messages": \#(String(repeating: #"{"a":"#, count: 50_000))1\#(String(repeating: "}", count: 50_000))}"#,
      #"{"id": "\#(long)", "image": "\#(long)", "conversations": [{"from": "\#(long)", "value": "q"}]}"#,
      #"{"image": {"bytes": {"bytes": {}}}, "messages": []}"#,
      #"{"image": {"bytes": [\#(String(repeating: "1,", count: 100_000))-1]}, "messages": []}"#,
    ]
    for layout in ["[\(good), \(texts.joined(separator: ", ")), \(good)]", ([good] + texts + [good]).joined(separator: "\n")] {
      let dataset = try folder.dataset(text: layout)
      #expect(dataset.count == texts.count + 2)
      for index in 1...texts.count {
        let fault = #expect(throws: SampleFault.self) { try dataset.record(at: index) }
        #expect(fault.map { $0.reason.utf8.count < 300 } == true, "\(index)")
      }
      #expect(try dataset.record(at: texts.count + 1).turns.count == 2)
    }
  }

  @Test(arguments: [
    (#"{"messages": "hi"}"#, "messages is"), (#"{"messages": [{"role": "system", "content": "Be brief."}]}"#, "template's"),
    (#"{"messages": [{"role": "tool", "content": "x"}]}"#, "use user or assistant"),
    (#"{"messages": [{"role": "user", "content": [{"type": "table"}]}]}"#, "messages[0].content[0].type"),
    (
      #"{"messages": [{"role": "user", "content": [{"type": "image"}]}, {"role": "assistant", "content": "a"}]}"#,
      "1 <image> tag and 0 images"
    ), (#"{"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}"#, "has no field image_url"),
    (#"{"messages": [{"role": "user", "content": [{"type": "image", "image": 3}]}]}"#, "a number where a path belongs"),
    (#"{"image": {"bytes": 3}, "messages": []}"#, "image.bytes is a number"),
    (#"{"image": {"bytes": [1, 256]}, "messages": []}"#, "numbers of 0 to 255"),
    (#"{"image": {"bytes": null}, "messages": []}"#, "without bytes or path"),
    (#"{"image": {"bytes": "", "path": ""}, "conversations": "x"}"#, "conversations is"),
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
