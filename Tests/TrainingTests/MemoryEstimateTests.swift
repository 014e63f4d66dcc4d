import Compression
import Distillation
import LLaVA
import TestModels
import TestSupport
import Testing
import Torch

@testable import Training

/// The estimate of memory against counts of models that there are, closed forms, and what must hold whatever the numbers.
@Suite struct MemoryEstimateTests {
  private func setting(
    _ preset: String, _ changes: [String] = [], samples: Int = 2, text: Int = 40, supervised: Int = 20, processes: Int = 1,
    machine: MemorySetting.Machine = .gpu
  ) throws -> MemorySetting {
    let model = try LLaVAConfiguration.preset(preset)
    let configuration = try TrainingConfiguration(
      contentsOf: nil, changes: ["model=m", "output=o", "data.file=d", "data.max-length=1024", "steps=40"] + changes
    ).resolved(for: model)
    return try MemorySetting(
      configuration, for: model, batch: .init(samples: samples, text: text, supervised: supervised), processes: processes,
      machine: machine)
  }

  /// LLaVA's weights: a CLIP tower, two layers of the projector, and a LLaMA.
  private static func closedForm(_ c: LLaVAConfiguration) -> Int {
    let (v, i, h) = (c.vision.hiddenSize, c.vision.intermediateSize, c.text.hiddenSize)
    let patch = c.vision.patchSize * c.vision.patchSize * 3
    let tower =
      v + patch * v + (c.vision.patches + 1) * v + 4 * v + c.vision.layers * (4 * (v * v + v) + 4 * v + 2 * v * i + i + v)
    let (q, kv) = (c.text.heads * c.text.headDimension, c.text.keyValueHeads * c.text.headDimension)
    let layer = 2 * h * q + 2 * h * kv + 3 * h * c.text.intermediateSize + 2 * h
    return tower + v * h + h + h * h + h + 2 * c.text.vocabularySize * h + c.text.layers * layer + h
  }

  @Test(arguments: ["tiny", "small", "base", "medium", "llava-1.5-7b", "llava-1.5-13b"])
  func parametersInClosedForm(_ preset: String) throws {
    let c = try LLaVAConfiguration.preset(preset)
    #expect(try ModelWeights(c).count() == Self.closedForm(c))
  }

  /// What the hub says of llava-hf's checkpoints, and of Qwen2-VL's smallest.
  @Test func parametersOfPublishedModels() throws {
    func count(_ preset: String) throws -> Int { try ModelWeights(LLaVAConfiguration.preset(preset)).count() }
    #expect(try count("llava-1.5-7b") == 7_063_427_072)
    #expect(try count("llava-1.5-13b") == 13_351_494_656)
    #expect(try count("qwen2-vl-2b") == 2_208_985_600)
  }

