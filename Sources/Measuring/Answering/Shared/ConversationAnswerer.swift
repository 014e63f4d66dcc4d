import LLaVA

/// Answers questions under some plans.
protocol QuestionAnswerer {
  /// The ways to answer.
  var plans: [AnswerPlan] { get }

  /// For each question its answers in the order of the plans.
  ///
  /// - Throws: `PromptError`, `GenerationError.notFinite`, `CompressionError`, `TorchError`; one bad question fails all.
  func answer(_ requests: [AnswerRequest]) throws -> [[PlanAnswer]]
}

extension SharedAnswerer: QuestionAnswerer {}

/// Answers questions that come late in a conversation, each alone and under one plan after the other.
///
/// Visual tokens are chosen by the first question of each conversation, as in a chat, so less is shared than `SharedAnswerer` shares.
struct ConversationAnswerer: QuestionAnswerer {
  let pipeline: LLaVAPipeline
  let plans: [AnswerPlan]

  func answer(_ requests: [AnswerRequest]) throws -> [[PlanAnswer]] {
    try requests.map { request in
      let generation = GenerationRequest(
        ids: request.ids, pictures: request.picture.map { [$0.pixels] } ?? [], promptLength: request.promptLength)
      return try plans.map { plan in
        var options = GenerationOptions()
        options.maximumNewTokens = request.maximumNewTokens
        options.compression = plan.compression
        options.seed = request.picture?.seed ?? 0
        let found = try pipeline.answer(generation, options)
        var answer = PlanAnswer()
        (answer.text, answer.tokens, answer.finish) = (found.text, found.result.tokens, found.result.finish)
        answer.textTokens = request.ids.count - generation.pictures.count
        if plan.layer != nil { answer.keptIndices = found.result.cuts.last?.keptIndices.first }
        return answer
      }
    }
  }
}
