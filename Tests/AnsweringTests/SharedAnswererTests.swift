import Compression
import Imaging
import LLaVA
import Language
import TestModels
import TestSupport
import Testing
import Torch

@testable import Answering

/// Answers of the shared computation against those of `LLaVAModel.generate`, each question alone under each plan.
@Suite struct SharedAnswererTests {
  /// A random small model with the byte tokenizer.
  static func pipeline(_ random: inout SplitMix, seed: Int) throws -> LLaVAPipeline {
    var configuration = try LLaVAConfiguration.preset("tiny")
    ByteTokenizer.adopt(into: &configuration)
    configuration.vision.imageSize = 14 * Int.random(in: 3...5, using: &random)
    configuration.vision.featureSelection = Int.random(in: 0..<4, using: &random) == 0 ? .full : .patch
    let groups = Int.random(in: 1...2, using: &random)
    configuration.text.keyValueHeads = groups
    configuration.text.heads = groups * Int.random(in: 1...2, using: &random)
    configuration.text.headDimension = 16
    configuration.text.layers = Int.random(in: 1...4, using: &random)
    let scratch = try Scratch()
    try ByteTokenizer.write(to: scratch.url)
    return LLaVAPipeline(
      model: try LLaVAModel(configuration, from: RandomParameters(seed: UInt64(seed), deviation: 0.15)),
      tokenizer: try TokenizerLoader.load(from: scratch.url),
      preprocessor: ImagePreprocessor(imageSize: configuration.vision.imageSize),
      template: try ConversationTemplate.named(["vicuna_v1", "chatml", "llama_2"].randomElement(using: &random) ?? "vicuna_v1"))
  }

  /// Plans of all compressors, budgets and layers, with and without the uncompressed one.
  static func plans(_ configuration: LLaVAConfiguration, _ random: inout SplitMix) throws -> [AnswerPlan] {
    let tokens = configuration.vision.tokens
    var plans: [AnswerPlan] = Bool.random(using: &random) ? [AnswerPlan(fullOf: configuration)] : []
    for _ in 0..<Int.random(in: 1...7, using: &random) {
      let name = ReducerRegistry.standard.names.randomElement(using: &random) ?? "dart"
      let layer = Int.random(in: 1...configuration.text.layers, using: &random)
      let shrinks = name == "downsample" || name == "pool"
      let classToken = configuration.vision.featureSelection == .full ? 1 : 0
      let keep =
        shrinks
        ? [1, 2, 4, 6].randomElement(using: &random).map { $0 + classToken } ?? 1 : Int.random(in: 0...tokens, using: &random)
      let cut = CompressionPlan.Cut(layer: layer, .keep(keep))
      let reducer = try ReducerRegistry.standard.reducer(name)
      let plan = try AnswerPlan(CompressionPlan(reducer, cuts: [cut], name: name), for: configuration)
      if !plans.contains(where: { $0.id == plan.id }) { plans.append(plan) }
    }
    return plans
  }

  @Test(arguments: 0..<60) func answersAreThoseOfEachQuestionAlone(_ seed: Int) throws {
    var random = SplitMix(seed: UInt64(seed))
    let pipeline = try Self.pipeline(&random, seed: seed)
    let configuration = pipeline.model.configuration
    let plans = try Self.plans(configuration, &random)
    let generator = try Generator(seed: UInt64(seed))
    let side = configuration.vision.imageSize
    let pictures = try (0..<3).map { index in
      PreparedPicture(
        key: "\(index)", pixels: try PicturePixels(.randn([3, side, side], generator: generator)),
        seed: UInt64.random(in: 0..<99, using: &random))
    }
    let requests = try (0..<Int.random(in: 3...7, using: &random)).map { index -> AnswerRequest in
      let picture = Int.random(in: 0..<6, using: &random) == 0 ? nil : pictures.randomElement(using: &random)
      let question = String(repeating: "why ", count: Int.random(in: 0...5, using: &random)) + "\(index)?"
      let turn = Turn(.user, picture == nil ? question : "<image>\n" + question)
      let template = Int.random(in: 0..<5, using: &random) == 0 ? pipeline.with(system: "Be brief.").template : pipeline.template
      return AnswerRequest(
        ids: try encodeWithImages(template.prompt(for: [turn]), tokenizer: pipeline.tokenizer), picture: picture,
        maximumNewTokens: Int.random(in: 1...6, using: &random))
    }
    let answerer = SharedAnswerer(pipeline, plans: plans, lanes: Int.random(in: 1...4, using: &random))
    var next = 0
    while next < requests.count {
      let part = Array(requests[next..<min(requests.count, next + answerer.lanes)])
      let found: [[PlanAnswer]]
      do {
        found = try answerer.answer(part)
      } catch {
        Issue.record("\(plans.map(\.id)): \(error)")
        return
      }
      for (request, answers) in zip(part, found) {
        #expect(answers.count == plans.count)
        for (plan, answer) in zip(plans, answers) {
          var options = GenerationOptions()
          options.maximumNewTokens = request.maximumNewTokens
          options.compression = plan.compression
          options.seed = request.picture?.seed ?? 0
          let alone = try pipeline.answer(
            GenerationRequest(ids: request.ids, pictures: [request.picture?.pixels].compactMap(\.self)), options)
          #expect(answer.text == alone.text && answer.tokens == alone.result.tokens, "\(plan.id)")
          #expect(answer.finish == alone.result.finish)
          #expect(answer.textTokens + alone.result.visualTokens >= alone.result.promptTokens)
          if let kept = answer.keptIndices {
            let all = Array(0..<configuration.vision.tokens)
            #expect(kept == alone.result.cuts.last?.keptIndices[0] ?? all, "\(plan.id)")
          } else {
            #expect(plan.layer == nil || request.picture == nil)
          }
        }
      }
      next += part.count
    }
  }
}