  /// Of every family: as many weights as a model has that is really there, by part, adapters included.
  @Test(arguments: LLaVAConfiguration.presetNames.filter { $0.hasPrefix("tiny") })
  func weightsAreThoseOfAModel(_ preset: String) throws {
    let c = try LLaVAConfiguration.preset(preset)
    var lora = LoRAOptions()
    lora.rank = 3
    lora.targets = [.query, .down]
    let model = try LLaVAModel.random(c, seed: 1).addingLoRA(lora)
    let (real, shapes) = (ModelWeights(model), try ModelWeights(c, lora: lora))
    #expect(real.all.map(\.name) == shapes.all.map(\.name) && real.all.map(\.count) == shapes.all.map(\.count))
    for group in ParameterGroup.allCases { #expect(shapes.count(of: [group]) == model.parameters.count(of: group)) }
    let units = shapes.units(of: Set(ParameterGroup.allCases))
    #expect(units.values.reduce(0, +) == model.parameters.count() && units.count == c.text.layers + 4)
  }

  /// Weights, masters, moments and gradients of real models and optimizers, on one process and on each of three.
  @Test(arguments: ["f32", "bf16"], [nil, 4]) func stateIsThatOfAnOptimizer(_ dtype: String, _ rank: Int?) throws {
    let place = try RunPlace()
    let extra = rank.map { ["lora.rank=\($0)"] } ?? []
    var configuration = try place.configuration("run")
    for change in ["dtype=\(dtype)", "distillation.divergence-weight=0", "curriculum.name=none", "curriculum.layer=null"] + extra
    {
      try configuration.set(change)
    }
    let run = try TrainingRun(configuration)
    let found = try run.memory(program: 5)
    #expect(found.count == 1)
    let (parts, model) = (found[0].moments[.update] ?? [:], run.model)
    let slots = run.optimizer.slots
    #expect(parts[.weights] == model.parameters.byteCount && parts[.program] == 5 + MemorySetting.Machine.pagedIn)
    #expect(parts[.masters] ?? 0 == slots.reduce(0) { $0 + ($1.hasMaster ? $1.master.byteCount : 0) })
    #expect(parts[.moments] == slots.reduce(0) { $0 + $1.firstMoment.byteCount + $1.secondMoment.byteCount })
    let batch = try #require(try run.loader.next())
    let samples = try batch.samples.map { try run.trainingSample($0, epoch: 0) }
    try run.loss(samples, run.draw(run.planned(after: 0), batch, micro: 0), tokens: nil).total.backward()
    #expect(parts[.gradients] == (try slots.reduce(0) { $0 + (try $1.parameter.tensor.gradient()?.byteCount ?? 0) }))

    let weights = run.optimizer.parameters.map(\.tensor)
    let dealt = WeightParts(weights, processes: 3)
    for number in 0..<3 {
      var divided = run.configuration
      divided.distributed.shard = .optimizer
      let setting = try MemorySetting(
        divided, for: model.configuration, weights: ModelWeights(model), batch: run.largestBatch, processes: 3, machine: .gpu)
      let own = weights.indices.filter { dealt.owners[$0] == number }
      let optimizer = try AdamW(run.optimizer.parameters, run.optimizer.options, changing: own)
      let parts = try MemoryEstimate(setting, rank: number).parts
      #expect((parts[.masters] ?? 0) + (parts[.moments] ?? 0) == optimizer.byteCount)
    }
  }

  /// The frozen teacher's copies of what is trained.
  @Test func aFrozenTeacherHasWeightsOfItsOwn() throws {
    let c = try LLaVAConfiguration.preset("tiny")
    let nested = ["curriculum.name=nested", "curriculum.smallest=2"]
    let plain = try MemoryEstimate(setting("tiny", nested)).moments[.update]?[.weights] ?? 0
    let frozen = try MemoryEstimate(setting("tiny", nested + ["curriculum.teacher=frozen"])).moments[.update]?[.weights] ?? 0
    #expect(frozen - plain == 2 * (try ModelWeights(c).count(of: [.projector, .decoder])))
  }

  /// Where all is divided by eight: 16 bytes of each trained weight, as sums of gradients have the weights' type, 2 of each other one; and two
  /// layers are whole in any layer's backward pass, with gradients of three.
  @Test(arguments: ["llava-1.5-7b", "llava-1.5-13b"]) func everythingDivided(_ preset: String) throws {
    var full = try setting(preset, ["curriculum.name=none"], processes: 8)
    (full.sharding, full.recomputes) = (.full, true)
    let (parts, weights) = (try MemoryEstimate(full).moments[.backward] ?? [:], full.weights)
    let (trained, resting) = (weights.count(of: [.projector, .decoder]), weights.count(of: [.tower]))
    let own = [.weights, .masters, .moments, .gradients].reduce(0) { $0 + (parts[$1] ?? 0) }
    #expect(abs(own - (16 * trained + 2 * resting) / 8) < 1_000_000)
    let units = weights.units(of: [.decoder])
    let (layer, head) = (units[.layer(1)] ?? 0, units[.head] ?? 0)
    let most = 2 * (2 * layer + layer + 2 * max(layer, head))
    #expect(abs((parts[.gathered] ?? 0) - most) < 1_000_000)
  }

  /// What a plain layer keeps in float32 on a CPU, counted operator by operator in a drawn-out sum.
  @Test func activationsInClosedForm() throws {
    let rows = 2 * (16 + 40), asked = 2 * 20
    // Input, norm, query, key, value, attention's result twice, its sums, the second input and norm, gate, up and their product; two scales.
    let row = 4 * (64 + 64 + 64 + 32 + 32 + 64 + 64 + 4 + 64 + 64 + 3 * 128) + 8
    let lastOfAll = 4 * (64 + 64 + 32 + 32) + 4
    let lastAsked = 4 * (64 + 64 + 64 + 64 + 4 + 64 + 64 + 3 * 128 + 64) + 4
    let projector = 2 * 16 * 4 * (32 + 64 + 64), hidden = asked * 4 * 64
    // Cosines, sines and two numbers of each row; the mask of the rows that are asked for over all columns of their sample.
    let angles = rows * (2 * 4 * 16 + 16), mask = asked * (16 + 40) * 4
    let plain = try MemoryEstimate(
      setting("tiny", ["dtype=f32", "curriculum.name=none"], machine: .cpu(program: 0))
    ).moments[.forward]?[.activations]
    #expect(plain == 3 * rows * row + rows * lastOfAll + asked * lastAsked + mask + angles + projector + hidden)
    let again = try MemoryEstimate(
      setting("tiny", ["dtype=f32", "curriculum.name=none", "distillation.recompute=true"], machine: .cpu(program: 0))
    ).moments[.forward]?[.activations]
    #expect(again == 4 * 4 * 64 * rows + asked * 4 * 64 + angles + projector + hidden)
  }

  // MARK: - Whatever the numbers

  /// A random setting of a run on GPUs.
  private func drawn(_ random: inout SplitMix) throws -> MemorySetting {
    func one<T>(_ values: [T]) -> T { values[Int.random(in: values.indices, using: &random)] }
    let preset = one(["small", "base", "medium", "llava-1.5-7b", "llava-1.5-13b", "qwen2.5-vl-3b", "llava-onevision-0.5b"])
    var changes = ["dtype=\(one(["f32", "bf16"]))"]
    changes.append(
      one([
        "curriculum.name=none", "curriculum.name=token", "curriculum.name=nested", "curriculum.name=integrated",
        "curriculum.name=fixed",
      ]))
    if Bool.random(using: &random) { changes.append("lora.rank=\(one([4, 64]))") }
    if Int.random(in: 0..<4, using: &random) == 0 { changes.append("optimizer.max-grad-norm=1") }
    return try setting(
      preset, changes, samples: one([1, 2, 5, 16]), text: one([8, 100, 700]), supervised: one([4, 100]),
      processes: one([1, 2, 3, 8]))
  }

  @Test(arguments: 0..<16) func moreNeverTakesLess(_ seed: UInt64) throws {
    var random = SplitMix(seed: 1000 + seed)
    let setting = try drawn(&random)
    func total(_ change: (inout MemorySetting) -> Void) throws -> Int {
      var changed = setting
      change(&changed)
      return try MemoryEstimate(changed).total
    }
    for sharding in MemorySetting.Sharding.allCases {
      func divided(_ change: (inout MemorySetting) -> Void = { _ in }) throws -> Int {
        try total {
          $0.sharding = sharding; change(&$0)
        }
      }
      let own = try divided()
      let what: Comment = "seed \(1000 + seed), \(sharding)"
      #expect(try divided { $0.batch.samples += 1 } >= own, what)
      #expect(try divided { $0.batch.text += 64 } >= own, what)
      #expect(try divided { $0.accumulation = 4 } >= own, what)
      #expect(try divided { $0.recomputes = true } <= own, what)
      #expect(try divided { $0.machine.program += 7 } == own + 7, what)
    }
    // Parts are never below 0, and add up.
    let found = try MemoryEstimate(setting)
    for parts in found.moments.values {
      #expect(parts.values.allSatisfy { $0 > 0 })
      #expect(parts.values.reduce(0, +) <= found.total)
    }
  }

  /// What fits on some GPUs fits on twice as many, with as many samples at least; with recomputation no fewer than without; and what is
  /// recommended fits.
  @Test(arguments: 0..<16) func plansOnlyGrow(_ seed: UInt64) throws {
    var random = SplitMix(seed: 2000 + seed)
    var setting = try drawn(&random)
    let memory = [4, 12, 24, 48, 80, 141][Int.random(in: 0..<6, using: &random)] * 1_000_000_000
    let what: Comment = "seed \(2000 + seed), \(memory) bytes"
    var before: Int?
    for processes in [2, 4, 16] {
      setting.processes = processes
      let plan = try MemoryPlan(setting, memory: memory, most: 64)
      let most = plan.choices.filter(\.fits).map(\.samples).max()
      if let before { #expect(most ?? 0 >= before, "\(what), \(processes) processes") }
      before = most
      for sharding in [MemorySetting.Sharding.none, .optimizer] {
        let ways = plan.choices.filter { $0.sharding == sharding }
        let (kept, again) = (ways.first { !$0.recomputes }, ways.first(where: \.recomputes))
        if let kept, let again, kept.fits { #expect(again.fits && again.samples >= kept.samples, what) }
      }
      for choice in plan.choices { #expect(choice.free == memory - choice.estimate.total) }
      #expect((plan.recommended == nil) == (most == nil) && plan.recommended?.fits != false, what)
      if let found = plan.recommended { #expect(found.samples & (found.samples - 1) == 0 && found.samples <= most ?? 0, what) }
    }
  }
}
