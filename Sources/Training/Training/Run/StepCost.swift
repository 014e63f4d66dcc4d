import Distillation
import Efficiency
import LLaVA

/// Counts the floating-point work of training steps, so that runs can be compared at equal work.
///
/// As `CostModel` counts: every product of matrices, a multiplication with an addition as two, attention as a full square; neither norms,
/// activations nor the choice of tokens. A product is counted once forward, once for the gradient of its input where something before it
/// is trained, and once for that of its weight where that is trained; attention twice backward. What branches share is counted once, as
/// it is computed once.
public struct StepCost: Sendable {
  private let costs: CostModel
  private let trained: Set<ParameterGroup>
  private let recomputes: Bool
  private let layers: Int
  /// Elements of the adapters of one layer.
  private let adapters: Double

  /// Work of steps of a model.
  ///
  /// - Parameters:
  ///   - trained: the parts that change.
  ///   - recomputes: whether activations are computed again for the backward pass.
  public init(_ model: LLaVAModel, training trained: Set<ParameterGroup>, recomputes: Bool = false) {
    costs = CostModel(model.configuration)
    (self.trained, self.recomputes) = (trained, recomputes)
    layers = model.configuration.text.layers
    adapters = Double(model.parameters.count(of: .adapter)) / Double(max(1, layers))
  }

  /// FLOPs of a step, its backward pass included.
  ///
  /// - Throws: `CompressionError` for plans that do not fit the model.
  public func flops(of shape: StepShape) throws -> Double {
    var sum = 0.0
    for sample in shape.samples {
      for way in sample.ways where way.encodes && sample.images > 0 {
        sum += try encoder(way) * Double(sample.images)
      }
      for trunk in Set(sample.ways.map(\.trunk)) { sum += decoder(sample.ways.filter { $0.trunk == trunk }, sample) }
      for way in sample.ways { sum += Double(sample.lossRows) * costs.logits * head(way, isTeacher: way.view == shape.students) }
    }
    return sum
  }

  private func encoder(_ way: StepShape.Way) throws -> Double {
    let hasStages = way.plan?.stages.contains { $0.site.decoderLayer == nil } ?? false
    let cost = try costs.encoder(hasStages ? way.plan : nil)
    let learns = way.recordsGradients
    let tower = learns && trained.contains(.tower) ? 3.0 : 1
    let projector =
      learns && trained.contains(.projector) ? (trained.contains(.tower) ? 3.0 : 2) : learns && trained.contains(.tower) ? 2 : 1
    return cost.tower * tower + cost.projector * projector
  }

  private func head(_ way: StepShape.Way, isTeacher: Bool) -> Double {
    if isTeacher || !way.recordsGradients { return 1 }
    return trained.contains(.decoder) ? 3 : 2
  }

  /// All layers for the ways of one trunk.
  private func decoder(_ ways: [StepShape.Way], _ sample: StepShape.Sample) -> Double {
    (0..<layers).reduce(0) { sum, layer in
      // Ways that have lost nothing yet are one and the same rows.
      let whole = ways.filter { $0.cuts.first.map { $0.layer > layer } ?? true }
      var batches = whole.first.map { [(visual: $0.visual, records: whole.contains(where: \.recordsGradients))] } ?? []
      for way in ways {
        guard let cut = way.cuts.last(where: { $0.layer <= layer }) else { continue }
        batches.append((cut.visual, way.recordsGradients))
      }
      return batches.reduce(sum) { sum, batch in
        sum + self.layer(rows: sample.text + batch.visual, asked: layer == layers - 1 ? sample.lossRows : nil, batch.records)
      }
    }
  }

  /// One layer over the rows of a sample; the last one computes queries and MLP for the rows that are asked for.
  private func layer(rows: Int, asked: Int?, _ records: Bool) -> Double {
    let (n, some) = (Double(rows), Double(min(rows, asked ?? rows)))
    let (keysAndValues, others) = costs.decoderLayerProducts
    let (linear, square) = (n * keysAndValues + some * others, costs.attention(queries: some, keys: n))
    let again = records && recomputes ? 1.0 : 0
    let products = records ? (trained.contains(.decoder) ? 3.0 : 2) : 1
    let lowRank = 2 * adapters * some * (records ? 3 + again : 1)
    return linear * (products + again) + square * ((records ? 3 : 1) + again) + lowRank
  }
}
