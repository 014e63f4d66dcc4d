import Compression
import Foundation
import Imaging
import LLaVA
import Language
import TestModels
import TestSupport
import Testing
import Torch

/// Dropping visual tokens from the command line.
@Suite struct CompressionCommandTests {
  private struct Report: Decodable {
    struct Cut: Decodable, Equatable {
      let layer: Int
      let keptIndices: [[Int]]
    }
    let tokens: [Int]
    let promptTokens, visualTokens, keptVisualTokens, kvCacheBytes: Int
    let keptIndices: [[Int]]?
    let cuts: [Cut]?
  }

  private struct Findings: Decodable {
    struct Accounting: Decodable { let prefillTFLOPs, kvCacheMB: Double }
    struct Measured: Decodable { let prefillSeconds, speedup, selectionShare: Double }
    struct Row: Decodable {
      let compressor: String
      let keep: Int
      let averageVisualTokens: Double
      let `true`, paper: Accounting
      let measured: Measured?
    }
    let rows: [Row]
  }

  private func generate(_ place: Scratch, _ arguments: [String], pictures: Int = 1) async throws -> Report {
    let house = place.url.appending(path: "house.png").path
    let outcome = try await EpicCommand.run(
      ["generate", "--model", place.url.appending(path: "model").path, "--max-tokens", "6", "--json", "--prompt", "What is it?"]
        + (pictures == 0 ? [] : ["--image"] + Array(repeating: house, count: pictures)) + arguments)
    #expect(outcome.code == 0 && outcome.err == "", "\(outcome.err)")
    return try JSONDecoder().decode(Report.self, from: Data(outcome.out.utf8))
  }

  @Test func withoutCompressionNothingIsSaidToBeKeptByChoice() async throws {
    let place = try EpicCommand.workplace()
    let found = try await generate(place, [])
    #expect(found.keptVisualTokens == 16 && found.keptIndices == nil && found.cuts == nil)
    // float32 keys and values of 4 layers, 2 heads of 16.
    #expect(found.kvCacheBytes == found.promptTokens * 4 * 2 * 2 * 16 * 4)
    let same = try await generate(place, ["--ratio", "0"])
    #expect(same.tokens == found.tokens && same.keptIndices == [Array(0..<16)] && same.cuts == [])
  }

  /// What the command reports is what the library chooses.
  @Test(arguments: ["dart", "fastv", "random", "uniform"]) func theCommandDropsWhatTheLibraryDrops(_ name: String) async throws {
    let place = try EpicCommand.workplace()
    let found = try await generate(place, ["--compressor", name, "--keep", "5", "--layer", "1", "--seed", "3"], pictures: 2)
    let pipeline = try LLaVAPipeline.load(from: place.url.appending(path: "model"))
    var options = GenerationOptions()
    options.maximumNewTokens = 6
    options.seed = 3
    options.compression = try CompressionPlan(
      ReducerRegistry.standard.reducer(name), cuts: [CompressionPlan.Cut(layer: 1, .keep(5))])
    let house = try RGBImage(contentsOf: place.url.appending(path: "house.png"), orientation: .honoured)
    let turns = [Turn(.user, LLaVAPipeline.withImageTags("What is it?", images: 2)), Turn(.assistant, "")]
    let expected = try pipeline.answer(pipeline.request(turns, images: [house, house]), options).result
    #expect(found.keptIndices == expected.cuts[0].keptIndices && found.tokens == expected.tokens)
    #expect(found.keptVisualTokens == 10 && found.visualTokens == 32 && found.kvCacheBytes == expected.kvCacheBytes)
    #expect(found.keptIndices?.map(\.count) == [5, 5])
  }

  /// A plan in full is what the short options say, and more.
  @Test func plansInFullAreTheShortForms() async throws {
    let place = try EpicCommand.workplace()
    let short = try await generate(
      place, ["--compressor", "dart", "--keep", "9", "--layer", "1", "--then-layer", "3", "--then-keep", "4"])
    let full = try await generate(place, ["--reduce", "dart:9@1,dart:4@3"])
    #expect(full.tokens == short.tokens && full.cuts == short.cuts && full.keptIndices?.map(\.count) == [4])
    let mixed = try await generate(place, ["--reduce", "uniform:12@features,fastv:25%@2"])
    #expect(mixed.keptVisualTokens == 4 && mixed.cuts?.map(\.layer) == [0, 2])
    let profile = try await EpicCommand.run(["profile", "--reduce", "dart:64@2,dart:16@15", "--json"])
    #expect(profile.code == 0 && profile.out.contains("dart:64@2,dart:16@15"), "\(profile.err)")
  }

