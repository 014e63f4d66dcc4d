import Foundation
import TestSupport
import Testing
import Training

/// The documented training run, line by line, on a tiny model, and what such a run tells.
@Suite struct DocumentedTrainingTests {
  /// What a run told, in order.
  private static func names(_ events: [TrainingRun.Event]) -> [String] {
    events.map { event in
      switch event {
      case .skipped(let fault): "skipped \(fault.code.rawValue)"
      case .step(let record): "step \(record.step)"
      case .checkpoint(let checkpoint): "checkpoint \(checkpoint.step)"
      case .finished(let ending): "\(ending)"
      }
    }
  }

  @Test func theExampleRuns() throws {
    let place = try RunPlace()
    _ = try place.data.dataset(
      (0..<4).map { dataRecord("s\($0)", image: "p\($0).png", "<image>\nwhat", "picture \($0)") }
        + [dataRecord("absent", image: "nowhere.png", "<image>\nwhat", "nothing")])
    let (model, output, data) = (place.url.appending(path: "start"), place.url.appending(path: "run"), place.data.file)
    var printed: [String] = []
    func print(_ line: String) { printed.append(line) }

    // Example begins
    var configuration = TrainingConfiguration()
    configuration.model = model.path
    configuration.output = output.path
    configuration.data.file = data.path
    configuration.curriculum.name = "token"
    configuration.optimizer.learningRate = 3e-3
    configuration.batch.samples = 5
    configuration.checkpoints.every = 100
    configuration.steps = 400

    let run = try TrainingRun(configuration)  // with resume: true it goes on from its newest checkpoint
    var loss = Double.infinity
    let ending = try run.run(shouldStop: { loss < 2 }) { event in
      switch event {
      case .step(let record):
        loss = record.loss
        print("step \(record.step) of \(run.steps): loss \(record.loss), layer \(record.layer), ratio \(record.studentRatio)")
      case .skipped(let fault): print("skipped \(fault)")
      case .checkpoint(let checkpoint): print("saved \(checkpoint.url.path)")
      case .finished(let ending): print("\(ending) after step \(run.step)")
      }
    }
    // Example ends

    #expect(
      try DocumentedExample.missingLines(of: "Example", in: "Documentation/Epic.docc/UseFromSwift.md", source: #filePath) == [])
    #expect(ending == .stopped && run.step < 400 && loss < 2)
    #expect(printed.count { $0.hasPrefix("step ") } == run.step)
    let skipped = printed.filter { $0.hasPrefix("skipped ") }
    #expect(skipped.count == 1 && skipped[0].contains("nowhere.png") && skipped[0].contains("missing-image"))
    #expect(printed.suffix(2) == ["saved \(run.folder.checkpoints.last?.url.path ?? "")", "stopped after step \(run.step)"])
  }

  /// The same events from values as from the keys of a file, in the order in which they happen.
  @Test func eventsComeInOrder() throws {
    let place = try RunPlace()
    _ = try place.data.dataset(
      [dataRecord("absent", image: "nowhere.png", "<image>\nwhat", "nothing")]
        + (0..<3).map { dataRecord("s\($0)", "what", "picture \($0)") })
    var configuration = TrainingConfiguration()
    configuration.model = place.url.appending(path: "start").path
    configuration.output = place.url.appending(path: "run").path
    configuration.data.file = place.data.file.path
    configuration.dtype = .float32
    configuration.steps = 5
    configuration.curriculum.layer = 1
    configuration.optimizer.learningRate = 1e-3
    configuration.checkpoints.every = 2
    configuration.log.tensorboard = false
    configuration.batch.samples = 4
    configuration.data.isGrouped = false
    #expect(try configuration == place.configuration("run", steps: 5, "checkpoints.every=2"))
    var events: [TrainingRun.Event] = []
    #expect(try TrainingRun(configuration).run { events.append($0) } == .complete)
    #expect(
      Self.names(events) == [
        "skipped missing-image", "step 1", "step 2", "checkpoint 2", "step 3", "step 4", "checkpoint 4", "step 5", "checkpoint 5",
        "complete",
      ])
    // Nothing is left to do, and the sample is not told again.
    events = []
    #expect(try TrainingRun(configuration, resume: true).run { events.append($0) } == .complete)
    #expect(Self.names(events) == ["checkpoint 5", "complete"])
    // What an observer throws comes out, and the run goes on from its last checkpoint.
    struct Enough: Error {}
    configuration.output = place.url.appending(path: "other").path
    #expect(throws: Enough.self) {
      try TrainingRun(configuration).run { if case .step(let record) = $0, record.step == 3 { throw Enough() } }
    }
    #expect(try TrainingRun(configuration, resume: true).step == 2)
  }

  /// What a file may not say a program may not either.
  @Test func valuesAreCheckedHoweverTheyAreSet() throws {
    let place = try RunPlace(samples: 4)
    let good = try place.configuration("run")
    let changes: [(String, (inout TrainingConfiguration) -> Void)] = [
      ("batch.samples is 0", { $0.batch.samples = 0 }), ("epochs is nan", { $0.epochs = .nan }),
      ("data.workers is -1", { $0.data.workers = -1 }), ("dtype", { $0.dtype = .int64 }),
      ("batch.accumulation is \(Int.max)", { $0.batch.accumulation = .max }),
      ("checkpoints.keep is 0", { $0.checkpoints.keep = 0 }), ("optimizer.beta1 is 1", { $0.optimizer.beta1 = 1 }),
    ]
    for (text, change) in changes {
      var bad = good
      change(&bad)
      #expect { try TrainingRun(bad) } throws: { "\($0)".contains(text) }
    }
    #expect(!FileManager.default.fileExists(atPath: good.output))
  }
}
