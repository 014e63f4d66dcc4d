import LLaVA
import Torch

/// Bytes at each moment of a step.
struct StepMemory {
  typealias Parts = [MemoryEstimate.Part: Double]

  private let setting: MemorySetting
  private let layer: LayerMemory
  private let encoder: EncoderMemory
  private let state: StateMemory

  init(_ setting: MemorySetting, rank: Int?) throws {
    self.setting = setting
    layer = LayerMemory(setting)
    encoder = try EncoderMemory(setting)
    state = StateMemory(setting, rank: rank)
  }

  /// All moments of a step with such rows.
  func moments(_ rows: RowsInLayers) -> [MemoryEstimate.Moment: Parts] {
    // Gradients of earlier micro-batches are there from the beginning; several processes have added them up then.
    let accumulates = setting.accumulation > 1
    let waiting = accumulates ? state.waitingGradients : state.ownGradients
    let all = activations(rows)
    let head = gradient(.head)
    let loss = LossMemory(setting, rows)
    let common = state.parts.merging(lasting(rows), uniquingKeysWith: +)
    func moment(_ parts: Parts) -> Parts { common.merging(parts, uniquingKeysWith: +) }

    var found: [MemoryEstimate.Moment: Parts] = [:]
    if setting.dividesWeights { found[.loading] = moment([.workspace: state.loadedWeights]) }
    found[.encoding] = moment([
      .activations: max(encoder.widest, encoder.kept), .gradients: waiting, .gathered: state.gathered.encoder,
    ])
    if let teacher = rows.teacher {
      let passed = rows.isFrozen ? 0 : activations(rows, upTo: rows.teacherLayer)
      found[.teaching] = moment([
        .activations: passed + encoder.kept + teacher * layer.unrecordedRow, .gradients: waiting,
        .gathered: state.gathered.loss,
      ])
    }
    let hidden = loss.hidden
    found[.loss] = moment([
      .activations: all + encoder.kept + hidden.loss, .logits: loss.chunk(headGradient: head).logits,
      .gradients: waiting + loss.chunk(headGradient: head).gradient, .gathered: state.gathered.loss,
    ])
    found[.forward] = moment([
      .activations: all + encoder.kept + hidden.kept, .gradients: waiting + head, .gathered: state.gathered.loss,
    ])
    // Kernels that are compiled in the backward pass settle in the blocks that the loss has let go.
    let pinned = setting.machine.compiles(setting.configuration.dtype) ? loss.chunk(headGradient: head).logits : 0
    found[.backward] = backward(rows, waiting).map { moment($0.merging([.reserved: pinned], uniquingKeysWith: +)) }
    if setting.processes > 1, state.exchange > 0 {
      let gradients = state.fullGradients + state.sums
      // What travels is larger than what layers have let go, so a CPU's allocator, which keeps all of that, has it beside.
      let most = setting.machine.isGPU ? 0 : found.values.map { Self.passing($0) }.max() ?? 0
      found[.exchange] = moment([
        .gradients: gradients, .exchange: state.exchange,
        .reserved: max(0, most - state.fullGradients - (accumulates ? state.sums : 0)),
      ])
    }
    found[.update] = moment([.gradients: state.updateGradients, .workspace: state.updateCopies])
    return found
  }

  /// What is there at a moment and not at all others.
  private static func passing(_ parts: Parts) -> Double {
    [.activations, .logits, .gradients, .gathered].reduce(0) { $0 + (parts[$1] ?? 0) }
  }

  /// What is there at all moments beside the state of the optimizer: pictures that were read, and the products' own memory.
  private func lasting(_ rows: RowsInLayers) -> Parts {
    let machine = setting.machine
    if machine.isGPU { return [.workspace: Double(setting.batch.samples) * encoder.pixels] }
    let samples = setting.configuration.data.ahead + setting.batch.samples * setting.accumulation
    let scratch = machine.compiles(setting.configuration.dtype) ? kernels(rows) : Self.packed * Double(machine.threads)
    return [.workspace: Double(samples) * encoder.pixels + scratch]
  }

  /// MKL packs float32 operands into buffers that each thread keeps: 33 to 50 MB (measured with the presets small and base).
  private static let packed = 40e6

  /// oneDNN compiles a bfloat16 product for each new shape and keeps a quarter of a megabyte for each of the last 1024.
  ///
  /// A way through the decoder has seven linear layers with three products each, and attention five for each block of 128 rows. Where
  /// shapes vary, each step brings new ones.
  private func kernels(_ rows: RowsInLayers) -> Double {
    let length = Double(setting.batch.text + setting.visual)
    let way = 21 + 5 * (length / 128).rounded(.up)
    let steps = rows.draws || setting.batch.varies ? Double(max(1, setting.configuration.steps ?? 1000)) : 1
    return 258_376 * min(1024, 28 + Double(rows.sides) * way * steps)
  }

  // MARK: - Activations

  private var lossRows: Double { Double(setting.batch.samples * min(setting.batch.supervised, setting.batch.text)) }