  /// DART never drops its pivots, whatever the ratio; whoever asks for less is told.
  @Test func aRatioThatAFormulaCannotMeetIsSaid() async throws {
    let place = try EpicCommand.workplace()
    let model = place.url.appending(path: "model").path
    let picture = place.url.appending(path: "house.png").path
    let ask = ["generate", "--model", model, "--image", picture, "--max-tokens", "1", "--prompt", "What?", "--json"]
    let all = try await EpicCommand.run(ask + ["--ratio", "1.0"])
    #expect(
      all.code == 0 && all.err.contains("ratio 1.0 leaves 4 of 16 visual tokens") && all.err.contains("--keep"), "\(all.err)")
    let fastv = try await EpicCommand.run(ask + ["--ratio", "1.0", "--compressor", "fastv"])
    #expect(fastv.code == 0 && fastv.err == "")
  }

  @Test func twoCutsAndTheRatio() async throws {
    let place = try EpicCommand.workplace()
    let found = try await generate(place, ["--ratio", "0.5", "--then-layer", "3", "--then-keep", "2", "--compressor", "fastv"])
    let cuts = try #require(found.cuts)
    #expect(cuts.map(\.layer) == [2, 3] && cuts.map { $0.keptIndices[0].count } == [8, 2])
    #expect(Set(cuts[0].keptIndices[0]).isSuperset(of: cuts[1].keptIndices[0]) && cuts[1].keptIndices == found.keptIndices)
    let none = try await generate(place, ["--keep", "4", "--then-layer", "3", "--then-keep", "0"])
    #expect(none.keptVisualTokens == 0 && none.keptIndices == [[]])
  }

  @Test func poolingShortensThePrompt() async throws {
    let place = try EpicCommand.workplace()
    let (whole, pooled) = (try await generate(place, []), try await generate(place, ["--compressor", "pool", "--keep", "4"]))
    #expect(pooled.promptTokens == whole.promptTokens - 12 && pooled.keptVisualTokens == 4 && pooled.keptIndices == nil)
  }

  @Test func textAloneHasNothingToDrop() async throws {
    let place = try EpicCommand.workplace()
    let found = try await generate(place, ["--keep", "4"], pictures: 0)
    let whole = try await generate(place, [], pictures: 0)
    #expect(found.keptVisualTokens == 0 && found.keptIndices == [] && found.tokens == whole.tokens)
  }

  /// Kept patches look as the model sees them, dropped ones are darker; nothing but the file is written.
  @Test func theOverlayShowsWhatIsReported() async throws {
    let place = try EpicCommand.workplace()
    let file = place.url.appending(path: "overlay.png")
    let found = try await generate(place, ["--keep", "5", "--overlay", file.path])
    let kept = try #require(found.keptIndices?[0])
    let drawn = try RGBImage(contentsOf: file, orientation: .ignored)
    let house = try RGBImage(contentsOf: place.url.appending(path: "house.png"), orientation: .honoured)
    let side = drawn.width / 4
    let seen = try ImagePreprocessor(imageSize: 56).magnified(by: drawn.width / 56).resizedPixels(house)
    #expect(drawn.width == drawn.height && drawn.width >= 600 && drawn.width % 56 == 0)
    for patch in 0..<16 {
      let place = 3 * ((patch / 4 * side + side / 2) * drawn.width + patch % 4 * side + side / 2)
      let (shown, real) = (Array(drawn.pixels[place..<place + 3]), Array(seen.pixels[place..<place + 3]))
      #expect(kept.contains(patch) ? shown == real : zip(shown, real).allSatisfy { Int($0) <= Int($1) / 4 }, "patch \(patch)")
    }
  }

  /// A chat over the shortened cache gives what the library's gives.
  @Test func chatGoesOnWithFewTokens() async throws {
    let place = try EpicCommand.workplace()
    let house = place.url.appending(path: "house.png")
    let outcome = try await EpicCommand.run(
      ["chat", "--model", place.url.appending(path: "model").path, "--image", house.path, "--max-tokens", "4", "--keep", "3"],
      input: Data("What is it?\nAnd now?\n".utf8))
    var options = GenerationOptions()
    options.maximumNewTokens = 4
    options.compression = try CompressionPlan(DART(), layer: 2, .keep(3))
    var session = try ChatSession(
      .load(from: place.url.appending(path: "model")), images: [RGBImage(contentsOf: house, orientation: .honoured)], options)
    var expected = ""
    for question in ["What is it?", "And now?"] {
      var shown = ""
      _ = try session.reply(to: question) {
        shown += $0; return true
      }
      expected += shown + (shown.hasSuffix("\n") ? "" : "\n")
    }
    #expect(outcome.code == 0 && outcome.out == expected, "\(outcome.err)")
  }

  @Test func profileCountsAndMeasures() async throws {
    func profile(_ arguments: [String]) async throws -> [Findings.Row] {
      let outcome = try await EpicCommand.run(["profile", "--json"] + arguments)
      #expect(outcome.code == 0, "\(outcome.err)")
      return try JSONDecoder().decode(Findings.self, from: Data(outcome.out.utf8)).rows
    }
    let published = try await profile(["--keep", "576,64"])
    #expect(published.map { ($0.paper.prefillTFLOPs * 100).rounded() } == [933, 153])
    #expect(published.map { ($0.paper.kvCacheMB * 10).rounded() } == [3672, 409])
    #expect(published.map(\.averageVisualTokens) == [576, 96] && published.allSatisfy { $0.measured == nil })
    let place = try EpicCommand.workplace()
    let model = ["--model", place.url.appending(path: "model").path, "--layer", "1"]
    let timed = try await profile(
      model + ["--measure", "--rounds", "1", "--compressor", "dart,pool", "--keep", "4,1", "--text-tokens", "9"])
    #expect(timed.map(\.compressor) == ["dart", "dart", "pool", "pool"] && timed.map(\.keep) == [4, 1, 4, 1])
    #expect(timed.allSatisfy { $0.measured.map { $0.prefillSeconds > 0 && $0.speedup > 0 } ?? false })
    #expect((timed[0].measured?.selectionShare ?? 0) > 0)
    let budgets = try await profile(model).map(\.keep)
    #expect(budgets == [16, 7, 5, 4, 2, 1])
    let table = try await EpicCommand.run(["profile", "--keep", "64", "--then-layer", "16", "--then-keep", "0"])
    #expect(table.out.contains("KV MB (paper)") && table.out.contains("to 0 after layer 16"))
  }
}
