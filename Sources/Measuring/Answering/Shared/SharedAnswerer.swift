import Compression
import LLaVA
import Language
import Torch

/// Answers questions under many plans at once, greedily, and computes what they have in common once.
///
/// 1. The text before the picture, the same for all questions: once for all pictures.
/// 2. The picture, which comes before the question and so does not depend on it: the encoder, and its keys and values in all layers
///    where it is whole; behind a cut only where the choice of tokens does not depend on the question (`readsPrompt` is false). Once for
///    all questions about it.
/// 3. The question in the layers before a cut: once for all plans that cut there or further up.
/// 4. What is left of the picture, and the question, behind the cut: for each plan.
///
/// Questions and plans are branches of one packed batch. Answers are those of `LLaVAModel.generate` with the same plan, up to the order
/// of floating-point sums.
///
/// For use by one thread at a time.
public final class SharedAnswerer {
  /// The model and how it is talked to.
  public let pipeline: LLaVAPipeline
  /// The ways to answer; answers come in their order.
  public let plans: [AnswerPlan]
  /// How many questions are answered together.
  public let lanes: Int

  private let reader: PictureReader
  /// Pictures that were read, the last ones last.
  private var pictures: [ReadPicture] = []
  private var model: LLaVAModel { pipeline.model }

  /// Prepares to answer under some plans.
  ///
  /// - Parameter lanes: questions that are answered together, each of which takes memory for the caches of all plans; nil chooses as many
  ///   as make some 32 branches.
  public init(_ pipeline: LLaVAPipeline, plans: [AnswerPlan], lanes: Int? = nil) {
    self.pipeline = pipeline
    self.plans = plans
    self.lanes = max(1, lanes ?? 32 / max(1, plans.count))
    reader = PictureReader(pipeline.model, plans)
  }

  /// Answers up to ``lanes`` questions.
  ///
  /// - Returns: for each question its answers in the order of the plans; a question without a picture has the same under all of them.
  /// - Throws: `PromptError`, `GenerationError.notFinite`, `CompressionError`, `TorchError`; one bad question fails all.
  public func answer(_ requests: [AnswerRequest]) throws -> [[PlanAnswer]] {
    for request in requests { try check(request) }
    return try inference {
      var prompts: [(request: Int, prompt: PlannedPrompt)] = []
      try readPictures(requests)
      for (index, request) in requests.enumerated() {
        prompts += try self.prompts(request).map { (index, $0) }
      }
      return try write(try read(prompts, requests), requests)
    }
  }

  private func check(_ request: AnswerRequest) throws {
    let images = request.ids.count { $0 == imagePlaceholderID }
    guard images == (request.picture == nil ? 0 : 1) else {
      throw PromptError.imageCount(placeholders: images, images: request.picture == nil ? 0 : 1)
    }
    guard let last = request.ids.last, last != imagePlaceholderID else { throw PromptError.empty }
    let vocabulary = model.configuration.text.vocabularySize
    if let bad = request.ids.first(where: { $0 != imagePlaceholderID && !(0..<vocabulary).contains($0) }) {
      throw PromptError.tokenOutOfRange(id: bad, vocabularySize: vocabulary)
    }
    let visual = model.layouts(of: request.picture.map { [$0.pixels] } ?? []).tokens
    let tokens = request.ids.count - images + visual
    let maximum = model.configuration.text.maximumPositions
    if tokens >= maximum { throw PromptError.tooLong(tokens: tokens, maximum: maximum) }
  }

  /// Reads the pictures of some requests that have not been read, and forgets those that nobody asks about.
  private func readPictures(_ requests: [AnswerRequest]) throws {
    var kept: [ReadPicture] = []
    var new: [(text: [Int], picture: PreparedPicture)] = []
    for request in requests {
      guard let picture = request.picture, let end = request.ids.firstIndex(of: imagePlaceholderID) else { continue }
      let text = Array(request.ids[..<end])
      func isIt(_ read: ReadPicture) -> Bool { read.key == picture.key && read.text == text }
      if kept.contains(where: isIt) || new.contains(where: { $0.picture.key == picture.key && $0.text == text }) { continue }
      if let read = pictures.first(where: isIt) { kept.append(read) } else { new.append((text, picture)) }
    }
    pictures = kept
    pictures += try reader.read(new)
  }

