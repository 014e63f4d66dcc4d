import Compression
import Distillation
import LLaVA
import Language

extension TrainingConfiguration {
  /// The configuration with everything filled in that follows from something else, checked as a whole.
  ///
  /// - Parameters:
  ///   - model: what is trained.
  ///   - template: the conversation template of its folder.
  /// - Throws: `ConfigurationProblem.keys`, which names everything that is wrong.
  public func resolved(for model: LLaVAConfiguration, template: String? = nil) throws -> TrainingConfiguration {
    var found = self
    // What files and flags may not say, programs may not either; the rest counts with it.
    var problems = ConfigurationKey.all.compactMap { key in key.problem(self).map { "\(key.path) \($0)" } }
    if !problems.isEmpty { throw ConfigurationProblem.keys(problems) }
    func check(_ key: String, _ body: () throws -> Void) {
      do { try body() } catch { problems.append("\(key): \(error)") }
    }
    for (key, value, what) in [
      ("model", self.model, "the checkpoint folder to start from"), ("output", output, "a folder for the results"),
      ("data.file", data.sources == nil ? data.file : "data.sources", "the data set"),
    ] where value.isEmpty { problems.append("\(key) is missing: name \(what)") }
    if data.sources != nil, !data.file.isEmpty || data.images != nil {
      problems.append("data.sources and data.file or data.images are both given: name all files in data.sources")
    }

    let isPretraining = stage == .pretrain
    found.data.template = data.template ?? (isPretraining ? "plain" : template ?? "vicuna_v1")
    check("data.template") { try ConversationTemplate.requireKnown(found.data.template ?? "") }
    if data.maximumLength > model.text.maximumPositions {
      problems.append("data.max-length is \(data.maximumLength), expected at most the model's \(model.text.maximumPositions)")
    }
    if let tokens = batch.tokens, tokens < data.maximumLength {
      problems.append("batch.tokens is \(tokens), expected at least data.max-length, \(data.maximumLength)")
    }
    if batch.tokens != nil, steps == nil {
      problems.append("steps is missing: with batch.tokens the steps of an epoch are not known")
    }

    found.curriculum.name = curriculum.name ?? (isPretraining || compression.reduce != nil ? "none" : "token")
    check("curriculum") { try found.resolveCurriculum(for: model) }
    check("compression") { _ = try reducers() }
    check("compression.reduce") { try found.fixedPlan().map { _ = try model.tokens(of: $0) } }
    check("validation.reduce") { for plan in try found.validationPlans() { _ = try model.tokens(of: plan) } }
    found.checkValidation(&problems)
    if let best = checkpoints.best {
      let losses = ["all", "mean"] + validation.reduce
      let scores = [Validation.meanScore] + validation.benchmarks
      if losses.contains(best), validation.file == nil {
        problems.append("checkpoints.best is \(best), but validation.file is missing: name the samples that are not trained on")
      } else if best == Validation.meanScore, validation.benchmarks.isEmpty {
        problems.append("checkpoints.best is \(best), but validation.benchmarks is missing: name the benchmarks to ask")
      } else if !losses.contains(best), !scores.contains(best) {
        problems.append("checkpoints.best is \(best), expected one of \((losses + scores).joined(separator: ", "))")
      }
    }
    if let patience = checkpoints.patience {
      if checkpoints.best == nil {
        problems.append(
          "checkpoints.patience is \(patience), but checkpoints.best is missing: name the loss or score that has to improve")
      }
      if validation.every == nil {
        problems.append(
          "checkpoints.patience is \(patience), but validation.every is missing: give the steps between measurements")
      }
    }
    found.compression.semantics = compression.semantics ?? semantics
    found.resolveLoss()
    check("distillation") { try found.distillationOptions.validate() }
    check("lora") { try found.resolveAdapters() }
    found.resolveOptimizer(&problems)
    check("optimizer") { try found.optimizerOptions.validate() }
    if !problems.isEmpty { throw ConfigurationProblem.keys(problems) }
    return found
  }

  private func checkValidation(_ problems: inout [String]) {
    let asksNothing = validation.benchmarks.isEmpty
    if validation.file == nil, asksNothing ? validation != Validation() : validation.images != nil || validation.limit != nil {
      problems.append("validation.file is missing: name the samples that are not trained on")
    }
    if asksNothing, validation.benchmarkData != nil || validation.questions != nil {
      problems.append("validation.benchmarks is missing: name the benchmarks to ask")
    }
    if !asksNothing, validation.benchmarkData == nil {
      problems.append("validation.benchmark-data is missing: name the folder that holds the benchmarks")
    }
    if !asksNothing, stage == .pretrain {
      problems.append("validation.benchmarks is given, but a model that is pretrained on captions answers no questions yet")
    }
  }

  /// The files of the data set.
  var dataSources: [DataSource] { data.sources ?? [DataSource(file: data.file, images: data.images)] }

  /// The file of samples that are not trained on.
  var validationSource: DataSource? { validation.file.map { DataSource(file: $0, images: validation.images) } }

  /// The compressors, one of which chooses tokens in each step.
  ///
  /// - Throws: `CompressionError`.
  func reducers() throws -> [any TokenReducer] { try compression.compressors.map(reducer) }

  private func reducer(_ name: String) throws -> any TokenReducer {
    let registry = ReducerRegistry.standard
    let given: [ReducerOption: String] = [
      .semantics: (compression.semantics ?? semantics).rawValue, .imagePivots: "\(compression.imagePivots)",
      .textPivots: "\(compression.textPivots)",
    ]
    // The keys are options of some compressors; others have none of them.
    let known = registry[name]?.options ?? []
    let options = Dictionary(uniqueKeysWithValues: known.compactMap { option in given[option].map { (option.name, $0) } })
    return try registry.reducer(name, options)
  }

