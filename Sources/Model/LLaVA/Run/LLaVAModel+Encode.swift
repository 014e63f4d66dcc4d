import Compression
import Imaging
import Language
import Torch

/// Samples whose pictures are to go through the encoder: their ids, their pictures, and the plan that says what is left.
public struct PictureRequest: Sendable {
  /// Token ids, images as `imagePlaceholderID`; what compressors may read of the prompt.
  public var ids: [Int]
  /// In the order of their placeholders.
  public var pictures: [PicturePixels]
  /// What is dropped before the decoder; nil for nothing.
  public var plan: CompressionPlan?
  /// What compressors look at that work on the pictures later, beside those of the plan.
  public var needs: ReducerNeeds
  /// Random numbers of the sample.
  public var generator: Generator?

  /// Pictures of a sample.
  public init(
    ids: [Int], pictures: [PicturePixels], plan: CompressionPlan? = nil, needs: ReducerNeeds = .init(),
    generator: Generator? = nil
  ) {
    self.ids = ids
    self.pictures = pictures
    self.plan = plan
    self.needs = needs
    self.generator = generator
  }
}

extension LLaVAModel {
  /// The tokens of a usual picture (`LLaVAConfiguration.usualPicture`).
  public var pictureLayout: TokenLayout { configuration.pictureLayout }

  /// A plan's numbers for samples of some images each, the stages before the decoder and those in it.
  ///
  /// - Throws: as `CompressionPlan.resolve`.
  public func resolve(_ plan: CompressionPlan?, _ layouts: [[TokenLayout]]) throws -> [CompressionPlan.ResolvedStage] {
    try plan?.resolve(
      imageTokens: layouts.map { $0.map(\.counted) }, layers: configuration.text.layers, towerLayers: encoder.computedLayers,
      clamped: configuration.picturesVary) ?? []
  }

  /// The same for samples of so many usual pictures.
  ///
  /// - Throws: as the other.
  public func resolve(_ plan: CompressionPlan?, images: [Int]) throws -> [CompressionPlan.ResolvedStage] {
    try resolve(plan, images.map { Array(repeating: pictureLayout, count: $0) })
  }

  /// The tokens of some pictures.
  public func layouts(of pictures: [PicturePixels]) -> [TokenLayout] { pictures.map { configuration.layout(of: $0.shape) } }

  /// What pictures become at the decoder's input.
  ///
  /// All pictures that lose nothing before it go through the tower together.
  ///
  /// - Returns: for each request its images' segments.
  /// - Throws: `TorchError` for pixels of a wrong shape, `CompressionError`.
  public func encode(_ requests: [PictureRequest]) throws -> [[VisualSegment]] {
    var found: [[VisualSegment]] = requests.map { _ in [] }
    let stages = try requests.map { request in
      try resolve(request.plan, [layouts(of: request.pictures)]).filter { $0.layer == nil && !request.pictures.isEmpty }
    }
    let plain = requests.indices.filter { stages[$0].isEmpty && !requests[$0].pictures.isEmpty }
    // Images of plans of the same stages go together.
    let others = requests.indices.filter { !stages[$0].isEmpty }
    let groups = Dictionary(grouping: others) { stages[$0].map { ObjectIdentifier($0.stage.identity) } }
    for members in [plain] + groups.values where !members.isEmpty {
      let pictures = try members.flatMap { requests[$0].pictures }.map { try $0.moved(to: device) }
      let counts = members.map { requests[$0].pictures.count }
      let reductions = stages[members[0]].indices.map { stage in
        EncoderStage(stages[members[0]][stage].stage, counts: members.flatMap { stages[$0][stage].counts[0] })
      }
      let needs = members.reduce(ReducerNeeds()) { $0.union(requests[$1].needs).union(requests[$1].plan?.needs ?? .init()) }
      var context = EncoderContext(towerLayers: needs.towerLayers)
      for (member, count) in zip(members, counts) {
        let generator = try requests[member].generator ?? Generator(seed: 0)
        context.generators += Array(repeating: generator, count: count)
        if needs.text {
          try gathered?.need(.embeddings)
          let ids = try Tensor(requests[member].ids.filter { $0 != imagePlaceholderID }, on: device)
          context.text += Array(repeating: try decoder.embedding.embedding(ids).detached(), count: count)
        }
      }
      try gathered?.need(.encoder)
      var segments = try encoder(pictures, reductions, context)[...]
      for (member, count) in zip(members, counts) {
        found[member] = Array(segments.prefix(count))
        segments = segments.dropFirst(count)
      }
    }
    return found
  }
}
