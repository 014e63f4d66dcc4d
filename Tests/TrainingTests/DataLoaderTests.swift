import Foundation
import Imaging
import Language
import TestSupport
import Testing

@testable import Training

/// Batches as a run gets them.
@Suite struct DataLoaderTests {
  private let folder: DataFolder
  private let dataset: InstructionDataset

  /// 41 samples, some with pictures of different cost, some faulty.
  init() throws {
    folder = try DataFolder()
    var random = SplitMix(seed: 9)
    for index in 0..<4 { try folder.picture("\(index).png", width: 5 + 60 * index, height: 40, seed: UInt64(index)) }
    let records = (0..<41).map { index -> [String: Any] in
      let answer = String(repeating: "word ", count: Int.random(in: 1...12, using: &random))
      switch index % 9 {
      case 4: return dataRecord("\(index)", image: "absent.png", "<image>\nq", answer)
      case 7: return dataRecord("\(index)", answer)
      case 1, 2, 3: return dataRecord("\(index)", "q", answer)
      default: return dataRecord("\(index)", image: "\(index % 4).png", "<image>\nq", answer)
      }
    }
    dataset = try folder.dataset(records)
  }

  private static let plans = [
    BatchPlan(order: SampleOrder(.grouped(chunks: 2, size: 3), seed: 11), batch: .samples(3)),
    BatchPlan(order: SampleOrder(.shuffled, seed: 12), batch: .tokens(160)),
    BatchPlan(order: SampleOrder(.sequential), batch: .samples(4)),
  ]

  private func all(_ loader: DataLoader) throws -> [BatchImage] {
    var found: [BatchImage] = []
    while let batch = try loader.next() { found.append(try BatchImage(batch)) }
    return found
  }

