import LLaVA
import Shapes
import Torch

/// The weights that an embedded model begins with.
///
/// Matrices are normal with variance 1/inputs, those that write into the residual stream half as large. In the decoder keys begin equal
/// to queries and output projections as half the transposed values, so that from the first step on a token attends to what is like it
/// and copies it ("mimetic initialization", arXiv 2305.09828). Word embeddings are normal with deviation 0.6, and the final
/// normalisation scales them to logits of about 1. A piece that closes a question begins as its last word, a plural as its singular, each
/// with one direction added that all of its kind share: what a language model knows before it sees pictures.
public final class BaseParameters: ParameterSource {
  /// What logits are scaled by when training begins: the weight of the final normalisation.
  public static let logitScale = 0.15
  private static let embeddingDeviation = 0.6

  private let generator: Generator
  private let tokenizer: ShapesTokenizer
  private var query, value: Tensor?

  /// Weights of a course's model that follow from `seed` alone, float32 on the CPU.
  public init(_ course: Course, seed: UInt64) throws {
    tokenizer = course.tokenizer
    generator = try Generator(seed: seed)
  }

  /// False for the normalisation that the features do not pass.
  public func contains(_ name: String) -> Bool { !name.contains("post_layernorm") }

  /// The weight of a name, in the order in which a model asks.
  public func parameter(_ name: String, shape: [Int]) throws -> Tensor {
    if name.hasSuffix(".bias") { return try .zeros(shape) }
    if name == "decoder.norm.weight" { return try .full(shape, Self.logitScale) }
    if shape.count == 1, name.contains("norm") { return try .ones(shape) }
    if name == "decoder.embed_tokens.weight" { return try embeddings(shape) }
    if name.contains("position_embedding") || name.contains("class_embedding") { return try normal(shape, 0.3) }
    let isDecoder = name.hasPrefix("decoder.")
    if isDecoder, name.hasSuffix("k_proj.weight"), let query { return try query.copy() }
    if isDecoder, name.hasSuffix("o_proj.weight"), let value { return try (value.transposed(0, 1) * 0.5).contiguous() }
    let inputs = shape.dropFirst().reduce(1, *)
    let writes = ["o_proj", "out_proj", "down_proj", "fc2"].contains { name.hasSuffix($0 + ".weight") }
    let weight = try normal(shape, (writes ? 0.5 : 1) / Double(inputs).squareRoot())
    if name.hasSuffix("q_proj.weight") { query = weight }
    if name.hasSuffix("v_proj.weight") { value = weight }
    return weight
  }

  private func normal(_ shape: [Int], _ deviation: Double) throws -> Tensor {
    try Tensor.randn(shape, generator: generator).multiplyInPlace(by: deviation)
  }

  private func embeddings(_ shape: [Int]) throws -> Tensor {
    let table = try normal(shape, Self.embeddingDeviation)
    let ending = try normal([shape[1]], Self.embeddingDeviation / 2)
    let plural = try normal([shape[1]], Self.embeddingDeviation / 2)
    func relate(_ pieces: [ShapesTokenizer.Related], _ added: (String) throws -> Tensor?) throws {
      for piece in pieces {
        guard let id = tokenizer.tokenID(ofWord: piece.word) else { continue }
        let own = try table.selected(0, id)
        try table.selected(0, piece.id).copyInPlace(from: try added(piece.word).map { try own + $0 } ?? own)
      }
    }
    try relate(tokenizer.plurals) { _ in plural }
    try relate(tokenizer.beginnings) { _ in nil }
    try relate(tokenizer.endings) { _ in ending }
    return table
  }
}
