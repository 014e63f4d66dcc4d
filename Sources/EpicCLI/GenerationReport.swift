import LLaVA

/// What `--json` prints of a generation.
struct GenerationReport: Encodable {
  let text: String
  let tokens: [Int]
  let finish: String
  let promptTokens: Int
  let visualTokens: Int
  let timings: GenerationTimings
  let tokensPerSecond: Double
  let peakMemoryBytes: Int

  /// Of one answer, or of several equal ones that were computed together.
  init(_ answer: Answer, samples: Int = 1) {
    text = answer.text
    tokens = answer.result.tokens
    finish = answer.result.finish.rawValue
    promptTokens = answer.result.promptTokens
    visualTokens = answer.result.visualTokens
    timings = answer.timings
    tokensPerSecond = answer.tokensPerSecond * Double(samples)
    peakMemoryBytes = EpicCLI.peakMemoryBytes()
  }
}
