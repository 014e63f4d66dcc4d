import Compression
import Language
import Torch

/// Samples whose pictures are to go through the encoder: their ids, their pixels, and the plan that says what is left.
public struct PictureRequest: Sendable {
  /// Token ids, images as `imagePlaceholderID`; what strategies may read of the prompt.
  public var ids: [Int]
  /// [images, channels, height, width] float32; nil where there is none.
  public var pixels: Tensor?
  /// What is dropped before the decoder; nil for nothing.
  public var plan: CompressionPlan?
  /// What strategies look at that work on the pictures later, beside those of the plan.
  public var needs: ReducerNeeds
  /// Random numbers of the sample.
  public var generator: Generator?

  /// Pictures of a sample.
  public init(
    ids: [Int], pixels: Tensor?, plan: CompressionPlan? = nil, needs: ReducerNeeds = .init(), generator: Generator? = nil
  ) {
    self.ids = ids
    self.pixels = pixels
    self.plan = plan
    self.needs = needs
    self.generator = generator
  }
}

extension LLaVAModel {
  /// The tokens of a picture of the encoder's own size.
  public var pictureLayout: TokenLayout { configuration.pictureLayout }

  /// A plan's numbers for samples of some images each, the stages before the decoder and those in it.
  ///
  /// - Throws: as `CompressionPlan.resolve`.
  public func resolve(_ plan: CompressionPlan?, images: [Int]) throws -> [CompressionPlan.ResolvedStage] {
    let tokens = pictureLayout.count
    return try plan?.resolve(
      imageTokens: images.map { Array(repeating: tokens, count: $0) }, layers: configuration.text.layers,
      towerLayers: encoder.computedLayers) ?? []
  }

  /// What pictures become at the decoder's input.
  ///
  /// All pictures that lose nothing before it go through the tower together.
  ///
  /// - Returns: for each request its images' segments.
  /// - Throws: `TorchError` for pixels of a wrong shape, `CompressionError`.
  public func encode(_ requests: [PictureRequest]) throws -> [[VisualSegment]] {
    var found: [[VisualSegment]] = requests.map { _ in [] }
    let stages = try requests.map { request in
      try resolve(request.plan, images: [request.pixels?.size(0) ?? 0]).filter { $0.layer == nil && request.pixels != nil }
    }
    let plain = requests.indices.filter { stages[$0].isEmpty && requests[$0].pixels != nil }
    // Images of plans of the same stages go together.
    let others = requests.indices.filter { !stages[$0].isEmpty }
    let groups = Dictionary(grouping: others) { stages[$0].map { ObjectIdentifier($0.stage.identity) } }
    for members in [plain] + groups.values where !members.isEmpty {
      let pixels = members.compactMap { requests[$0].pixels }
      let counts = pixels.map { $0.size(0) }
      let reductions = stages[members[0]].indices.map { stage in
        EncoderStage(stages[members[0]][stage].stage, counts: members.flatMap { stages[$0][stage].counts[0] })
      }
      let needs = members.reduce(ReducerNeeds()) { $0.union(requests[$1].needs).union(requests[$1].plan?.needs ?? .init()) }
      var context = EncoderContext(towerLayers: needs.towerLayers)
      for (member, count) in zip(members, counts) {
        let generator = try requests[member].generator ?? Generator(seed: 0)
        context.generators += Array(repeating: generator, count: count)
        if needs.text {
          let ids = try Tensor(requests[member].ids.filter { $0 != imagePlaceholderID }, on: device)
          context.text += Array(repeating: try decoder.embedding.embedding(ids).detached(), count: count)
        }
      }
      var segments = try encoder((pixels.count == 1 ? pixels[0] : concatenate(pixels)).to(device), reductions, context)[...]
      for (member, count) in zip(members, counts) {
        found[member] = Array(segments.prefix(count))
        segments = segments.dropFirst(count)
      }
    }
    return found
  }
}
