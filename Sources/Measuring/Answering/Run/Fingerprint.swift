import Basics
import Compression
import Evaluation
import Foundation
import Imaging
import Video

/// What answers are kept apart by, beside the model's own fingerprint.
enum Fingerprint {
  private struct Settings: Encodable {
    let benchmark, split, prompt: String
    let maximumNewTokens: Int
    let seed: UInt64
  }

  /// Questions as they are put, and how long answers may be; the pictures by their names, of videos also which frames are looked at.
  ///
  /// - Parameters:
  ///   - perturbation: what pictures go through first.
  ///   - turns: questions of a conversation.
  /// - Throws: `EncodingError`.
  static func of(
    _ benchmark: Benchmark, maximumNewTokens: Int, seed: UInt64, _ sampling: FrameSampling = FrameSampling(),
    perturbation: Perturbation? = nil, turns: Int = 1
  ) throws -> String {
    var hash = StableHash()
    try hash.addBlock(
      json: Settings(
        benchmark: benchmark.definition.name, split: benchmark.split, prompt: benchmark.prompt,
        maximumNewTokens: maximumNewTokens, seed: seed))
    if benchmark.definition.isAboutVideos { try hash.addBlock(json: sampling) }
    if let perturbation { hash.addBlock("\(perturbation)") }
    if turns > 1 { hash.addBlock("turns=\(turns)") }
    for question in benchmark.questions {
      hash.addBlock(question.id)
      hash.addBlock(question.prompt)
      hash.addBlock(question.image.map(name) ?? "")
      if !question.answerPrefix.isEmpty { hash.addBlock(question.answerPrefix) }
    }
    return hash.text
  }

  /// What a picture is called wherever its folder lies.
  static func name(_ image: QuestionImage) -> String { String(image.key.split(separator: "/").last ?? "") }

  /// Where the random choices of a picture's tokens start.
  static func seed(of image: QuestionImage, _ seed: UInt64) -> UInt64 {
    var hash = StableHash()
    hash.addBlock(name(image))
    return seed &+ hash.value
  }
}

extension AnswerPlan {
  /// The name under which answers and times are kept: those of an earlier version of the compressor stay in the files and do not count.
  var recordName: String { recordName(version) }

  /// The latest version of the plan's compressors; 1 for those that have no name.
  private var version: Int {
    let names = compression?.stages.compactMap { $0.name?.split(separator: ":").first.map(String.init) } ?? []
    return names.compactMap { ReducerRegistry.standard[$0]?.version }.max() ?? 1
  }

  func recordName(_ version: Int) -> String { version == 1 ? id : "\(id)-v\(version)" }
}
