import Basics
import TestSupport
import Testing

@testable import Training

@Suite struct DataOrderTests {
  /// LLaVA's `llava_trainer.py`, statement by statement, with permutations that are handed in.
  private enum Original {
    static func splitToEvenChunks(_ indices: [Int], _ lengths: [Int], _ chunks: Int) -> [[Int]] {
      if indices.count % chunks != 0 {
        return (0..<chunks).map { start in indices.enumerated().filter { $0.offset % chunks == start }.map(\.element) }
      }
      let perChunk = indices.count / chunks
      var result = [[Int]](repeating: [], count: chunks)
      var running = [Double](repeating: 0, count: chunks)
      for index in indices {
        var shortest = 0
        for chunk in 0..<chunks where running[chunk] < running[shortest] { shortest = chunk }
        result[shortest].append(index)
        running[shortest] += Double(lengths[index])
        if result[shortest].count == perChunk { running[shortest] = .infinity }
      }
      return result
    }

    static func lengthGrouped(_ lengths: [Int], _ batch: Int, _ world: Int, _ permutation: (Int) -> [Int]) -> [Int] {
      let indices = permutation(lengths.count)
      var result: [Int] = []
      var rest = indices[...]
      while !rest.isEmpty {
        let megabatch = Array(rest.prefix(world * batch))
        rest = rest.dropFirst(world * batch)
        // Insertion sort: stable, descending.
        var sorted: [Int] = []
        for index in megabatch {
          let place = sorted.firstIndex { lengths[$0] < lengths[index] } ?? sorted.count
          sorted.insert(index, at: place)
        }
        for chunk in splitToEvenChunks(sorted, lengths, world) { result += chunk }
      }
      return result
    }

    static func modalityGrouped(_ lengths: [Int], _ batch: Int, _ world: Int, _ permutation: (Int) -> [Int]) -> [Int] {
      if lengths.allSatisfy({ $0 > 0 }) || lengths.allSatisfy({ $0 < 0 }) {
        return lengthGrouped(lengths.map(abs), batch, world, permutation)
      }
      let multimodal = lengths.indices.filter { lengths[$0] > 0 }
      let language = lengths.indices.filter { lengths[$0] < 0 }
      let first = lengthGrouped(multimodal.map { lengths[$0] }, batch, world, permutation).map { multimodal[$0] }
      let second = lengthGrouped(language.map { -lengths[$0] }, batch, world, permutation).map { language[$0] }
      func slices(_ list: [Int]) -> [[Int]] {
        stride(from: 0, to: list.count, by: world * batch).map { Array(list[$0..<min($0 + world * batch, list.count)]) }
      }
      let (a, b) = (slices(first), slices(second))
      let megabatches = a.dropLast() + b.dropLast()
      let additional = a[a.count - 1] + b[b.count - 1]
      return permutation(megabatches.count).flatMap { megabatches[$0] } + additional.sorted()
    }
  }

  @Test func groupingIsTheOriginals() {
    var random = SplitMix(seed: 3)
    for round in 0..<400 {
      let count = Int.random(in: 1...90, using: &random)
      let withImages = Double.random(in: -0.2...1.2, using: &random)
      let lengths = (0..<count).map { _ in
        Int.random(in: 1...30, using: &random) * (Double.random(in: 0...1, using: &random) < withImages ? 1 : -1)
      }
      let (chunks, size) = (Int.random(in: 1...5, using: &random), Int.random(in: 1...6, using: &random))
      func permutations() -> (Int) -> [Int] {
        var own = SplitMix(seed: UInt64(round))
        return { Array(0..<$0).shuffled(using: &own) }
      }
      let ours = ModalityGrouping(chunks: chunks, size: size).indices(lengths, permutation: permutations())
      #expect(ours == Original.modalityGrouped(lengths, size, chunks, permutations()), "\(lengths) \(chunks) \(size)")
      #expect(ours.sorted() == Array(0..<count))
    }
  }

  @Test func everyEpochIsAPermutationThatFollowsFromSeedAndEpoch() throws {
    var random = SplitMix(seed: 4)
    for _ in 0..<200 {
      let count = Int.random(in: 1...60, using: &random)
      let lengths = (0..<count).map { _ in Int.random(in: 1...99, using: &random) * (Bool.random(using: &random) ? 1 : -1) }
      let rule: SampleOrder.Rule =
        Bool.random(using: &random)
        ? .shuffled : .grouped(chunks: Int.random(in: 1...4, using: &random), size: Int.random(in: 1...4, using: &random))
      let order = SampleOrder(rule, seed: random.next())
      let epoch = Int.random(in: 0...1_000_000, using: &random)
      let indices = try order.indices(epoch: epoch, lengths: lengths)
      #expect(indices.sorted() == Array(0..<count))
      #expect(try order.indices(epoch: epoch, lengths: lengths) == indices)
    }
    let lengths = [Int](repeating: 1, count: 50)
    let orders = try (0..<20).flatMap { seed in
      try (0..<20).map { try SampleOrder(.shuffled, seed: seed).indices(epoch: $0, lengths: lengths) }
    }
    #expect(Set(orders).count == 400)
    #expect(try SampleOrder(.sequential).indices(epoch: 3, lengths: lengths) == Array(0..<50))
  }

  /// Worked out by a Python program from SplitMix64's, Lemire's and Fisher and Yates's definitions: runs must be resumable for good.
  @Test func shufflesStayWhatTheyAre() {
    for (count, seed, epoch, expected) in [
      (10, 42, 0, [1, 7, 2, 5, 6, 4, 0, 9, 8, 3]), (10, 42, 1, [0, 9, 1, 6, 5, 8, 2, 3, 4, 7]), (5, 7, 3, [3, 1, 2, 4, 0]),
      (10, .max, 1_000_000, [3, 1, 8, 6, 5, 7, 2, 0, 4, 9]),
    ] as [(Int, UInt64, Int, [Int])] {
      var generator = SplitMix64(seed: seed, stream: UInt64(epoch))
      #expect(generator.permutation(count) == expected)
    }
  }

  /// Each of the 24 orders of four about equally often: chi-squared with 23 degrees of freedom stays below its 99.99th percentile.
  @Test func noOrderIsPreferred() {
    var counts: [[Int]: Double] = [:]
    for epoch in 0..<24_000 {
      var generator = SplitMix64(seed: 1, stream: UInt64(epoch))
      counts[generator.permutation(4), default: 0] += 1
    }
    #expect(counts.count == 24)
    #expect(counts.values.reduce(0) { $0 + ($1 - 1000) * ($1 - 1000) / 1000 } < 55)
  }

  @Test func groupingsThatCannotWorkAreRefused() {
    for rule in [SampleOrder.Rule.grouped(chunks: 0, size: 4), .grouped(chunks: 4, size: 0), .grouped(chunks: .max, size: .max)] {
      #expect(throws: DatasetError.self) { try SampleOrder(rule).indices(epoch: 0, lengths: [1]) }
    }
  }
}
