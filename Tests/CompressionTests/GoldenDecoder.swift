import Testing
import Torch

@testable import Compression
@testable import LLaVA

/// A small decoder of golden data on its way through its layers, with the choices between them made by the test.
struct GoldenDecoder {
  let data: GoldenReducers
  let decoder: LlamaDecoder
  let input: DecoderInput
  var batch: PackedBatch
  var layer = 0

  init(_ data: GoldenReducers) throws {
    self.data = data
    let rows = try data.input("inputs_embeds").selected(0, 0)
    let parameters = data.own.params
    let (system, visual) = (try #require(parameters.system?.values.first), try #require(parameters.visual))
    var configuration = try LLaVAConfiguration.preset("tiny")
    configuration.text.hiddenSize = rows.size(1)
    configuration.text.layers = try #require(parameters.layers)
    configuration.text.heads = try #require(parameters.heads)
    configuration.text.headDimension = rows.size(1) / configuration.text.heads
    configuration.text.keyValueHeads = try data.input("k_proj").size(1) / configuration.text.headDimension
    configuration.text.intermediateSize = try data.input("gate_proj").size(1)
    let model = try LLaVAModel(configuration, from: RandomParameters(seed: 0, deviation: 0.1))
    func fill(_ name: String, _ weight: Tensor) throws {
      let parameter = try #require(model.parameters["decoder.\(name).weight"])
      try parameter.tensor.copyInPlace(from: weight)
    }
    let names =
      ["q_proj", "k_proj", "v_proj", "o_proj"].map { ($0, "self_attn.\($0)") }
      + ["gate_proj", "up_proj", "down_proj"].map { ($0, "mlp.\($0)") }
      + ["input_layernorm", "post_attention_layernorm"].map { ($0, $0) }
    for (name, path) in names {
      let stacked = try data.input(name)
      for layer in 0..<configuration.text.layers { try fill("layers.\(layer).\(path)", stacked.selected(0, layer)) }
    }
    try fill("norm", data.input("norm"))
    decoder = model.decoder
    let span = system..<system + visual
    input = DecoderInput(rows: rows, images: [span])
    batch = PackedBatch(
      hidden: rows, positions: try Positions(.arange(0, rows.size(0)), next: [rows.size(0)]), lengths: [rows.size(0)],
      images: [[ImageRows(span: span, layout: TokenLayout(TokenGrid(rows: 1, columns: visual)))]])
  }

  /// Runs up to the place behind a layer; what a compressor is shown there.
  ///
  /// - Parameter tower: traces of the tower that the compressor may look at.
  mutating func tokens(behind stage: GoldenReducers.Stage, tower: [Int: TowerTrace] = [:]) throws -> VisualTokens {
    var none: [KeyValueCache]?
    let last = try #require(stage.layer)
    let (after, trace) = try decoder.run(
      layers: layer..<last + 1, batch, &none, only: nil, recomputing: false, tracing: true)
    (batch, layer) = (after, last + 1)
    #expect(try distance(batch.hidden, data.stored(stage.layerOut).selected(0, 0)) < 5e-4)
    let rows = SiteRows(
      hidden: batch.hidden, lengths: batch.lengths, traces: [last: try #require(trace)], lastLayer: last,
      turns: decoder.turns(batch))
    let span = batch.images[0][0].span
    return VisualTokens(
      site: .decoder(layer: layer), rows: rows, span: span, layout: TokenLayout(TokenGrid(rows: 1, columns: span.count)),
      tower: tower, input: input)
  }

  /// Goes on with what is left, at the recorded positions: the released code numbers anew.
  mutating func goOn(with reduction: Reduction, at positions: String?) throws {
    batch = try batch.picking([Pick(sample: 0, reductions: [reduction])])
    guard let positions else { return }
    let numbers = try data.stored(positions).to(.int64).reshaped([-1])
    batch.positions = try Positions(numbers, next: [numbers.count])
  }

  /// Keeps, recycles and mixes tokens as `Recycling` does, compares it with the record, and goes on with what is left.
  ///
  /// - Parameters:
  ///   - scores: of the tokens.
  ///   - reducer: the compressor as it is called in production, by the number that is left alone.
  /// - Returns: the tokens that stand where mixes do.
  mutating func recycle(
    _ tokens: VisualTokens, _ scores: Tensor, by reducer: any TokenReducer, at stage: GoldenReducers.Stage
  ) throws -> [Int] {
    #expect(try distance(scores, data.stored(stage.relation)) < 1e-5)
    let parts = Recycling(keeping: try #require(stage.keptCount), of: tokens.count)
    #expect(parts.clusters == stage.clusters)
    let expected = try data.storedIndices(stage.kept)
    let reduction = try parts.reduction(
      scores, tokens.hidden(), noise: data.stored(stage.random).selected(0, 0), keepsOrder: false)
    let kept = try #require(reduction.kept).array(Int.self)
    #expect(Array(kept.prefix(parts.kept)) == expected)
    let result = try reduction.applied(to: tokens.hidden()).narrow(0, from: parts.kept, length: parts.clusters)
    #expect(try distance(result, data.stored(stage.merged).selected(0, 0)) < 5e-5)
    if parts.count < tokens.count {
      let own = try #require(GoldenReducers.reduce(reducer, parts.count, [tokens])[0].kept).array(Int.self)
      #expect(Array(own.prefix(parts.kept)) == expected && own.count == parts.count)
    }
    try goOn(with: reduction, at: stage.positions)
    return Array(kept[parts.kept...])
  }

  /// What comes out in the end.
  func finished() throws -> Tensor {
    try decoder.norm(decoder.run(layers: layer..<decoder.configuration.layers, batch).hidden)
  }
}
