import Foundation
import TestSupport
import Testing

@testable import Training

/// The report on a whole data set.
@Suite struct DataCheckTests {
  /// The counts are those of a loop over the records, whatever the number of workers.
  @Test(arguments: [false, true]) func countsAreThoseOfASimpleLoop(countsTokens: Bool) throws {
    var random = SplitMix(seed: 13)
    let folder = try DataFolder()
    for index in 0..<3 { try folder.picture("p/\(index).png") }
    let records = (0..<60).map { index -> [String: Any] in
      let images = (0..<Int.random(in: 0...2, using: &random)).map { _ in "p/\(Int.random(in: 0...3, using: &random)).png" }
      let tags = String(repeating: "<image>", count: images.count)
      let words = String(repeating: "w ", count: Int.random(in: 1...25, using: &random))
      let turns = [tags + "q", words, "r", words]
      var record = dataRecord("\(index)", image: images.isEmpty ? nil : images)
      record["conversations"] = turns.prefix(Int.random(in: 1...4, using: &random)).enumerated().map {
        ["from": $0 % 2 == 0 ? "human" : "gpt", "value": $1]
      }
      return record
    }
    let dataset = try folder.dataset(records)
    let tokenizer = countsTokens ? try folder.tokenizer() : nil
    let check = try DatasetCheck(dataset, tokenizer: tokenizer, options: .small)
    var progress: [Int] = []
    let report = try check.run(workers: 3) { done, _ in progress.append(done) }
    #expect(progress == Array(1...60))
    #expect(try check.run(workers: 1) == report)

    let read = try (0..<dataset.count).map { try dataset.record(at: $0) }
    #expect(report.samples == 60 && report.turns == read.reduce(0) { $0 + $1.turns.count })
    #expect(report.images == read.reduce(0) { $0 + $1.images.count })
    #expect(report.textOnly == read.count { $0.images.isEmpty } && report.withImage == 60 - report.textOnly)
    let missing = read.flatMap(\.images).count { $0 == "p/3.png" }
    // A folder is told of where a sample is bad for it; a bad sample's other faults come before.
    #expect(report.incompleteFolders == [ImageFolder(folder: "p", images: report.images, missing: missing)])

    let preparer = try folder.preparer(dataset)
    let outcomes = (0..<60).map { index in Result { try preparer.sample(at: index) } }
    let samples = outcomes.compactMap { try? $0.get() }
    if countsTokens {
      #expect(report.bad == outcomes.compactMap { if case .failure(let fault as SampleFault) = $0 { fault } else { nil } })
      #expect(report.tokens == samples.reduce(0) { $0 + $1.rows })
      #expect(report.supervisedTokens == samples.reduce(0) { $0 + $1.supervisedTokens })
    } else {
      #expect(report.tokens == nil && report.supervisedTokens == nil && report.lengths.max == read.map(\.words).max())
    }
    #expect(report.lengths.unit == (countsTokens ? .tokens : .words))
  }

  /// Bins are of one round width, follow each other without a gap, and hold every length where it belongs.
  @Test func histogramsHoldEveryLength() throws {
    var random = SplitMix(seed: 14)
    for _ in 0..<300 {
      let longest = [3, 40, 2000, 1_000_000][Int.random(in: 0...3, using: &random)]
      let lengths = (0..<Int.random(in: 1...300, using: &random)).map { _ in Int.random(in: 0...longest, using: &random) }
      let summary = LengthSummary(lengths, unit: .tokens)
      let sorted = lengths.sorted()
      #expect(summary.min == sorted.first && summary.max == sorted.last && summary.count == sorted.count)
      #expect(
        sorted.count { $0 < summary.median } <= sorted.count / 2 && sorted.count { $0 > summary.median } <= sorted.count / 2)
      #expect((1...17).contains(summary.bins.count))
      let width = summary.bins[0].through - summary.bins[0].from + 1
      #expect(summary.bins.count == 1 || String(width).allSatisfy { "1250".contains($0) } && summary.bins[0].from % width == 0)
      for (bin, next) in zip(summary.bins, summary.bins.dropFirst()) {
        #expect(bin.through + 1 == next.from && bin.through - bin.from + 1 == width)
      }
      for bin in summary.bins { #expect(bin.count == lengths.count { (bin.from...bin.through).contains($0) }) }
      #expect(summary.bins.reduce(0) { $0 + $1.count } == lengths.count)
    }
    #expect(LengthSummary([], unit: .words).bins.isEmpty)
  }

  /// A few long samples do not press the others into one bin.
  @Test func outliersShareTheLastBin() {
    let summary = LengthSummary(Array(repeating: [100, 150, 240], count: 100).flatMap(\.self) + [90_000], unit: .tokens)
    #expect(summary.bins.count > 10 && summary.bins.last?.through == 90_000 && summary.bins.last?.count == 101)
  }
}
