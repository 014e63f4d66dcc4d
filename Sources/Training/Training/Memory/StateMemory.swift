import LLaVA
import Torch

/// Weights, optimizer and gradients of one process, by what is divided among several (`AdamW`, `GradientSum`).
///
/// Where weights are divided as well, two units are gathered at a time, the one at work and the next, and in the backward pass there are whole
/// gradients of the one at work and of the one behind it, which travel.
struct StateMemory {
  /// Bytes of an element of weights.
  let element: Double
  /// Elements of trained weights, by unit.
  let trainedUnits: [ModelWeights.Unit: Int]
  /// What is there at all moments.
  let parts: StepMemory.Parts
  /// All gradients, as the backward pass makes them.
  let fullGradients: Double
  /// Gradients that are there while a further micro-batch is computed, and those that are there in any case.
  let waitingGradients: Double, ownGradients: Double
  /// The process's sums of all processes' gradients, and what travels at a time.
  let sums: Double, exchange: Double
  /// What the optimizer looks at, and float32 copies that it makes of it.
  let updateGradients: Double, updateCopies: Double
  /// Units that are gathered.
  let gathered: Gathered
  /// The largest unit of weights, which is whole before it is divided, and the weight that is being read into it.
  let loadedWeights: Double

  /// What parts of divided units are multiples of, in elements.
  private static let alignment = 64

  init(_ setting: MemorySetting, rank: Int?) {
    let (trained, e, n) = (setting.trained, setting.element, setting.processes)
    element = e
    trainedUnits = setting.weights.units(of: trained)
    let counts = setting.weights.all.filter { trained.contains($0.group) }.map(\.count)
    let trainedCount = counts.reduce(0, +)
    let isHalf = setting.configuration.dtype != .float32
    let clips = setting.configuration.optimizer.maximumGradientNorm != nil
    // A frozen teacher has copies of what is trained; it has no adapters.
    let isFrozen = setting.configuration.curriculum.teacher == .frozen
    let teacher = isFrozen ? e * Double(setting.weights.count(of: trained.subtracting([.adapter]))) : 0
    let largest = Double(min(counts.max() ?? 0, trainedCount))
    let atOnce = Double(AdamW.elementsAtOnce(onCPU: !setting.machine.isGPU))

    guard setting.dividesWeights else {
      let owned: Int
      let lengths: Int
      if n > 1 {
        let dealt = WeightParts(
          counts: counts, dtypes: counts.map { _ in setting.configuration.dtype }, processes: n)
        let loads = zip(dealt.owners, counts).reduce(into: Array(repeating: 0, count: n)) { $0[$1.0] += $1.1 }
        let own = rank.map { loads.indices.contains($0) ? loads[$0] : 0 } ?? loads.max() ?? 0
        owned = own
        lengths = dealt.buckets.map(\.length).max() ?? 0
      } else {
        (owned, lengths) = (trainedCount, 0)
      }
      let held = Double(setting.sharding == .optimizer && n > 1 ? owned : trainedCount)
      parts = [
        .weights: setting.weights.bytes(of: e) + teacher, .masters: isHalf ? 4 * held : 0, .moments: 8 * held,
        .program: Double(setting.machine.program),
      ]
      fullGradients = e * Double(trainedCount)
      sums = n > 1 ? e * Double(owned) : 0
      waitingGradients = n > 1 ? sums : fullGradients
      ownGradients = 0
      exchange = 2 * e * Double(lengths) * Double(n)
      updateGradients = n > 1 ? e * held + sums : fullGradients
      updateCopies = isHalf || clips ? 4 * min(Double(trainedCount), max(atOnce, largest)) : 0
      (gathered, loadedWeights) = (Gathered(), 0)
      return
    }

    // A unit's weights begin at multiples of the alignment, its trained and its frozen ones in rows of their own; parts are equally long.
    func rows(_ groups: Set<ParameterGroup>) -> [ModelWeights.Unit: Int] {
      setting.weights.units(of: groups) { ($0 + Self.alignment - 1) / Self.alignment * Self.alignment }
    }
    func part(_ count: Int) -> Int { (count + Self.alignment * n - 1) / (Self.alignment * n) * Self.alignment }
    func elements(_ rows: [ModelWeights.Unit: Int]) -> Double { Double(rows.values.reduce(0) { $0 + part($1) }) }
    let (changing, resting) = (rows(trained), rows(Set(ParameterGroup.allCases).subtracting(trained)))
    let changed = elements(changing)
    func whole(_ unit: ModelWeights.Unit) -> Double {
      e * Double(n) * Double(part(changing[unit] ?? 0) + part(resting[unit] ?? 0))
    }
    func gradient(_ unit: ModelWeights.Unit) -> Double { e * Double(n * part(changing[unit] ?? 0)) }
    parts = [
      .weights: e * (changed + elements(resting)) + teacher / Double(n), .masters: isHalf ? 4 * changed : 0,
      .moments: 8 * changed,
      .program: Double(setting.machine.program),
    ]
    fullGradients = e * changed
    (waitingGradients, ownGradients, updateGradients) = (fullGradients, 0, 2 * fullGradients)
    (sums, exchange) = (0, 0)
    updateCopies = isHalf || clips ? 4 * min(changed, max(atOnce, largest / Double(n))) : 0
    let layers = (0..<setting.model.text.layers).map { ModelWeights.Unit.layer($0) }
    let layer = layers.map(whole).max() ?? 0
    let units = Set(changing.keys).union(resting.keys)
    loadedWeights = (units.map(whole).max() ?? 0) + e * Double(setting.weights.all.map(\.count).max() ?? 0)
    // The next unit travels ahead unless it is larger than a layer.
    let table = setting.model.text.tiesEmbeddings ? ModelWeights.Unit.embeddings : .head
    gathered = Gathered(
      encoder: whole(.tower) + whole(.projector) + (whole(.embeddings) <= layer ? whole(.embeddings) : 0), layers: 2 * layer,
      loss: whole(table) + layer,
      backward: layers.indices.map { index in
        // Gradients of the unit behind are sent and received while the layer's own are computed.
        let behind = index + 1 < layers.count ? layers[index + 1] : table
        return 2 * layer + gradient(layers[index]) + 2 * gradient(behind)
      },
      end: layer + max(whole(.projector), whole(.tower)) + 3 * max(gradient(.embeddings), gradient(.projector)))
  }
}

/// Weights of divided units that are gathered, and whole gradients of those at work, in the order of a pass.
struct Gathered {
  /// In the tower; in any layer forward; at the loss.
  var encoder = 0.0, layers = 0.0, loss = 0.0
  /// In each layer backward; none where nothing is divided.
  var backward: [Double] = []
  /// At the end of the backward pass.
  var end = 0.0

  /// In a layer's backward pass.
  func backward(_ layer: Int) -> Double { backward.indices.contains(layer) ? backward[layer] : 0 }
}
