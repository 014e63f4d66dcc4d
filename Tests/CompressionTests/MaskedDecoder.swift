import GoldenModels
import Torch

@testable import LLaVA

/// A decoder for one sample that keeps all rows in every layer and forbids looking at dropped ones, written with whole attention maps.
struct MaskedDecoder {
  private let model: LLaVAModel
  private let weights: [String: Tensor]

  init(_ model: LLaVAModel) {
    self.model = model
    weights = Dictionary(uniqueKeysWithValues: model.parameters.parameters.map { ($0.name, $0.tensor) })
  }

  /// [rows, hiddenSize] after all layers; rows that were dropped hold whatever they hold.
  func run(_ batch: PackedBatch, _ kept: [KeptTokens]) throws -> Tensor {
    var x = batch.hidden
    let rows = batch.lengths[0]
    for layer in 0..<model.configuration.text.layers {
      var visible = [Bool](repeating: true, count: rows)
      if let cut = kept.last(where: { $0.layer <= layer }) {
        for (span, patches) in zip(batch.visual[0], cut.patches[0]) {
          guard let patches else { continue }
          for row in span { visible[row] = false }
          for patch in try patches.array(Int.self) { visible[span.lowerBound + patch] = true }
        }
      }
      let allowed = (0..<rows).flatMap { row in (0..<rows).map { $0 <= row && (visible[$0] || $0 == row) } }
      x = try self.layer(layer, x, Tensor(allowed, [rows, rows]))
    }
    return x
  }

  private func layer(_ index: Int, _ x: Tensor, _ allowed: Tensor) throws -> Tensor {
    let c = model.configuration.text
    func weight(_ name: String) throws -> Tensor {
      guard let found = weights["decoder.layers.\(index).\(name).weight"] else {
        throw TorchError.unknownOperator(name: name, message: "no such weight")
      }
      return found
    }
    func norm(_ x: Tensor, _ name: String) throws -> Tensor {
      try x * (x.power(2).mean(-1, keepingDimension: true) + c.rmsNormEpsilon).rsqrt() * weight(name)
    }
    let normed = try norm(x, "input_layernorm")
    let rotary = try RotaryEmbedding(c, on: .cpu)
    let angles = try rotary.angles(.arange(0, x.size(0)).unsqueezed(0), length: x.size(0), .float32)
    func heads(_ name: String, _ count: Int) throws -> Tensor {
      try normed.matmul(weight("self_attn." + name).transposed(0, 1)).reshaped([-1, count, c.headDimension])
    }
    let shared = c.heads / c.keyValueHeads
    let queries = try rotary(heads("q_proj", c.heads), angles).transposed(0, 1)
    let keys = try rotary(heads("k_proj", c.keyValueHeads), angles).repeatedInterleaved(shared, 1).transposed(0, 1)
    let values = try heads("v_proj", c.keyValueHeads).repeatedInterleaved(shared, 1).transposed(0, 1)
    let scores = try queries.matmul(keys.transposed(1, 2)) * (1 / Double(c.headDimension).squareRoot())
    let closed = try Tensor.zeros(allowed.shape).selected(where: allowed, else: .full(allowed.shape, -.infinity))
    let mixed = try (scores + closed).softmax(-1).matmul(values).transposed(0, 1).reshaped([x.size(0), -1])
    let y = try x + mixed.matmul(weight("self_attn.o_proj").transposed(0, 1))
    let inner = try norm(y, "post_attention_layernorm")
    let gate = try inner.matmul(weight("mlp.gate_proj").transposed(0, 1))
    let up = try inner.matmul(weight("mlp.up_proj").transposed(0, 1))
    return try y + (gate * gate.sigmoid() * up).matmul(weight("mlp.down_proj").transposed(0, 1))
  }
}