  /// What all layers keep, or those before one.
  private func activations(_ rows: RowsInLayers, upTo end: Int? = nil) -> Double {
    let layers = rows.recorded.count
    return (0..<min(end ?? layers, layers)).reduce(0) { sum, index in
      let isNew = index == 0 || rows.recorded[index] != rows.recorded[index - 1]
      return sum + kept(in: index, rows, recomputes: setting.recomputes) + (isNew ? rows.recorded[index] * layer.angles : 0)
    }
  }

  private func kept(in index: Int, _ rows: RowsInLayers, recomputes: Bool) -> Double {
    let asked = Double(rows.students) * lossRows
    let isLast = index == rows.recorded.count - 1
    if recomputes { return rows.recorded[index] * layer.input + (isLast ? asked * layer.input : 0) }
    return isLast
      ? rows.recorded[index] * (layer.lastRow + Double(min(setting.batch.supervised, setting.batch.text)) * layer.mask)
        + asked * layer.askedRow + layer.copies
      : rows.recorded[index] * layer.row + layer.copies
  }

  /// The layer whose backward pass takes most: those before it still have their activations, those behind it have gradients.
  private func backward(_ rows: RowsInLayers, _ waiting: Double) -> Parts? {
    let asked = Double(rows.students) * lossRows
    var before = activations(rows)
    var gradients = gradient(.head)
    /// Gradients that are there, and that of the unit at work.
    func held(_ gradients: Double, _ own: Double) -> Double {
      // Where weights are divided, gradients are added up unit by unit.
      if setting.dividesWeights { return state.fullGradients }
      if setting.accumulation == 1 { return max(waiting, gradients) }
      // Several processes add up a micro-batch's gradients when all are there; one computes each beside the sum that it is added to.
      return waiting + (setting.processes > 1 ? gradients : own)
    }
    var most: Parts?
    for index in rows.recorded.indices.reversed() {
      let isLast = index == rows.recorded.count - 1
      let own = kept(in: index, rows, recomputes: false)
      before -= kept(in: index, rows, recomputes: setting.recomputes)
      gradients += gradient(.layer(index))
      let working = (isLast ? asked : rows.recorded[index]) * layer.backwardRow
      let parts: Parts = [
        .activations: max(0, before) + own + working + encoder.kept,
        .gradients: held(gradients, gradient(.layer(index))), .gathered: state.gathered.backward(index),
      ]
      if parts.values.reduce(0, +) > (most?.values.reduce(0, +) ?? -1) { most = parts }
    }
    // The table of embeddings has its gradient last, when no layer has activations any more.
    let table = gradient(.embeddings)
    let last: Parts = [
      .activations: encoder.kept + (rows.recorded.first ?? 0) * layer.input,
      .gradients: held(gradients + table, table), .gathered: state.gathered.end,
    ]
    return last.values.reduce(0, +) > (most?.values.reduce(0, +) ?? -1) ? last : most
  }

  /// Bytes of the gradients of a unit.
  private func gradient(_ unit: ModelWeights.Unit) -> Double { state.element * Double(state.trainedUnits[unit] ?? 0) }
}

/// What the loss takes.
struct LossMemory {
  private let setting: MemorySetting
  private let rows: RowsInLayers
  private let lossRows: Double

  init(_ setting: MemorySetting, _ rows: RowsInLayers) {
    (self.setting, self.rows) = (setting, rows)
    lossRows = Double(setting.batch.samples * min(setting.batch.supervised, setting.batch.text))
  }

  /// Final hidden states behind the norm and their gradients: while the loss is computed, and after it.
  var hidden: (loss: Double, kept: Double) {
    let row = setting.element * Double(setting.model.text.hiddenSize)
    let (students, sides) = (Double(rows.students), Double(rows.sides))
    return (lossRows * row * (students + sides), lossRows * row * students)
  }

  /// The logits of a chunk, all float32 buffers of the vocabulary's width, when they take most beside the output layer's gradient.
  ///
  /// Each side has logarithms of probabilities. A divergence has three buffers more on its way; the gradient of logits needs two, and the
  /// product with the output layer one, in the weights' precision besides.
  func chunk(headGradient: Double) -> (logits: Double, gradient: Double) {
    let options = setting.configuration.distillationOptions
    let limit = rows.sides <= 2 ? options.chunkRows : options.chunkRows / rows.sides * 2
    let count = max(1, min(lossRows, Double(max(1, limit))))
    let wide = count * Double(setting.model.text.vocabularySize)
    let half = setting.configuration.dtype == .float32 ? 0 : 2 * wide
    let sides = Double(rows.sides) * (options.temperature != 1 && rows.compares ? 2 : 1)
    let terms = (sides + (rows.compares ? 3 : 2)) * 4 * wide
    let product = (sides + (rows.compares ? 2 : 1)) * 4 * wide + half
    // The gradient is there from the first chunk's product on.
    let before = lossRows > count ? headGradient : 0
    return terms + before > product + headGradient ? (terms, before) : (product, headGradient)
  }
}
