import Foundation
import Language
import TestSupport
import Testing

@testable import Training

/// From files to batches, and what becomes of samples that are no good.
@Suite struct DataLoaderTests {
  /// 23 samples: with one picture, with two, text alone, and some broken.
  private func mixed(_ folder: DataFolder) throws -> InstructionDataset {
    for index in 0..<5 { try folder.picture("p\(index).png", width: 5 + index, height: 9 - index, seed: UInt64(index)) }
    try folder.write(Data("no picture".utf8), "text.png")
    return try folder.dataset(
      (0..<23).map { index in
        let id = "s\(index)"
        switch index % 8 {
        case 0...2: return dataRecord(id, image: "p\(index % 5).png", "<image>\nquestion \(index)", "answer \(index)")
        case 3: return dataRecord(id, image: ["p0.png", "p1.png"], "<image> or <image>", "the second")
        case 4, 5: return dataRecord(id, "question \(index) of text", "an answer", "and", "so on")
        case 6: return dataRecord(id, image: "absent\(index).png", "<image>\nwhat", "nothing")
        default: return dataRecord(id, image: "text.png", "<image>\nwhat", "text")
        }
      })
  }

  private func all(_ loader: DataLoader) throws -> [BatchImage] {
    var found: [BatchImage] = []
    while let batch = try loader.next() { found.append(try BatchImage(batch)) }
    return found
  }

  @Test(arguments: [BatchRule.samples(3), .tokens(150)])
  func batchesFollowFromPlanAndDataAlone(_ rule: BatchRule) throws {
    let folder = try DataFolder()
    let preparer = try folder.preparer(mixed(folder))
    let plan = BatchPlan(order: SampleOrder(.grouped(chunks: 2, size: 3), seed: 9), batch: rule)
    let whole = try all(DataLoader(preparer, plan: plan, epochs: 2, workers: 1, ahead: 1))
    #expect(whole.flatMap(\.indices).count == 2 * 18)
    for (workers, ahead) in [(2, 3), (4, 64)] {
      #expect(try all(DataLoader(preparer, plan: plan, epochs: 2, workers: workers, ahead: ahead)) == whole)
    }
    // A run that goes on where a batch ended sees what an undisturbed one sees.
    for (index, batch) in whole.enumerated() {
      let state = DataState(plan: plan, fingerprint: preparer.dataset.fingerprint, cursor: batch.next)
      let rest = try DataLoader(preparer, resuming: state, epochs: 2, workers: 3)
      #expect(try all(rest) == Array(whole[(index + 1)...]))
    }
  }

  @Test func labelsCoverTheAnswersAndPixelsTheImages() throws {
    let folder = try DataFolder()
    let preparer = try folder.preparer(mixed(folder))
    let tokenizer = try folder.tokenizer()
    let one = try preparer.sample(at: 0)
    let answer = try tokenizer.encode("answer 0</s>", addSpecialTokens: false)
    #expect(Array(one.labels.filter { $0 != ignoredLabel }.suffix(answer.count)) == Array(answer.suffix(answer.count)))
    #expect(one.images == 1 && one.visualTokens == 4 && one.rows == one.ids.count + 3 && one.pixels?.shape == [1, 3, 14, 14])
    let two = try preparer.sample(at: 3)
    #expect(two.images == 2 && two.pixels?.shape == [2, 3, 14, 14] && two.visualTokens == 8)
    #expect(try preparer.sample(at: 4).pixels == nil)
  }

  @Test func skippedSamplesAreListedOnce() throws {
    let folder = try DataFolder()
    let preparer = try folder.preparer(mixed(folder))
    let file = folder.url.appending(path: "skipped.jsonl")
    let plan = BatchPlan(order: SampleOrder(.shuffled), batch: .samples(4))
    let log = try SkipLog(file)
    _ = try all(DataLoader(preparer, plan: plan, epochs: 2, skipLog: log))
    #expect(log.counts == [.missingImage: 3, .notAnImage: 2])
    func listed() throws -> [SampleFault] {
      try Data(contentsOf: file).split(separator: UInt8(ascii: "\n")).map { try JSONDecoder().decode(SampleFault.self, from: $0) }
    }
    let faults = try listed()
    #expect(faults.map(\.index).sorted() == [6, 7, 14, 15, 22])
    #expect(faults.first { $0.index == 14 }?.path == "absent14.png" && faults.first { $0.index == 14 }?.id == "s14")
    // A run that goes on does not list them again, and drops half a line that a killed one left.
    try (Data(contentsOf: file) + Data("{\"index\":".utf8)).write(to: file)
    _ = try all(DataLoader(preparer, plan: plan, epochs: 1, skipLog: SkipLog(file, continuing: true)))
    #expect(try listed() == faults)
  }

