import Basics
import Compression
import Efficiency
import Foundation
import LLaVA
import Torch

/// What `epic profile` tells.
struct ProfileReport: Encodable {
  struct Text: Encodable { let `true`, paper: Double }

  struct True: Encodable {
    let prefillTFLOPs, towerTFLOPs, projectorTFLOPs, decoderTFLOPs, headTFLOPs, kvCacheMB: Double

    init(_ cost: PrefillCost) {
      prefillTFLOPs = cost.flops / 1e12
      towerTFLOPs = cost.tower / 1e12
      projectorTFLOPs = cost.projector / 1e12
      decoderTFLOPs = cost.decoder / 1e12
      headTFLOPs = cost.head / 1e12
      kvCacheMB = cost.kvCacheBytes / 1e6
    }
  }

  struct Paper: Encodable {
    let prefillTFLOPs, kvCacheMB: Double

    init(_ cost: PrefillCost) {
      prefillTFLOPs = cost.flops / 1e12
      kvCacheMB = cost.kvCacheBytes / 1e6
    }
  }

  struct Measured: Encodable {
    /// Seconds of the prefill: median of the rounds, and the fastest; with tower and projector where `includesVision`.
    let prefillSeconds, fastestSeconds: Double
    let speedup: Double
    /// How many times fewer FLOPs what was timed has, by the true accounting.
    let flopRatio: Double
    let selectionShare: Double
    let includesVision: Bool

    init(_ timing: PrefillTiming, ratio: Double) {
      prefillSeconds = timing.seconds
      fastestSeconds = timing.fastest
      speedup = timing.speedup
      flopRatio = ratio
      selectionShare = timing.selectionShare
      includesVision = timing.includesVision
    }
  }

  struct Row: Encodable {
    let compressor: String
    let keep: Int
    /// Visual tokens that a decoder layer sees, averaged over the layers.
    let averageVisualTokens: Double
    let `true`: True
    let paper: Paper
    var measured: Measured?
  }

  let model: String
  let layers, visualTokens, layer: Int
  let thenLayer, thenKeep: Int?
  let text: Text
  private(set) var rows: [Row] = []
  /// The decoder's prefill without compression, in seconds.
  private(set) var fullPrefillSeconds: Double?
  private(set) var dtype, device: String?
  private let full: True

  enum CodingKeys: String, CodingKey {
    case model, layers, visualTokens, layer, thenLayer, thenKeep, text, rows, fullPrefillSeconds, dtype, device
  }

  init(model: String, _ configuration: LLaVAConfiguration, _ place: CutOptions, text: Double?) throws {
    self.model = model
    layers = configuration.text.layers
    visualTokens = configuration.pictureLayout.count
    layer = place.layer ?? 2
    thenLayer = place.thenLayer
    thenKeep = place.thenKeep
    self.text = Text(true: text ?? CostModel.popeText, paper: text ?? CostModel.paperText)
    full = True(try CostModel(configuration).trueCost(text: self.text.true, nil))
  }

  mutating func add(_ compressor: String, _ keep: Int, _ plan: CompressionPlan, _ costs: CostModel) throws {
    let seen = try costs.visualTokensOfLayers(plan)
    rows.append(
      Row(
        compressor: compressor, keep: keep, averageVisualTokens: Double(seen.reduce(0, +)) / Double(max(1, seen.count)),
        true: True(try costs.trueCost(text: text.true, plan)), paper: Paper(try costs.paperCost(text: text.paper, plan))))
  }

  mutating func add(_ whole: PrefillTiming, _ timings: [PrefillTiming], dtype: DType, device: Device) {
    fullPrefillSeconds = whole.seconds
    self.dtype = "\(dtype)"
    self.device = "\(device)"
    for (index, timing) in timings.enumerated() {
      func flops(_ cost: True) -> Double { timing.includesVision ? cost.prefillTFLOPs : cost.decoderTFLOPs }
      rows[index].measured = Measured(timing, ratio: flops(full) / flops(rows[index].true))
    }
  }

  /// The report for people.
  var table: String {
    let percent: (Double) -> String = { String(format: "%.1f%%", 100 * $0) }
    let again = thenLayer.map { ", and to \(thenKeep ?? 0) after layer \($0)" } ?? ""
    // Plans in full say themselves where they work.
    let place = rows.allSatisfy { $0.compressor.contains(where: ":@".contains) } ? "" : ", dropped after layer \(layer)\(again)"
    var lines = [
      "\(model): \(layers) decoder layers, one picture of \(visualTokens) visual tokens\(place)",
      "TFLOPs and KV MB of tower, projector, decoder, head, with \(String(format: "%g", text.true)) text tokens; (paper): as EPIC counts, with \(String(format: "%g", text.paper)) text tokens.",
      "",
    ]
    var header = ["compressor", "keep", "tokens/layer", "TFLOPs", "of full", "KV MB", "TFLOPs (paper)", "KV MB (paper)"]
    if fullPrefillSeconds != nil { header += ["prefill ms", "times as fast", "FLOP ratio", "choosing"] }
    var cells: [[String]] = []
    for row in rows {
      var line = [
        row.compressor, "\(row.keep)", String(format: "%.1f", row.averageVisualTokens), number(row.true.prefillTFLOPs),
        percent(row.true.prefillTFLOPs / full.prefillTFLOPs), megabytes(row.true.kvCacheMB), number(row.paper.prefillTFLOPs),
        megabytes(row.paper.kvCacheMB),
      ]
      if let measured = row.measured {
        line += [
          String(format: "%.1f", measured.prefillSeconds * 1e3), String(format: "%.2f", measured.speedup),
          String(format: "%.2f", measured.flopRatio), percent(measured.selectionShare),
        ]
      }
      cells.append(line)
    }
    lines.append(TextTable(headings: header, rows: cells).text())
    if let fullPrefillSeconds, let dtype, let device {
      lines.append(
        String(
          format:
            "\nThe decoder's prefill takes %.1f ms with all visual tokens, %d text tokens, %@ on %@; medians of rounds in turns.%@",
          fullPrefillSeconds * 1e3, Int(text.true), dtype, device,
          rows.contains { $0.measured?.includesVision ?? false }
            ? " Where tokens are chosen before the decoder, tower and projector count too." : ""))
    }
    return lines.joined(separator: "\n")
  }

  private func number(_ value: Double) -> String {
    String(format: value < 0.01 ? "%.2e" : value < 1 ? "%.3f" : value < 100 ? "%.2f" : "%.0f", value)
  }

  private func megabytes(_ value: Double) -> String { String(format: value < 1 ? "%.3f" : "%.1f", value) }
}
