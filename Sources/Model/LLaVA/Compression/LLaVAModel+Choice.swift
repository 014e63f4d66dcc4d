import Compression
import Torch

extension LLaVAModel {
  /// What a compressor keeps of an image, ascending; nil where all of it stays.
  ///
  /// - Throws: `CompressionError.badSelection` where the compressor breaks its promise, `.notFinite`; `TorchError`.
  package func choose(
    _ count: Int, of tokens: VisualTokens, _ compressor: any TokenCompressor, _ generator: Generator
  ) throws -> Tensor? {
    try choose([TokenChoice(count, of: tokens, generator: generator)], compressor)[0]
  }

  /// The same for many images.
  func choose(_ choices: [TokenChoice], _ compressor: any TokenCompressor) throws -> [Tensor?] {
    var kept: [Tensor?] = choices.map { _ in nil }
    for (index, choice) in choices.enumerated() where choice.count == 0 && choice.tokens.count > 0 {
      kept[index] = try Tensor([Int](), on: choice.tokens.device)
    }
    let asked = choices.indices.filter { 0 < choices[$0].count && choices[$0].count < choices[$0].tokens.count }
    for tokens in asked.map({ choices[$0].tokens }) where tokens.patches == nil && tokens.count != tokens.grid.count {
      throw TorchError.shapeMismatch(what: "an image's tokens", found: [tokens.count], expected: [tokens.grid.count])
    }
    if asked.isEmpty { return kept }
    func refuse(_ reason: String) -> CompressionError { .badSelection(strategy: "\(type(of: compressor))", reason: reason) }
    let found = try compressor.keep(asked.map { choices[$0] })
    if found.count != asked.count { throw refuse("chose for \(found.count) images where \(asked.count) were asked about") }
    for (index, indices) in zip(asked, found) {
      let count = choices[index].count
      guard indices.dtype == .int64, indices.shape == [count] else {
        throw refuse("gave \(indices.dtype) of shape \(indices.shape) where \(count) int64 indices were asked for")
      }
    }
    // As many of one length as there are in one pass.
    for members in Dictionary(grouping: asked.indices, by: { choices[asked[$0]].count }).values {
      let sorted = try stack(members.map { try found[$0].to(choices[asked[$0]].tokens.device) }).sorted().values
      for (row, member) in members.enumerated() { kept[asked[member]] = try sorted.selected(0, row) }
    }
    for index in asked where choices[index].tokens.device == .cpu {
      // Where the answer is at hand; on a GPU the question would make everything wait.
      let (tokens, indices) = (choices[index].tokens, try kept[index]?.array(Int.self) ?? [])
      guard (indices.first ?? 0) >= 0, (indices.last ?? 0) < tokens.count, zip(indices, indices.dropFirst()).allSatisfy(<) else {
        // Order by NaN is no order.
        guard try tokens.sample.hidden.to(.float32).sum().item().isFinite else { throw CompressionError.notFinite }
        throw refuse("gave indices that repeat or lie outside 0..<\(tokens.count)")
      }
    }
    return kept
  }
}