  /// The prompts of a request: for each group of plans that share their rows.
  private func prompts(_ request: AnswerRequest) throws -> [PlannedPrompt] {
    guard let picture = request.picture, let end = request.ids.firstIndex(of: imagePlaceholderID) else {
      return [try reader.text(request.ids)]
    }
    let text = Array(request.ids[..<end])
    guard let read = pictures.first(where: { $0.key == picture.key && $0.text == text }) else { return [] }
    return try reader.prompts(Array(request.ids[(end + 1)...]), about: read, picture)
  }

  /// A prompt that was read under some plans.
  private struct ReadPrompt {
    let request: Int
    let plans: [Int]
    let images: [ImageRows]
    let cache: KeyValueCache
    /// Its last row, [1, hiddenSize].
    let row: Tensor
  }

  /// Reads prompts to their ends, all in one batch.
  private func read(
    _ prompts: [(request: Int, prompt: PlannedPrompt)], _ requests: [AnswerRequest]
  ) throws -> [ReadPrompt] {
    var branches: [Branch] = []
    var owners: [(request: Int, plans: [Int], images: [ImageRows])] = []
    for (sample, (request, prompt)) in prompts.enumerated() {
      for (plans, branch, images) in prompt.branches {
        var branch = branch
        branch.sample = sample
        branches.append(branch)
        owners.append((request, plans, images))
      }
    }
    var caches: [KeyValueCache]? = prompts.map(\.prompt.cache)
    let run = try BranchingDecoder.run(
      model.decoder, PackedBatch.joined(prompts.map(\.prompt.rows)), caches: &caches, branches)
    for check in run.checks { try check.validate() }
    return try zip(owners, zip(run.ends, run.rows())).compactMap { owner, found in
      guard let cache = found.0.cache, let row = found.1 else { return nil }
      let images = found.0.images.isEmpty ? owner.images : found.0.images
      return ReadPrompt(request: owner.request, plans: owner.plans, images: images, cache: cache, row: row)
    }
  }

  /// Writes all answers, a token of each at a time.
  private func write(_ read: [ReadPrompt], _ requests: [AnswerRequest]) throws -> [[PlanAnswer]] {
    var scheduler = Scheduler(model)
    var streams: [Int: (answer: AnswerStream, request: Int, plans: [Int])] = [:]
    var answers = requests.map { request in
      plans.map { _ in
        var answer = PlanAnswer()
        answer.textTokens = request.ids.count - (request.picture == nil ? 0 : 1)
        return answer
      }
    }
    for prompt in read {
      var options = GenerationOptions()
      options.maximumNewTokens = requests[prompt.request].maximumNewTokens
      let id = try scheduler.add(lastRow: prompt.row, cache: prompt.cache, options)
      streams[id] = (AnswerStream(pipeline.tokenizer, stopStrings: pipeline.template.stopStrings), prompt.request, prompt.plans)
      for plan in prompt.plans where requests[prompt.request].picture != nil && plans[plan].layer != nil {
        // What the plan's cuts left.
        answers[prompt.request][plan].keptIndices = try prompt.images.first.map {
          try $0.kept?.array(Int.self) ?? Array(0..<$0.layout.count)
        }
      }
    }
    while !scheduler.isIdle {
      for event in try scheduler.step() {
        switch event {
        case .failed(_, let error): throw error
        case .finished: break
        case .token(let id, let token):
          if try streams[id]?.answer.append(token).stopped ?? false { scheduler.end(id, .stop) }
        }
      }
    }
    for id in streams.keys.sorted() {
      guard var stream = streams[id], let result = scheduler.remove(id)?.result else { continue }
      _ = try stream.answer.finish()
      for plan in stream.plans {
        answers[stream.request][plan].tokens = result.tokens
        answers[stream.request][plan].finish = result.finish
        answers[stream.request][plan].text = stream.answer.answer.trimmingCharacters(in: .whitespacesAndNewlines)
      }
    }
    return answers
  }
}
