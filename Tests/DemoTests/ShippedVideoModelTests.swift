import Compression
import Foundation
import Imaging
import LLaVA
import Language
import Shapes
import TestSupport
import Testing
import Torch
import Video

@testable import Demo

/// The checkpoint for videos that comes with the program.
@Suite struct ShippedVideoModelTests {
  private struct Item {
    let clip: MovingClip
    let question: MovingQuestion
  }

  /// Questions about clips that no data set has, as many of each family.
  private static func items(_ count: Int) throws -> [Item] {
    try MovingFamily.allCases.flatMap { family in
      var items: [Item] = []
      for index in 0..<1000 where items.count < count {
        var generator = SceneGenerator(seed: 0xfeed, stream: UInt64(index))
        let clip = MovingClip(frames: 8, seed: 0xfeed, stream: UInt64(index))
        if let question = clip.question(family, using: &generator) { items.append(Item(clip: clip, question: question)) }
      }
      #expect(items.count == count)
      return items
    }
  }

  private static func folder() throws -> URL { try DemoCheckpoints.folder().appending(path: "moving") }

  private static func answers(_ pipeline: LLaVAPipeline, _ items: [Item], _ plan: CompressionPlan? = nil) throws -> [String] {
    let videos = try #require(pipeline.videos)
    let requests = try items.map { item in
      let frames = try item.clip.frames.map { try RGBImage(data: $0.draw().jpegData(), name: "frame") }
      let turns = [Turn(.user, LLaVAPipeline.withImageTags(item.question.prompt, images: 1)), Turn(.assistant, "")]
      return try pipeline.request(turns, pictures: [videos.frames.video(frames, secondsPerFrame: 0.5)])
    }
    var options = GenerationOptions()
    options.maximumNewTokens = 4
    options.compression = plan
    let (results, _) = try pipeline.model.generate(requests, options)
    return try results.map { try pipeline.tokenizer.decode($0.tokens, skipSpecialTokens: true) }
  }

  private static func share(_ items: [Item], _ answers: [String]) -> Double {
    Double(zip(items, answers).count { $0.question.answer == $1 }) / Double(items.count)
  }

  @Test func itKnowsWhatItShould() throws {
    let items = try Self.items(10)
    let pipeline = try LLaVAPipeline.load(from: Self.folder(), dtype: .float32)
    let full = Self.share(items, try Self.answers(pipeline, items))
    let few = Self.share(items, try Self.answers(pipeline, items, CompressionPlan("dtd:25%@1")))
    #expect(full >= 0.8 && few >= 0.6, "\(full), \(few)")
  }

  @Test func itIsWhatTheRecipeMakes() throws {
    let url = try Self.folder()
    let reader = try CheckpointReader(url)
    #expect(reader.configuration == Course.movingShapes.configuration)
    #expect(try reader.weights.allSatisfy { $0.dtype == .bfloat16 })
    let scratch = try Scratch()
    try ShapesTokenizer.moving.write(to: scratch.url)
    for file in try FileManager.default.contentsOfDirectory(atPath: scratch.url.path) {
      let (own, made) = (
        try Data(contentsOf: url.appending(path: file)), try Data(contentsOf: scratch.url.appending(path: file))
      )
      #expect(own == made, "\(file)")
    }
    let sizes = try FileManager.default.contentsOfDirectory(atPath: url.path).map { file in
      try FileManager.default.attributesOfItem(atPath: url.appending(path: file).path)[.size] as? Int ?? 0
    }
    #expect(sizes.reduce(0, +) < 4_000_000)
  }
}
