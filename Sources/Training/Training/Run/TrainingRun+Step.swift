import Basics
import Distillation
import Distributed
import Foundation
import LLaVA
import Torch
import enum Compression.CompressionError

/// One step of a run.
extension TrainingRun {
  /// What a process brings to a step.
  private struct Share: Codable {
    /// Supervised tokens, and micro-batches that hold samples.
    var tokens: Int, batches: Int
  }

  /// One optimizer step over as many micro-batches as the configuration says, for each process.
  ///
  /// Micro-batch m of the step is the (m / processes)-th of process m mod processes, so all processes together see what one would.
  func takeStep() throws -> StepRecord {
    let clock = ContinuousClock()
    let start = clock.now
    let sent = world.sentBytes
    let batches = try span("data") { try (0..<configuration.batch.accumulation).compactMap { _ in try loader.next() } }
    let dataSeconds = (clock.now - start) / .seconds(1)
    let own = Share(
      tokens: batches.reduce(0) { $0 + $1.supervisedTokens }, batches: batches.count { !$0.samples.isEmpty })
    let all = try world.gathered(own).reduce(Share(tokens: 0, batches: 0)) {
      Share(tokens: $0.tokens + $1.tokens, batches: $0.batches + $1.batches)
    }
    let planned = planned(after: step)
    let compressor = distills.count > 1 && fixedPlan == nil ? configuration.compression.compressors[turn] : nil
    let gradients = world.count > 1 && shards == nil ? GradientSum(world, optimizer.parameters.map(\.tensor), parts) : nil
    var sums: [StepSums] = []
    var fault: (any Error)?
    for (index, batch) in batches.enumerated() {
      var sum = StepSums()
      do {
        // A process that cannot go on has to tell the others, who wait for its gradients.
        if fault == nil {
          try span("micro-batch") {
            try add(batch, planned, micro: index * world.count + world.rank, all, to: &sum, of: batches)
          }
        }
      } catch {
        if world.count == 1 { throw error }
        fault = error
      }
      sums.append(sum)
      try span("gradients of all") {
        try gradients?.add()
        try shards?.finishPass()
      }
    }
    try requireAll(fault)
    try span("gradients of all") {
      try gradients?.finish(sharded: isSharded)
      try shards?.finishStep()
    }
    let merged = try merged(sums)
    let factor = schedule.factor(at: step)
    let norm: Double
    do {
      norm = try span("optimizer") { try optimizer.step(factor: factor, among: isSharded ? world : .alone) }
    } catch OptimizationError.gradientNotFinite(let parameter) {
      throw try notFinite("the gradient of \(parameter)", batches)
    }
    if isSharded { try span("weights of all") { try gradients?.shareWeights() } }
    try optimizer.clearGradients()
    curriculum?.observe(merged.observed, step: step)
    step += 1
    advance(batches)
    let taken = (clock.now - start) / .seconds(1)
    seconds += taken
    let rates = configuration.optimizerOptions.learningRates
    var record = merged.record(
      step: step, epoch: Double(data.cursor.epoch) + Double(data.cursor.position) / Double(max(1, samples)), gradientNorm: norm,
      learningRate: factor * (rates[.decoder] ?? rates[.adapter] ?? rates[.projector] ?? rates[.tower] ?? 0),
      curriculum: curriculum?.state, seconds: taken, dataSeconds: dataSeconds)
    if world.count > 1 { record.sentBytes = world.sentBytes - sent }
    record.compressor = compressor
    return record
  }

  /// Loss and gradients of a micro-batch; nothing for a slot without a usable sample.
  private func add(
    _ batch: SampleBatch, _ planned: PlannedStep, micro: Int, _ all: Share, to sum: inout StepSums, of batches: [SampleBatch]
  ) throws {
    if batch.samples.isEmpty { return }
    let drawn = draw(planned, batch, micro: micro)
    let samples = try batch.samples.map { try trainingSample($0, epoch: batch.epoch) }
    let isWeighted = configuration.optimizer.weighting == .tokens
    let loss: DistillationLoss
    do {
      loss = try self.loss(samples, drawn, tokens: isWeighted ? all.tokens : nil)
    } catch CompressionError.notFinite {
      throw try notFinite("what the decoder computes", batches)
    }
    let share = isWeighted ? 1 : 1 / Double(all.batches)
    try sum.add(
      loss, drawn, batch, visual: model.pictureLayout.count, weight: distill.options.divergenceWeight,
      flops: cost.flops(of: loss.shape), share: share)
    if !sum.loss.isFinite { throw try notFinite("the loss", batches) }
    if loss.total.requiresGradient { try span("backward") { try (share == 1 ? loss.total : loss.total * share).backward() } }
  }

  /// Throws on all processes where one cannot go on.
  func requireAll(_ fault: (any Error)?) throws {
    if world.count == 1 { return }
    // The first of those that fail has the largest number.
    let failed = try world.maximum(fault == nil ? 0 : world.count - world.rank)
    if let fault { throw fault }
    if failed > 0 { throw CommunicatorError.otherFailed(rank: world.count - failed) }
  }

  /// The sums of all processes, in the order of micro-batches.
  private func merged(_ own: [StepSums]) throws -> StepSums {
    let all = try world.gathered(own)
    var merged = StepSums()
    for index in own.indices { for rank in all.indices where all[rank].indices.contains(index) { merged.add(all[rank][index]) } }
    return merged
  }

  /// Moves the place in the data behind the step.
  private func advance(_ batches: [SampleBatch]) {
    guard world.count > 1 else {
      if let last = batches.last { data = loader.state(after: last) }
      return
    }
    let slots = DataSlots(size: configuration.batch.samples, samples: samples)
    let next = slots.slot(of: data.cursor) + configuration.batch.accumulation * world.count
    data = loader.state(at: slots.cursor(of: next))
  }

  /// Lists the samples of a step that went wrong.
  private func notFinite(_ what: String, _ batches: [SampleBatch]) throws -> RunError {
    struct Listed: Encodable {
      let index: Int
      let id: String?
    }
    let rank = world.count > 1 ? "-rank-\(world.rank)" : ""
    let url = folder.url.appending(path: "failed-step-\(step + 1)\(rank).json")
    let listed = batches.map { $0.samples.map { Listed(index: $0.index, id: $0.id) } }
    try WholeFile.write(json: listed, to: url)
    return .notFinite(step: step + 1, what: what, batch: url.relativePath)
  }
}
