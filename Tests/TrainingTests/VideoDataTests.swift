import Foundation
import Imaging
import LLaVA
import Language
import MadeVideos
import TestSupport
import Testing
import Video

@testable import Training

/// Records with videos.
@Suite struct VideoDataTests {
  /// Either tag will do for a video, and pictures and videos come in the order of their tags.
  @Test func mediaStandWhereTheirTagsAre() throws {
    let rows: [(text: String, fields: String, expected: String, images: [String], media: [Medium])] = [
      ("<video>\\nq", #""video": "a.mp4""#, "<image>\nq", ["a.mp4"], [.video]),
      ("<image>\\nq", #""video": "a.mp4""#, "<image>\nq", ["a.mp4"], [.video]),
      ("<video>q<image>", #""image": "p.png", "video": "a.mp4""#, "<image>q<image>", ["a.mp4", "p.png"], [.video, .image]),
      ("<image>q<video>", #""image": "p.png", "video": ["a.mp4"]"#, "<image>q<image>", ["p.png", "a.mp4"], [.image, .video]),
      ("<image><image>", #""image": "p.png", "video": "a.mp4""#, "<image><image>", ["p.png", "a.mp4"], [.image, .video]),
      // Without a video it is text.
      ("<image>what is <video>?", #""image": "p.png""#, "<image>what is <video>?", ["p.png"], [.image]),
    ]
    for row in rows {
      let text =
        #"[{\#(row.fields), "conversations": [{"from": "human", "value": "\#(row.text)"}, {"from": "gpt", "value": "a"}]}]"#
      let record = try DataFolder().dataset(text: text).record(at: 0)
      #expect(record.turns.first?.text == row.expected && record.images == row.images && record.media == row.media, "\(row.text)")
    }
  }

  @Test func samplesHaveTheFramesOfTheirVideos() throws {
    let folder = try DataFolder()
    try folder.picture("p.png")
    var made = MadeVideo(frames: 20, fps: 10)
    (made.width, made.height) = (64, 48)
    try made.write(to: folder.url.appending(path: "a.mp4"))
    let configuration = try LLaVAConfiguration.preset("tiny-onevision")
    let dataset = try folder.dataset([
      [
        "id": "v", "video": "a.mp4", "image": "p.png",
        "conversations": [["from": "human", "value": "<image>\n<video>\nq"], ["from": "gpt", "value": "a"]],
      ] as [String: Any]
    ])
    let reading = VideoReading(VideoPreparer(configuration), sampling: FrameSampling(fps: 2, maximumFrames: 3))
    let preparer = try folder.preparer(
      dataset, TextOptions(template: .terse, maximumLength: 400), media: MediaReading(videos: reading),
      layout: { configuration.layout(of: $0) })
    let sample = try preparer.sample(at: 0)
    #expect(sample.pictures.map(\.shape.isVideo) == [false, true])
    let video = sample.pictures[1].shape
    #expect(video.views == 3 && video.viewHeight == 56 && video.viewWidth == 56)
    #expect(abs((video.secondsPerFrame ?? 0) - 2.0 / 3) < 1e-3)
    #expect(sample.visualTokens == sample.pictures.map { configuration.layout(of: $0.shape).count }.reduce(0, +))
    let check = try DatasetCheck(
      dataset, tokenizer: folder.tokenizer(), options: TextOptions(template: .terse, maximumLength: 400),
      tokens: { configuration.layout(of: configuration.shape(height: $0, width: $1, isAlone: $2)).count },
      media: MediaReading(videos: reading),
      preparedTokens: { configuration.layout(of: $0).count })
    let report = try check.run(workers: 1)
    #expect(report.bad.isEmpty && report.samples == 1)

    // The same from a shard, and from the record itself.
    func bytes(_ name: String) throws -> Data { try Data(contentsOf: folder.url.appending(path: name)) }
    let text =
      #"{"id": "v", "conversations": [{"from": "human", "value": "<image>\n<video>\nq"}, {"from": "gpt", "value": "a"}]}"#
    let tar = MadeTar([
      ("v.json", Array(text.utf8)), ("v.mp4", [UInt8](try bytes("a.mp4"))), ("v.png", [UInt8](try bytes("p.png"))),
      ("w.json", Array(text.utf8)), ("w.mp4", Array("no video".utf8)), ("w.png", [UInt8](try bytes("p.png"))),
    ])
    try folder.write(tar.data, "v.tar")
    let uri = "data:video/mp4;base64," + (try bytes("a.mp4")).base64EncodedString()
    let inline: [String: Any] = [
      "id": "v", "video": uri, "image": "p.png",
      "conversations": [["from": "human", "value": "<image>\n<video>\nq"], ["from": "gpt", "value": "a"]],
    ]
    let sources = try [InstructionDataset(contentsOf: folder.url.appending(path: "v.tar")), folder.dataset([inline])]
    for source in sources {
      let other = try folder.preparer(
        source, TextOptions(template: .terse, maximumLength: 400), media: MediaReading(videos: reading),
        layout: { configuration.layout(of: $0) })
      let same = try other.sample(at: 0)
      #expect(same.ids == sample.ids && same.pictures.map(\.shape) == sample.pictures.map(\.shape))
      #expect(try same.pictures[1].views.array(Float.self) == sample.pictures[1].views.array(Float.self))
      if source.count == 2 {
        let fault = #expect(throws: SampleFault.self) { try other.sample(at: 1) }
        #expect(fault?.code == .badVideo && fault?.path == "w.mp4")
      }
    }
  }
}
