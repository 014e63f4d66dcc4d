import Compression
import Imaging
import Torch

/// LLaVA-1.5's way from a picture to the decoder: the tower, then the projector; all pictures of one size, one view of each.
public struct WholePictureEncoder: VisualEncoder {
  /// Pixels to patch features.
  public let tower: VisionTower
  /// Patch features to decoder inputs.
  public let projector: Projector

  private var vision: VisionConfiguration { tower.configuration }

  /// Layers of the tower up to the one whose output is used.
  public var computedLayers: Int { vision.computedLayers }

  /// All pictures together as long as they lose equally many tokens, else one after the other.
  public func callAsFunction(
    _ pictures: [PicturePixels], _ reductions: [EncoderStage], _ context: EncoderContext
  ) throws -> [VisualSegment] {
    for picture in pictures { try picture.views.requireShape([1, nil, nil, nil], "a picture's views") }
    let pixels = try concatenate(pictures.map(\.views))
    if reductions.allSatisfy({ Set($0.counts).count <= 1 }) { return try together(pixels, reductions, context) }
    return try (0..<pixels.size(0)).flatMap { image in
      try together(
        pixels.narrow(0, from: image, length: 1), reductions.map { EncoderStage($0.stage, counts: [$0.counts[image]]) },
        context.of(image))
    }
  }

  private func together(_ pixels: Tensor, _ reductions: [EncoderStage], _ context: EncoderContext) throws -> [VisualSegment] {
    var rest = reductions[...]
    var grid: TokenGrid?
    if let first = rest.first, first.stage.site == .picture, let count = first.counts.first {
      grid = count == vision.grid.count ? nil : try first.stage.resized(TokenLayout(vision.grid), to: count)
      rest = rest.dropFirst()
    }
    let needs = rest.reduce(context.towerLayers) { $0.union($1.stage.reducer.needs.towerLayers) }
    var state = EncodedPictures(
      rows: try tower.embedded(pixels, grid: grid), layout: TokenLayout(grid ?? vision.grid), context: context,
      hasExtraToken: vision.hasClassToken && vision.featureSelection == .patch, hasClassToken: vision.hasClassToken)
    var layer = 0
    func run(to end: Int) throws {
      var traced = Set(needs.map { $0 < 0 ? computedLayers + $0 : $0 }.filter { (layer..<end).contains($0) })
      let last = needs.contains(ReducerNeeds.layerBeforeSite) && end > layer ? end - 1 : nil
      if let last { traced.insert(last) }
      let (rows, traces) = try tower.run(state.rows, layers: layer..<end, traced: traced, keyBias: state.sizeBias())
      state.rows = rows
      if let last, let trace = traces[last] { try state.add(trace, ReducerNeeds.layerBeforeSite) }
      for name in needs { if let trace = traces[name < 0 ? computedLayers + name : name] { try state.add(trace, name) } }
      layer = end
    }
    while let next = rest.first, case .tower(let after?) = next.stage.site {
      try run(to: min(after, computedLayers))
      try state.reduce(next)
      rest = rest.dropFirst()
    }
    try run(to: computedLayers)
    if needs.contains(ReducerNeeds.layerBehindTower), let trace = try tower.queriesAndKeys(state.rows, layer: computedLayers) {
      try state.add(trace, ReducerNeeds.layerBehindTower)
    }
    if state.hasExtraToken { state.classRows = try state.rows.narrow(1, from: 0, length: 1) }
    state.rows = try tower.features(state.rows)
    state.hasExtraToken = false
    while let next = rest.first, next.stage.site.kind == .tower {
      try state.reduce(next)
      rest = rest.dropFirst()
    }
    state.classRows = nil
    state.rows = try projector(state.rows)
    for next in rest { try state.reduce(next) }
    return try state.segments()
  }
}

extension EncoderContext {
  /// That of one image.
  func of(_ image: Int) -> EncoderContext {
    EncoderContext(
      generators: generators.isEmpty ? [] : [generators[image]], text: text.isEmpty ? [] : [text[image]], towerLayers: towerLayers
    )
  }
}
