import Audio
import Foundation
import Imaging
import LLaVA
import Language
import TestSupport
import Testing

@testable import Training

/// Everything that can be wrong with one sample.
@Suite struct DataFaultTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let code: SampleFault.Code
    let reason: String
    var path: String?
    var options = TextOptions.small
    var takesVideos = false
    var takesAudio = false
    let record: String

    init(
      _ code: SampleFault.Code, _ reason: String, path: String? = nil, options: TextOptions = .small, takesVideos: Bool = false,
      takesAudio: Bool = false, _ record: String
    ) {
      (self.code, self.reason, self.path, self.options, self.record) = (code, reason, path, options, record)
      (self.takesVideos, self.takesAudio) = (takesVideos, takesAudio)
    }

    var testDescription: String { "\(code.rawValue): \(record.prefix(60))" }
  }

  /// A record from its fields behind the id.
  private static func with(image: String? = nil, _ turns: (String, String)...) -> String {
    let turns = turns.map { #"{"from": "\#($0)", "value": "\#($1)"}"# }.joined(separator: ", ")
    return #"{"id": "bad", \#(image.map { "\"image\": \($0), " } ?? "")"conversations": [\#(turns)]}"#
  }

  private static func asking(about image: String) -> String { with(image: image, ("human", "<image>\\nq"), ("gpt", "a")) }

  private static func watching(_ video: String, tags: String = "<video>") -> String {
    #"{"id": "bad", "video": \#(video), "conversations": [{"from": "human", "value": "\#(tags)q"}, {"from": "gpt", "value": "a"}]}"#
  }

  private static func hearing(_ audio: String) -> String {
    #"{"id": "bad", "audio": "\#(audio)", "conversations": [{"from": "human", "value": "<audio>q"}, {"from": "gpt", "value": "a"}]}"#
  }

  private static let captions = TextOptions(template: .plain, visualTokens: 4, maximumLength: 120)

  static let cases = [
    Case(.malformed, "conversations", #"{"id": "bad"}"#), Case(.malformed, "not valid JSON", #"{"id": bad}"#),
    Case(.missingImage, "no such file", path: "absent.png", asking(about: #""absent.png""#)),
    Case(.missingImage, "good.png is there", path: "good.jpg", asking(about: #""good.jpg""#)),
    Case(.missingImage, "no such file", path: "good.png/x.png", asking(about: #""good.png/x.png""#)),
    Case(
      .missingImage, "no such file", path: "absent.png",
      with(image: #"["good.png", "absent.png"]"#, ("human", "<image><image>"), ("gpt", "a"))),
    Case(.unreadableImage, "cannot be read", path: "folder", asking(about: #""folder""#)),
    Case(.damagedImage, "truncated", path: "cut.png", asking(about: #""cut.png""#)),
    Case(.damagedImage, "empty", path: "empty.png", asking(about: #""empty.png""#)),
    Case(.notAnImage, "not an image", path: "text.png", asking(about: #""text.png""#)),
    Case(.notAnImage, "BMP", path: "bitmap.bmp", asking(about: #""bitmap.bmp""#)),
    Case(.oversizedImage, "pixels", path: "large.png", asking(about: #""large.png""#)),
    Case(.missingVideo, "no such file", path: "absent.mp4", takesVideos: true, watching(#""absent.mp4""#)),
    Case(.badVideo, "is not a video", path: "text.png", takesVideos: true, watching(#""text.png""#)),
    Case(.badVideo, "empty", path: "empty.png", takesVideos: true, watching(#""empty.png""#, tags: "<image>")),
    Case(.badVideo, "it is a folder", path: "folder", takesVideos: true, watching(#""folder""#)),
    Case(.noVideos, "the model takes none", path: "text.png", watching(#""text.png""#)),
    Case(.missingAudio, "no such file", path: "absent.wav", takesAudio: true, hearing("absent.wav")),
    Case(.badAudio, "is not sound", path: "text.png", takesAudio: true, hearing("text.png")),
    Case(.badAudio, "no sound", path: "empty.png", takesAudio: true, hearing("empty.png")),
    Case(.noAudio, "the model takes none", path: "text.png", hearing("text.png")),
    Case(.malformed, "video holds a number", takesVideos: true, watching("[7]")),
    Case(.placeholders, "0 <image> tags and 1 image", takesVideos: true, watching(#"["good.mp4"]"#, tags: "")),
    Case(.tooFewTurns, "0 turns", with()), Case(.tooFewTurns, "1 turn,", with(("human", "q"))),
    Case(.tooFewTurns, "2 turns", with(("gpt", "a"), ("human", "q"))),
    Case(.roles, "system", with(("system", "s"), ("human", "q"), ("gpt", "a"))),
    Case(.roles, "conversations[2]", with(("human", "q"), ("gpt", "a"), ("gpt", "a"))),
    Case(.roles, "conversations[3]", with(("gpt", "a"), ("human", "q"), ("gpt", "a"), ("gpt", "a"))),
    Case(.placeholders, "0 <image> tags and 1 image;", with(image: #""good.png""#, ("human", "q"), ("gpt", "a"))),
    Case(.placeholders, "1 <image> tag and 0 images", with(("human", "<image>q"), ("gpt", "a"))),
    Case(
      .placeholders, "2 <image> tags and 1 image",
      with(image: #""good.png""#, ("human", "<image>"), ("gpt", "a"), ("human", "<image>"), ("gpt", "a"))),
    Case(
      .placeholders, "1 <image> tag and 2 images", with(image: #"["good.png", "good.png"]"#, ("human", "<image>"), ("gpt", "a"))),
    Case(
      .template, "4 turns", options: captions,
      with(image: #""good.png""#, ("human", "<image>"), ("gpt", "a"), ("human", "q"), ("gpt", "a"))),
    Case(.template, "<image>", options: captions, with(("human", "q"), ("gpt", "a"))),
    Case(.unsupervised, "no token", with(("human", "q"), ("gpt", ""), ("human", "r"))),
    Case(.tooLong, "maximum is 120", with(("human", String(repeating: "q", count: 200)), ("gpt", "a"))),
    Case(
      .tooLong, "4 of them visual",
      with(image: #""good.png""#, ("human", "<image>" + String(repeating: "q", count: 110)), ("gpt", "a"))),
  ]

  /// Preparing, the loader and the check agree on what is wrong, and the samples around the bad one are unharmed.
  @Test(arguments: cases) func oneBadSampleIsNamedAndSkipped(_ bad: Case) throws {
    let folder = try DataFolder()
    try folder.picture("good.png")
    try folder.picture("large.png", width: 60, height: 50)
    try FileManager.default.createDirectory(at: folder.url.appending(path: "folder"), withIntermediateDirectories: true)
    let whole = try Data(contentsOf: folder.url.appending(path: "good.png"))
    for (name, bytes) in [
      ("cut.png", whole.prefix(100)), ("empty.png", Data()), ("text.png", Data("a cat".utf8)),
      ("bitmap.bmp", Data("BM".utf8) + Data(count: 60)),
    ] { try folder.write(bytes, name) }
    let good = Self.asking(about: #""good.png""#)
    let dataset = try folder.dataset(text: "[\(good), \(bad.record), \(good)]")
    let limits = ImageLimits(maximumPixels: 2000)
    let videos = try bad.takesVideos ? VideoReading(VideoPreparer(.preset("tiny-onevision"))) : nil
    let media = MediaReading(videos: videos, audio: bad.takesAudio ? AudioReading(MelSpectrogram(bands: 4, seconds: 1)) : nil)
    let preparer = try folder.preparer(dataset, bad.options, limits: limits, media: media)

    let fault = try #require(throws: SampleFault.self) { try preparer.sample(at: 1) }
    #expect(fault.index == 1 && fault.code == bad.code && fault.path == bad.path && fault.reason.contains(bad.reason), "\(fault)")
    #expect(fault.id == (bad.record.contains(": bad") ? nil : "bad"))
    // The folder of the data set is named nowhere: it is the same for all.
    #expect(!fault.description.contains(folder.url.path) && !fault.description.contains("\n"))

    let loader = try DataLoader(preparer, plan: BatchPlan(order: SampleOrder(.sequential), batch: .samples(3)), epochs: 1)
    #expect(try loader.next()?.samples.map(\.index) == [0, 2])
    let check = try DatasetCheck(
      dataset, tokenizer: folder.tokenizer(), options: bad.options, limits: limits, media: media)
    #expect(try check.run(workers: 2).bad == [fault])
  }

  /// The reason is the tokenizer's.
  @Test func aTextThatCannotBeTokenizedIsAFault() throws {
    struct Refusing: Tokenizer {
      let vocabularySize = 1
      let bosTokenID: Int? = nil, eosTokenID: Int? = nil, padTokenID: Int? = nil, unknownTokenID: Int? = nil
      func encode(_ text: String, addSpecialTokens: Bool) throws -> [Int] {
        throw LanguageError.encodingFailed(reason: "no such piece")
      }
      func decode(_ ids: [Int], skipSpecialTokens: Bool) throws -> String { "" }
      func tokenID(of piece: String) -> Int? { nil }
    }
    let folder = try DataFolder()
    let preparer = try folder.preparer(folder.dataset([dataRecord("x", "q", "a")]), tokenizer: Refusing())
    let fault = try #require(throws: SampleFault.self) { try preparer.sample(at: 0) }
    #expect(fault.code == .untokenizable && fault.reason == "no such piece")
  }

  /// A model that listens refuses pictures before they are looked for.
  @Test func picturesAreNoSound() throws {
    let folder = try DataFolder()
    let dataset = try folder.dataset(text: "[\(Self.asking(about: #""absent.png""#))]")
    let media = MediaReading(hasPictures: false, audio: AudioReading(MelSpectrogram(bands: 4, seconds: 1)))
    let fault = try #require(throws: SampleFault.self) { try folder.preparer(dataset, media: media).sample(at: 0) }
    #expect(fault.code == .noPictures && fault.path == "absent.png")
    #expect(try DatasetCheck(dataset, tokenizer: folder.tokenizer(), media: media).run(workers: 1).bad == [fault])
  }

  @Test func everyKindOfFaultHasACase() {
    #expect(Set(Self.cases.map(\.code)).union([.untokenizable, .noPictures]) == Set(SampleFault.Code.allCases))
  }
}
