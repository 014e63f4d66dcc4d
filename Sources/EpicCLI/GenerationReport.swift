import Compression
import LLaVA

/// What `--json` prints of a generation.
struct GenerationReport: Encodable {
  let text: String
  let tokens: [Int]
  let finish: String
  let promptTokens: Int
  let visualTokens: Int
  let keptVisualTokens: Int
  /// For each picture the tokens that were left in the end; absent where none were to be dropped, or all were pooled.
  let keptIndices: [[Int]]?
  /// What each cut left; absent likewise.
  let cuts: [GenerationResult.Cut]?
  let kvCacheBytes: Int
  let timings: GenerationTimings
  let tokensPerSecond: Double
  let peakMemoryBytes: Int
  /// What reading the prompt is counted to cost, tower and projector included; absent where it has not one picture or video.
  var prefillFLOPs: Double?

  /// Of one answer, or of several equal ones that were computed together.
  ///
  /// - Parameter plan: what was to be dropped.
  init(_ answer: Answer, samples: Int = 1, plan: CompressionPlan? = nil) {
    text = answer.text
    tokens = answer.result.tokens
    finish = answer.result.finish.rawValue
    promptTokens = answer.result.promptTokens
    visualTokens = answer.result.visualTokens
    keptVisualTokens = answer.result.keptVisualTokens
    keptIndices = answer.keptIndices(plan)
    cuts = keptIndices == nil ? nil : answer.result.cuts
    kvCacheBytes = answer.result.kvCacheBytes
    timings = answer.timings
    tokensPerSecond = answer.tokensPerSecond * Double(samples)
    peakMemoryBytes = EpicCLI.peakMemoryBytes()
  }
}

extension Answer {
  /// For each picture the tokens that the last cut left; nil where the plan drops none in the decoder.
  func keptIndices(_ plan: CompressionPlan?) -> [[Int]]? {
    guard let plan, !plan.stages.contains(where: { $0.site.decoderLayer == nil && !$0.reducer.keepsPositions }) else {
      return nil
    }
    return result.cuts.last?.keptIndices ?? result.imageTokens.map { Array(0..<$0) }
  }
}
