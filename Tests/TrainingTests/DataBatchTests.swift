import Language
import TestSupport
import Testing

@testable import Training

@Suite struct DataBatchTests {
  private typealias Outcome = Result<Sample, SampleFault>

  private func outcome(_ index: Int, _ random: inout SplitMix, faulty: Double, longest: Int) -> Outcome {
    if Double.random(in: 0...1, using: &random) < faulty {
      return .failure(SampleFault(index: index, id: nil, code: .unsupervised, reason: ""))
    }
    let rows = Int.random(in: 2...longest, using: &random)
    let images = rows > 8 ? Int.random(in: 0...1, using: &random) : 0
    let ids = Array(repeating: imagePlaceholderID, count: images) + Array(repeating: 5, count: rows - 4 * images)
    return .success(Sample(index: index, id: nil, ids: ids, labels: ids, pictures: [], visualTokens: 4 * images))
  }

  /// The batches of whole epochs, begun at a cursor.
  private func batches(_ rule: BatchRule, _ epochs: [[Outcome]], from cursor: SampleCursor = SampleCursor()) throws
    -> [BatchImage]
  {
    let count = epochs[0].count
    var assembler = BatchAssembler(rule, count: count, from: cursor)
    var result: [SampleBatch] = []
    for epoch in cursor.epoch..<epochs.count {
      for position in (epoch == cursor.epoch ? cursor.position : 0)..<count {
        result += assembler.take(epochs[epoch][position], at: SampleCursor(epoch: epoch, position: position))
      }
    }
    return try result.map(BatchImage.init)
  }

  /// What any rule must hold, over random streams with faults in them.
  @Test func batchesPartitionTheStream() throws {
    var random = SplitMix(seed: 5)
    for _ in 0..<300 {
      let count = Int.random(in: 1...25, using: &random)
      let faulty = [0, 0.2, 0.9][Int.random(in: 0..<3, using: &random)]
      let epochs = (0..<3).map { _ in (0..<count).map { outcome($0, &random, faulty: faulty, longest: 20) } }
      let size = Int.random(in: 1...6, using: &random)
      let budget = Int.random(in: 20...70, using: &random)
      for rule in [BatchRule.samples(size), .tokens(budget)] {
        let found = try batches(rule, epochs)
        let stream = epochs.joined()
        #expect(found.flatMap(\.indices) == stream.compactMap { try? $0.get().index })
        #expect(found.allSatisfy { !$0.indices.isEmpty })
        for (one, following) in zip(found, found.dropFirst()) { #expect(one.next == following.start && one.start < one.next) }
        for batch in found {
          #expect(batch.next.position < count)
          #expect(try batches(rule, epochs, from: batch.next) == found.filter { $0.start >= batch.next })
        }
      }
    }
  }

  @Test func aBudgetIsKeptAndUsed() throws {
    var random = SplitMix(seed: 6)
    for _ in 0..<300 {
      let count = Int.random(in: 1...40, using: &random)
      let epoch = (0..<count).map { outcome($0, &random, faulty: 0.1, longest: 20) }
      let rows = epoch.map { (try? $0.get().rows) ?? 0 }
      let budget = Int.random(in: 20...100, using: &random)
      let found = try batches(.tokens(budget), [epoch])
      for (number, batch) in found.enumerated() {
        let sum = batch.indices.reduce(0) { $0 + rows[$1] }
        #expect(sum <= budget)
        // The sample that comes next would not have fitted.
        if number + 1 < found.count { #expect(sum + rows[found[number + 1].indices[0]] > budget) }
      }
    }
  }

  /// Slots are those of the order without faults, less what is faulty.
  @Test func slotsStayWhereTheyAre() throws {
    var random = SplitMix(seed: 7)
    for _ in 0..<300 {
      let count = Int.random(in: 1...40, using: &random)
      let epoch = (0..<count).map { outcome($0, &random, faulty: 0.4, longest: 20) }
      let size = Int.random(in: 1...7, using: &random)
      let expected = stride(from: 0, to: count, by: size).map { start in
        (start..<min(start + size, count)).filter { (try? epoch[$0].get()) != nil }
      }
      #expect(try batches(.samples(size), [epoch]).map(\.indices) == expected.filter { !$0.isEmpty })
    }
  }
}