  /// The plan with which every step trains; nil where a curriculum says it, or nothing is dropped.
  ///
  /// - Throws: `CompressionError`; `ConfigurationProblem` where there is a curriculum too.
  func fixedPlan() throws -> CompressionPlan? {
    guard let text = compression.reduce else { return nil }
    if let name = curriculum.name, name != "none" {
      throw ConfigurationProblem.keys(

        [
          "compression.reduce is \(text) and curriculum.name is \(name): one of them says what is dropped; set curriculum.name to none"
        ])
    }
    return try CompressionPlan(text)
  }

  /// What is measured beside all tokens.
  ///
  /// - Throws: `CompressionError`.
  func validationPlans() throws -> [CompressionPlan] { try validation.reduce.map { try CompressionPlan($0) } }

  private mutating func resolveLoss() {
    let preset = DistillationOptions(preset ?? .paper, corrected: semantics == .corrected)
    distillation.divergenceWeight = distillation.divergenceWeight ?? preset.divergenceWeight
    distillation.scalesByTemperature = distillation.scalesByTemperature ?? preset.scalesByTemperature
    distillation.positions = distillation.positions ?? preset.divergencePositions
  }

  /// The loss of a resolved configuration.
  var distillationOptions: DistillationOptions {
    var options = DistillationOptions(preset ?? .paper, corrected: semantics == .corrected)
    options.divergenceWeight = distillation.divergenceWeight ?? options.divergenceWeight
    options.temperature = distillation.temperature
    options.divergence = distillation.divergence
    options.guidance = distillation.guidance
    options.counts = compression.counts
    options.scalesByTemperature = distillation.scalesByTemperature ?? options.scalesByTemperature
    options.divergencePositions = distillation.positions ?? options.divergencePositions
    options.draws = distillation.draws
    options.chunkRows = distillation.chunkRows
    options.recomputesActivations = distillation.recomputesActivations
    options.measuresGradients = distillation.measuresGradients
    return options
  }

  private mutating func resolveOptimizer(_ problems: inout [String]) {
    let isPretraining = stage == .pretrain
    let decoder: [ParameterGroup] = lora.rank != nil ? [.adapter] : isPretraining ? [] : [.decoder]
    optimizer.parts = optimizer.parts ?? [.projector] + decoder
    // LLaVA's numbers, of its scripts for either stage and for adapters.
    optimizer.learningRate = optimizer.learningRate ?? (isPretraining ? 1e-3 : lora.rank != nil ? 2e-4 : 2e-5)
    if lora.rank != nil, !isPretraining, optimizer.parts?.contains(.projector) == true {
      optimizer.projectorLearningRate = optimizer.projectorLearningRate ?? 2e-5
    }
    optimizer.weighting = optimizer.weighting ?? (semantics == .corrected ? .tokens : .batches)
    let parts = optimizer.parts ?? []
    if parts.isEmpty { problems.append("optimizer.parts is empty, expected some of tower, projector, decoder, adapter") }
    if lora.rank == nil, parts.contains(.adapter) {
      problems.append("optimizer.parts holds adapter, but there are none: give lora.rank")
    }
    if lora.rank != nil, parts.contains(.decoder) {
      problems.append("optimizer.parts holds decoder, whose weights stay with lora.rank: write adapter in its place")
    }
    if let bits, parts.contains(.decoder) {
      problems.append("bits is \(bits), but optimizer.parts holds decoder, whose weights are to change: give lora.rank")
    }
    for (part, key, rate) in [
      (ParameterGroup.projector, "projector", optimizer.projectorLearningRate), (.tower, "tower", optimizer.towerLearningRate),
      (.decoder, "embedding", optimizer.embeddingLearningRate),
    ] where rate != nil && !parts.contains(part) {
      problems.append("optimizer.\(key)-learning-rate is given, but optimizer.parts does not hold \(part.rawValue)")
    }
  }

  /// In how many bits the decoder's matrices are held; nil where nothing is said.
  var quantization: QuantizationOptions? {
    get throws { try bits.map { try QuantizationOptions(bits: $0) } }
  }

  /// Adapters; nil where none are asked for.
  var loraOptions: LoRAOptions? {
    lora.rank.map { rank in
      var options = LoRAOptions()
      options.rank = rank
      options.alpha = lora.alpha ?? 2 * Double(rank)
      if let targets = lora.targets { options.targets = Set(targets) }
      return options
    }
  }

  private mutating func resolveAdapters() throws {
    guard let options = loraOptions else {
      if lora.alpha != nil || lora.targets != nil {
        throw ConfigurationProblem.keys(["alpha and targets have no meaning without lora.rank"])
      }
      return
    }
    try options.validate()
    lora.alpha = options.alpha
    lora.targets = LoRAOptions.Target.allCases.filter(options.targets.contains)
  }

  /// The optimizer of a resolved configuration.
  var optimizerOptions: AdamWOptions {
    var options = AdamWOptions()
    options.learningRates = [:]
    for part in optimizer.parts ?? [] {
      let own: Double? =
        switch part {
        case .projector: optimizer.projectorLearningRate
        case .tower: optimizer.towerLearningRate
        case .decoder, .adapter: nil
        }
      options.learningRates[part] = own ?? optimizer.learningRate
    }
    (options.beta1, options.beta2, options.epsilon) = (optimizer.beta1, optimizer.beta2, optimizer.epsilon)
    options.embeddingLearningRate = optimizer.embeddingLearningRate
    options.weightDecay = optimizer.weightDecay
    options.maximumGradientNorm = optimizer.maximumGradientNorm
    return options
  }
}
