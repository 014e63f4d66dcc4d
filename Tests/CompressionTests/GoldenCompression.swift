import Foundation
import GoldenModels
import Imaging
import LLaVA
import TestSupport
import Testing
import Torch

@testable import Compression

/// The golden data of `compress/`: what the released code of EPIC and FastV kept, and what came of it.
struct GoldenCompression {
  struct Case: Decodable, Sendable, CustomStringConvertible {
    let id, model, method: String
    let layer: Int
    let ratio: Double
    let imageStart, imageLength: Int
    let kept: [Int]?
    let loss: Double?
    let imagePivotCount, textPivotCount: Int?
    let imagePivots, textPivots, visitingOrder, keptAscending, keptImageThenText: [Int]?

    var description: String { id }

    enum CodingKeys: String, CodingKey {
      case id, model, method, ratio, loss
      case layer = "K"
      case imageStart = "image_start"
      case imageLength = "image_length"
      case kept = "kept_image_indices"
      case imagePivotCount = "pivot_image_token"
      case textPivotCount = "pivot_text_token"
      case imagePivots = "image_pivots"
      case textPivots = "text_pivots"
      case visitingOrder = "anchor_order"
      case keptAscending = "kept_if_anchors_ascending"
      case keptImageThenText = "kept_if_anchors_image_then_text"
    }
  }

  struct Decoding: Decodable, Sendable {
    let model: String
    let layer: Int
    let ratio: Double
    let promptLength: Int
    let greedy, cacheLengths: [Int]

    enum CodingKeys: String, CodingKey {
      case model, ratio, greedy
      case layer = "K"
      case promptLength = "prompt_length"
      case cacheLengths = "kv_lengths_after_prefill"
    }
  }

  struct SetOrder: Decodable {
    let list, order: [Int]
    enum CodingKeys: String, CodingKey {
      case list
      case order = "set_order"
    }
  }

  struct Index: Decodable {
    struct Configuration: Decodable { let wide_image_size: Int }
    let input_ids, labels: [Int]
    let image: String
    let cases: [Case]
    let decode: [Decoding]
    let cpython_set_order: [SetOrder]
    let config: Configuration
  }

  static let index: Result<Index, any Error> = Result {
    try JSONDecoder().decode(Index.self, from: Data(contentsOf: Fixtures.url("compress/index.json")))
  }
  static let cases = Fixtures.cases { try index.get().cases }
  /// Model and layer of all recorded evidence.
  static let evidence = Fixtures.cases {
    let names = try SafetensorsFile(Fixtures.url("compress/tensors.safetensors")).entries.keys
    // inputs/base/dart/K2/keys
    return Set(
      names.compactMap { name -> Evidence? in
        let parts = name.split(separator: "/")
        guard parts.count == 5, parts[0] == "inputs", let layer = Int(parts[3].dropFirst()) else { return nil }
        return Evidence(model: String(parts[1]), layer: layer)
      }
    ).sorted { ($0.model, $0.layer) < ($1.model, $1.layer) }
  }

  struct Evidence: Hashable, Sendable {
    let model: String
    let layer: Int
  }

  let index: Index
  let tensors: SafetensorsFile

  init() throws {
    index = try Self.index.get()
    tensors = try SafetensorsFile(Fixtures.url("compress/tensors.safetensors"))
  }

  /// The `base` model of 16 visual tokens, or the `wide` one whose tower sees larger pictures.
  func model(_ name: String) throws -> LLaVAModel {
    name == "base" ? try GoldenModels.official() : try GoldenModels.wide()
  }

  /// The one sample of all cases, with its labels.
  func batch(_ model: LLaVAModel, prompt: Int? = nil) throws -> PackedBatch {
    let ids = Array(index.input_ids.prefix(prompt ?? index.input_ids.count))
    let features = try model.visualTokens(pixels(model)).selected(0, 0)
    return try model.splice([ids], features: [[features]], labels: [Array(index.labels.prefix(ids.count))])
  }

  func pixels(_ model: LLaVAModel) throws -> Tensor {
    let picture = try RGBImage(contentsOf: Fixtures.url("images/\(index.image)"))
    return try stack([ImagePreprocessor(imageSize: model.configuration.vision.imageSize)(picture)])
  }
}

/// Keeps what it was told to, as recorded.
struct Recorded: TokenReducer {
  let indices: [Int]
  func reduce(_ choice: TokenChoice) throws -> Reduction { .keep(try Tensor(indices)) }
}

/// DART whose pivots take turns in the order in which CPython walks a set of their rows, for records that do not name the order.
struct ReferenceOrderedDART: TokenReducer {
  var needs: ReducerNeeds { dart.needs }
  func count(ratio: Double, of total: Int) -> Int { dart.count(ratio: ratio, of: total) }
  private let imagePivots, textPivots: Int
  private let dart: DART

  init(imagePivots: Int, textPivots: Int) throws {
    (self.imagePivots, self.textPivots) = (imagePivots, textPivots)
    dart = try DART(imagePivots: imagePivots, textPivots: textPivots)
  }

  func reduce(_ choice: TokenChoice) throws -> Reduction {
    let (image, text) = try dart.pivots(choice.count, of: choice.tokens)
    let rows = try image.array(Int.self).map { $0 + choice.tokens.span.lowerBound } + text.array(Int.self)
    return try DART(imagePivots: imagePivots, textPivots: textPivots, order: .given(Self.setOrder(rows))).reduce(choice)
  }

  /// The order of `list(set(rows))` in CPython 3.11 for distinct small integers inserted one by one.
  static func setOrder(_ rows: [Int]) -> [Int] {
    var table = [Int?](repeating: nil, count: 8)
    func insert(_ value: Int, _ table: inout [Int?]) {
      let mask = table.count - 1
      var perturb = value
      var slot = value & mask
      while true {
        let probes = slot + 9 <= mask ? 9 : 0
        for step in 0...probes where table[slot + step] == nil {
          table[slot + step] = value
          return
        }
        perturb >>= 5
        slot = (slot * 5 + 1 + perturb) & mask
      }
    }
    var used = 0
    for value in rows {
      insert(value, &table)
      used += 1
      if used * 5 >= (table.count - 1) * 3 {
        // Larger by four until a table holds more than four times what is used.
        var size = 8
        while size <= used * 4 { size <<= 1 }
        var larger = [Int?](repeating: nil, count: size)
        for case .some(let old) in table { insert(old, &larger) }
        table = larger
      }
    }
    return table.compactMap(\.self)
  }
}