  @Test func aStrictRunEndsAtTheFirstFault() throws {
    let folder = try DataFolder()
    let preparer = try folder.preparer(mixed(folder))
    let plan = BatchPlan(order: SampleOrder(.sequential), batch: .samples(2))
    let loader = try DataLoader(preparer, plan: plan, strict: true)
    for expected in [[0, 1], [2, 3], [4, 5]] { #expect(try loader.next()?.samples.map(\.index) == expected) }
    let fault = #expect(throws: SampleFault.self) { try loader.next() }
    #expect(fault?.index == 6 && fault?.code == .missingImage)
  }

  @Test func dataWithoutAGoodSampleIsAnErrorAndOtherDataToo() throws {
    let folder = try DataFolder()
    let bad = try folder.dataset([dataRecord("a", "only a question"), dataRecord("b", image: "x.png", "<image>", "y")])
    let plan = BatchPlan(order: SampleOrder(.sequential), batch: .samples(2))
    let error = #expect(throws: DatasetError.self) { try DataLoader(folder.preparer(bad), plan: plan).next() }
    #expect(error.map { "\($0)".contains("none of the 2 samples") } ?? false)
    let state = DataState(plan: plan, fingerprint: bad.fingerprint &+ 1, cursor: SampleCursor())
    #expect(throws: DatasetError.changed(file: bad.path)) { try DataLoader(folder.preparer(bad), resuming: state) }
  }

  /// Every kind of fault, by a record that has it and nothing else.
  @Test func everyFaultHasItsCode() throws {
    let folder = try DataFolder()
    try folder.picture("good.png")
    try folder.write(Data(), "empty.png")
    try folder.write(Data("BM".utf8) + Data(count: 60), "other.bmp")
    let whole = try Data(contentsOf: folder.url.appending(path: "good.png"))
    try folder.write(whole.prefix(whole.count - 20), "cut.png")
    try FileManager.default.createDirectory(at: folder.url.appending(path: "folder.png"), withIntermediateDirectories: false)
    let tag = "<image>\nwhat"
    let cases: [(SampleFault.Code, [String: Any])] = [
      (.malformed, ["id": "x", "image": 7, "conversations": []]), (.malformed, ["id": "x"]),
      (.malformed, ["conversations": "none"]), (.malformed, ["conversations": [["from": "human"]]]),
      (.missingImage, dataRecord("x", image: "absent.png", tag, "y")),
      (.unreadableImage, dataRecord("x", image: "folder.png", tag, "y")),
      (.damagedImage, dataRecord("x", image: "cut.png", tag, "y")),
      (.damagedImage, dataRecord("x", image: "empty.png", tag, "y")),
      (.notAnImage, dataRecord("x", image: "other.bmp", tag, "y")),
      (.tooFewTurns, dataRecord("x", image: "good.png", tag)), (.tooFewTurns, ["conversations": [] as [Any]]),
      (.roles, ["conversations": [["from": "human", "value": "a"], ["from": "human", "value": "b"]]]),
      (.roles, ["conversations": [["from": "robot", "value": "a"], ["from": "human", "value": "b"]]]),
      (.placeholders, dataRecord("x", image: "good.png", "no tag", "y")), (.placeholders, dataRecord("x", tag, "y")),
      (.placeholders, dataRecord("x", image: ["good.png", "good.png"], tag, "y")),
      (.tooLong, dataRecord("x", String(repeating: "long ", count: 40), "y")),
    ]
    let dataset = try folder.dataset(cases.map(\.1))
    let preparer = try folder.preparer(dataset)
    for (index, (code, record)) in cases.enumerated() {
      let fault = #expect(throws: SampleFault.self) { try preparer.sample(at: index) }
      #expect(fault?.code == code && fault?.index == index, "\(record): \(fault.map { "\($0)" } ?? "")")
      #expect(fault.map { !"\($0)".contains("\n") } ?? false)
    }
    // What checks a whole data set finds the same.
    let report = try DatasetCheck(dataset, tokenizer: folder.tokenizer(), options: .small).run(workers: 3)
    #expect(report.bad.map(\.code) == cases.map(\.0) && report.samples == cases.count)
  }

  @Test func aCheckCountsWhatTrainingSees() throws {
    let folder = try DataFolder()
    let dataset = try mixed(folder)
    let preparer = try folder.preparer(dataset)
    let samples = (0..<dataset.count).compactMap { try? preparer.sample(at: $0) }
    let report = try DatasetCheck(dataset, tokenizer: folder.tokenizer(), options: .small).run(workers: 2)
    #expect(report.samples == 23 && report.bad.map(\.index) == [6, 7, 14, 15, 22])
    #expect(report.tokens == samples.reduce(0) { $0 + $1.rows })
    #expect(report.supervisedTokens == samples.reduce(0) { $0 + $1.supervisedTokens })
    #expect(report.withImage == 17 && report.textOnly == 6 && report.images == 20)
    #expect(report.lengths.bins.reduce(0) { $0 + $1.count } == 23 && report.lengths.unit == .tokens)
    let words = try DatasetCheck(dataset).run(workers: 1)
    #expect(words.tokens == nil && words.lengths.unit == .words && words.bad == report.bad)
  }
}
