import Foundation
import MadeVideos
import TestModels
import TestSupport
import Torch

@testable import LLaVA
@testable import Training

/// A tiny checkpoint, a small data set of pictures and text, and a configuration of a short run over it.
struct RunPlace {
  let data: DataFolder
  var url: URL { data.url }

  /// - Parameter preset: of the model; one that listens gets sound, one that takes videos a video among its pictures.
  init(samples: Int = 14, preset: String = "tiny") throws {
    data = try DataFolder()
    var model = try LLaVAConfiguration.preset(preset)
    ByteTokenizer.adopt(into: &model)
    try TestModel.write(LLaVAModel.random(model, seed: 3), to: url.appending(path: "start"))
    if model.audio != nil {
      for index in 0..<4 { try data.write(MadeSound.wav(2000 + 900 * index, step: 5 + index), "p\(index).wav") }
    } else if model.family.video != nil {
      var film = MadeVideo(frames: 6, fps: 3)
      (film.width, film.height) = (64, 48)
      try film.write(to: url.appending(path: "film.mp4"))
    }
    for index in 0..<4 { try data.picture("p\(index).png", width: 40 + 7 * index, height: 50, seed: UInt64(index)) }
    _ = try data.dataset(
      (0..<samples).map { index in
        if model.audio != nil, index % 4 != 3 {
          var record = dataRecord("s\(index)", "<audio>\nwhat", "sound \(index % 4)", "sure", "yes")
          record["audio"] = "p\(index % 4).wav"
          return record
        }
        if model.family.video != nil, index % 4 == 2 {
          var record = dataRecord("s\(index)", "<video>\nwhat", "film \(index % 4)")
          record["video"] = "film.mp4"
          return record
        }
        return index % 4 == 3
          ? dataRecord("t\(index)", "question \(index)", "answer \(index)")
          : dataRecord("s\(index)", image: "p\(index % 4).png", "<image>\nwhat", "picture \(index % 4)", "sure", "yes")
      })
  }

  /// Four samples a step, in float32, whatever `changes` do not say.
  func configuration(_ output: String, steps: Int = 4, _ changes: String...) throws -> TrainingConfiguration {
    try TrainingConfiguration(
      contentsOf: nil,
      changes: [
        "model=\(url.appending(path: "start").path)", "output=\(url.appending(path: output).path)", "data.file=\(data.file.path)",
        "dtype=f32", "batch.samples=4", "steps=\(steps)", "optimizer.learning-rate=1e-3", "log.tensorboard=false",
        "data.grouped=false",
        "curriculum.layer=1",
      ] + changes)
  }

  /// Runs to the end; the records of all steps and the weights.
  @discardableResult
  func run(_ configuration: TrainingConfiguration, resume: Bool = false, stopAfter: Int? = nil) throws -> Outcome {
    let run = try TrainingRun(configuration, resume: resume)
    var records: [StepRecord] = []
    let ending = try run.run(shouldStop: { records.count == stopAfter }) { event in
      if case .step(let record) = event { records.append(record) }
    }
    let weights = try run.model.parameters.parameters.map { try $0.tensor.detached().to(.float32).array(Float.self) }
    return Outcome(ending: ending, records: records, weights: weights, folder: run.folder)
  }

  struct Outcome {
    let ending: TrainingRun.Ending
    let records: [StepRecord]
    let weights: [[Float]]
    let folder: RunFolder

    var losses: [Double] { records.map(\.loss) }

    /// Largest difference of a weight.
    func distance(_ other: Outcome) -> Float {
      zip(weights, other.weights).map { zip($0, $1).map { abs($0 - $1) }.max() ?? 0 }.max() ?? .infinity
    }
  }
}