  /// Two epochs are the plan's order without the faulty ones, in pixels and text what a single sample is, however many work ahead.
  @Test(arguments: plans) func batchesDoNotDependOnWorkers(_ plan: BatchPlan) throws {
    let preparer = try folder.preparer(dataset)
    var expected: [BatchImage]?
    for (workers, ahead) in [(1, 1), (4, 64), (4, 3), (2, 500)] {
      let found = try all(DataLoader(preparer, plan: plan, epochs: 2, workers: workers, ahead: ahead))
      #expect(found == expected ?? found)
      expected = found
    }
    let found = try #require(expected)
    let order = try (0..<2).flatMap { try plan.order.indices(epoch: $0, lengths: dataset.lengths) }
    let usable = order.filter { $0 % 9 != 4 && $0 % 9 != 7 }
    #expect(found.flatMap(\.indices) == usable)
    #expect(found.flatMap(\.ids) == (try usable.map { try preparer.sample(at: $0).ids }))
    #expect(
      found.flatMap(\.pixels)
        == (try usable.map { try preparer.sample(at: $0).pictures.flatMap { try $0.views.array(Float.self) } }))
  }

  /// A run that is cut off after any batch and goes on from its saved state sees what an undisturbed one sees.
  @Test(arguments: plans) func resumedRunsGoOnAsIfNothingHadBeen(_ plan: BatchPlan) throws {
    let preparer = try folder.preparer(dataset)
    let loader = try DataLoader(preparer, plan: plan, epochs: 3, workers: 3)
    var (batches, states): ([BatchImage], [Data]) = ([], [])
    while let batch = try loader.next() {
      batches.append(try BatchImage(batch))
      states.append(try JSONEncoder().encode(loader.state(after: batch)))
    }
    var random = SplitMix(seed: 10)
    for _ in 0..<12 {
      let place = Int.random(in: 0..<states.count, using: &random)
      let state = try JSONDecoder().decode(DataState.self, from: states[place])
      let resumed = try DataLoader(preparer, resuming: state, epochs: 3, workers: Int.random(in: 1...4, using: &random))
      #expect(try all(resumed) == Array(batches.dropFirst(place + 1)))
    }
  }

  /// Pictures change from epoch to epoch, and nothing else does; a run that goes on sees the same changes.
  @Test(arguments: plans) func picturesChangeWithTheEpoch(_ plan: BatchPlan) throws {
    let augmentation = PictureAugmentation(PictureAugmentation.Change.allCases, seed: 5)
    let (plain, changing) = (try folder.preparer(dataset), try folder.preparer(dataset, augmentation: augmentation))
    let expected = try all(DataLoader(plain, plan: plan, epochs: 3))
    let loader = try DataLoader(changing, plan: plan, epochs: 3, workers: 3)
    var (found, states): ([BatchImage], [DataState]) = ([], [])
    while let batch = try loader.next() {
      found.append(try BatchImage(batch))
      states.append(loader.state(after: batch))
    }
    #expect(found.map(\.ids) == expected.map(\.ids) && found.map(\.labels) == expected.map(\.labels))
    #expect(found.map(\.indices) == expected.map(\.indices))
    func pixels(_ batches: [BatchImage], epoch: Int) -> [[Float]] {
      let samples = batches.filter { $0.epoch == epoch }.flatMap { zip($0.indices, $0.pixels) }
      return samples.sorted { $0.0 < $1.0 }.map(\.1)
    }
    #expect(Set((0..<3).map { pixels(found, epoch: $0) } + [pixels(expected, epoch: 0)]).count == 4)
    for batch in found {
      for (index, pixels) in zip(batch.indices, batch.pixels) {
        let sample = try changing.sample(at: index, epoch: batch.epoch)
        #expect(try sample.pictures.flatMap { try $0.views.array(Float.self) } == pixels)
      }
    }
    for place in [0, states.count / 2, states.count - 2] {
      let resumed = try all(DataLoader(changing, resuming: states[place], epochs: 3, workers: 2))
      #expect(resumed == Array(found.dropFirst(place + 1)))
    }
  }

  @Test func aStateOfOtherDataIsRefused() throws {
    let preparer = try folder.preparer(dataset)
    let state = DataState(plan: Self.plans[0], fingerprint: dataset.fingerprint + 1, cursor: SampleCursor())
    #expect(throws: DatasetError.changed(file: dataset.path)) { try DataLoader(preparer, resuming: state) }
    for cursor in [SampleCursor(epoch: 0, position: 41), SampleCursor(epoch: -1), SampleCursor(position: -1)] {
      #expect(throws: DatasetError.self) { try DataLoader(preparer, plan: Self.plans[0], from: cursor) }
    }
  }

  /// Every skipped sample once, in the order in which it came, however many epochs there are and although the run was cut off.
  @Test func skippedSamplesAreListedOnce() throws {
    let preparer = try folder.preparer(dataset)
    let file = folder.url.appending(path: "skipped.jsonl")
    let plan = Self.plans[1]
    let first = try DataLoader(preparer, plan: plan, epochs: 2, workers: 3, skipLog: SkipLog(file))
    let batch = try #require(try first.next())
    first.cancel()
    // The run was killed while it wrote a line.
    let handle = try FileHandle(forWritingTo: file)
    try handle.seekToEnd()
    try handle.write(contentsOf: Data(#"{"code":"roles","ind"#.utf8))
    let log = try SkipLog(file, continuing: true)
    _ = try all(DataLoader(preparer, resuming: first.state(after: batch), epochs: 2, skipLog: log))

    let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
    let faults = try lines.map { try JSONDecoder().decode(SampleFault.self, from: Data($0.utf8)) }
    let expected = try plan.order.indices(epoch: 0, lengths: dataset.lengths).filter { $0 % 9 == 4 || $0 % 9 == 7 }
    #expect(faults.map(\.index) == expected)
    for fault in faults {
      #expect(fault.id == "\(fault.index)" && !fault.reason.isEmpty)
      #expect(fault.code == (fault.index % 9 == 4 ? .missingImage : .tooFewTurns))
      #expect(fault.path == (fault.index % 9 == 4 ? "absent.png" : nil))
    }
    #expect(log.counts == Dictionary(grouping: faults, by: \.code).mapValues(\.count))
    _ = try SkipLog(file)
    #expect(try Data(contentsOf: file).isEmpty)
    #expect(throws: DatasetError.self) { try SkipLog(folder.url.appending(path: "no/such/folder/skipped.jsonl")) }
  }

  @Test func strictRunsEndAtTheFirstFault() throws {
    let preparer = try folder.preparer(dataset)
    let loader = try DataLoader(preparer, plan: Self.plans[2], epochs: 1, workers: 4, strict: true)
    #expect(try loader.next()?.samples.map(\.index) == [0, 1, 2, 3])
    let fault = try #require(throws: SampleFault.self) { try loader.next() }
    #expect(fault.index == 4 && fault.code == .missingImage)
    #expect(throws: CancellationError.self) { try loader.next() }
  }

  @Test func anEpochWithoutAUsableSampleIsAnError() throws {
    let records = (0..<5).map { dataRecord("\($0)", "only a question") }
    let preparer = try folder.preparer(folder.dataset(records))
    let error = try #require(throws: DatasetError.self) { try DataLoader(preparer, plan: Self.plans[1]).next() }
    #expect(error.description.contains("none of the 5 samples") && error.description.contains("1 turn"))
  }

  @Test func cancellingEndsARun() throws {
    let loader = try DataLoader(folder.preparer(dataset), plan: Self.plans[0], workers: 3)
    for _ in 0..<40 { #expect(try loader.next() != nil) }
    loader.cancel()
    #expect(throws: CancellationError.self) { try loader.next() }
  }
}
