import Foundation
import TestSupport
import Testing
import Torch

@testable import Compression

/// The golden data of `reducers/`: what the authors' own code made of small random inputs, one folder for each method.
struct GoldenReducers {
  struct Case: Decodable, Sendable, CustomStringConvertible {
    let id: String
    let params: Parameters
    let inputs: [String: String]
    let outputs: [String: String]
    let stages: [Stage]?
    var description: String { id }
  }

  /// What happened behind one layer of a whole model; names are those of tensors.
  struct Stage: Decodable, Sendable {
    /// Whole models of PyramidDrop's authors, which no test runs, call it something else and lack its output.
    let layer: Int?
    let keptCount, clusters: Int?
    let kept: String
    let layerOut, relation, firstScore, recycled, random, merged, centres, assignment, positions, heads: String?

    enum CodingKeys: String, CodingKey {
      case layer, clusters, kept, relation, recycled, merged, centres, assignment
      case keptCount = "kept_count"
      case layerOut = "layer_out"
      case firstScore = "layer0_score"
      case random = "rand"
      case heads = "heads_selected"
      case positions = "position_ids"
    }
  }

  struct Parameters: Decodable, Sendable {
    let ratio, importantRatio: Double?
    let budget, dominant, contextual, groups, byAttention, textAfter, tokens: Int?
    let merged, layer, heads, layers, clusters, kept, visual, words: Int?
    let system: OneOrMany?
    let visualNow, visualAfter, lengths: [Int]?
    let classToken, distillToken, training: Bool?
    let plus, adaptive: Bool?
    let version: String?
    /// Of AutoPrune's budgets.
    let target, first: Int?
    let midpoint, steepness, flattening, information, dynamicSteepness, factor: Double?
    let firstInformation, secondInformation: Double?

    enum CodingKeys: String, CodingKey {
      case ratio, dominant, contextual, groups, plus, adaptive, heads, layers, clusters, kept, lengths, training, version
      case target = "target_token_num"
      case first = "v0"
      case midpoint = "x0"
      case steepness = "k0"
      case flattening = "gamma"
      case information = "mi_sum"
      case dynamicSteepness = "dynamic_k"
      case factor = "scale"
      case firstInformation = "mi_layer0"
      case secondInformation = "mi_layer1"
      case system = "system_tokens"
      case visual = "V"
      case words = "text_tokens"
      case budget = "T"
      case tokens = "N"
      case importantRatio = "important_ratio"
      case byAttention = "k_by_attention"
      case textAfter = "text_tokens_after"
      case merged = "r_effective"
      case layer = "rank_layer"
      case visualNow = "visual_now"
      case visualAfter = "visual_after"
      case classToken = "class_token"
      case distillToken = "distill_token"
    }
  }

  /// A number, or one for each sample of a batch.
  struct OneOrMany: Decodable, Sendable {
    let values: [Int]

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      do { values = [try container.decode(Int.self)] } catch DecodingError.typeMismatch {
        values = try container.decode([Int].self)
      }
    }
  }

  private struct Index: Decodable { let cases: [Case] }

  static func cases(_ method: String, where isAsked: (Parameters) -> Bool = { _ in true }) -> [GoldenCase<Case>] {
    Fixtures.cases {
      let file = Fixtures.url("reducers/\(method)/index.json")
      return try JSONDecoder().decode(Index.self, from: Data(contentsOf: file)).cases.filter { isAsked($0.params) }
    }
  }

  private let file: SafetensorsFile
  let own: Case

  init(_ method: String, _ golden: GoldenCase<Case>) throws {
    own = try golden.get()
    file = try SafetensorsFile(Fixtures.url("reducers/\(method)/cases.safetensors"))
  }

  func input(_ name: String) throws -> Tensor { try tensor(own.inputs[name], name).to(.float32) }
  func output(_ name: String) throws -> Tensor { try tensor(own.outputs[name], name).to(.float32) }
  /// Indices of an image of the batch.
  func indices(_ name: String, image: Int? = nil) throws -> [Int] {
    let all = try tensor(own.outputs[name], name).to(.int64)
    return try (image.map { try all.selected(0, $0) } ?? all).array(Int.self)
  }

  /// A tensor of a stage, as float32.
  func stored(_ key: String?) throws -> Tensor { try tensor(key, "such tensor").to(.float32) }
  /// Indices of a stage.
  func storedIndices(_ key: String?) throws -> [Int] { try tensor(key, "such tensor").to(.int64).array(Int.self) }

  private func tensor(_ key: String?, _ name: String) throws -> Tensor {
    try file.tensor(#require(key, "case \(own.id) has no \(name)"))
  }

  /// Images [images, tokens, width] at a site, one to a sample.
  static func images(_ rows: Tensor, at site: Site, tower: (Int) throws -> [Int: TowerTrace], classRows: Tensor? = nil) throws
    -> [VisualTokens]
  {
    let (images, tokens) = (rows.size(0), rows.size(1))
    let all = SiteRows(
      hidden: try rows.reshaped([images * tokens, rows.size(2)]), lengths: Array(repeating: tokens, count: images))
    return try (0..<images).map { image in
      VisualTokens(
        site: site, rows: all, sample: image, span: 0..<tokens, layout: TokenLayout(TokenGrid(rows: 1, columns: tokens)),
        tower: try tower(image), classRow: try classRows?.selected(0, image))
    }
  }

  /// A trace whose class token pays this attention, [heads, tokens]: what is missing to 1 goes to the class token itself.
  static func trace(attention: Tensor) throws -> TowerTrace {
    let (heads, columns) = (attention.size(0), attention.size(1) + 1)
    let own = try attention.sum(1, keepingDimension: true) * -1 + 1
    let queries = try concatenate([own, attention], 1).log().unsqueezed(1)
    let keys = try Tensor.arange(0, columns).oneHot(columns) * Double(columns).squareRoot()
    return TowerTrace(
      queries: queries, keys: try keys.unsqueezed(0).expanded([heads, columns, columns]), hasClassToken: true, firstToken: 1)
  }

  /// What a compressor, as it is called in production, makes of images that are to keep `count` tokens each.
  static func reduce(_ reducer: any TokenReducer, _ count: Int, _ images: [VisualTokens]) throws -> [Reduction] {
    var checks: [ChoiceCheck] = []
    let choices = try images.map { TokenChoice(count, of: $0, generator: try Generator(seed: 0)) }
    return try reducer.checked(choices, &checks).compactMap(\.self)
  }
}
