import Foundation
import GoldenModels
import Imaging
import Language
import Synchronization
import TestSupport
import Testing
import Torch

@testable import Compression
@testable import Distillation
@testable import LLaVA

/// Steps of the released trainers on the same weights and pictures, unequal lengths included.
@Suite struct GoldenStepTests {
  struct Losses: Decodable, Sendable {
    let total, crossEntropy, divergence, shifted: Double
    enum CodingKeys: String, CodingKey {
      case total
      case crossEntropy = "sft"
      case divergence = "kl_scaled_T2"
      case shifted = "kl_scaled_T2_shifted_variant"
    }
  }

  struct Case: Decodable, Sendable, CustomStringConvertible {
    let method: String
    let layer: Int?
    let studentRatio, teacherRatio: Double
    let supervised: Int
    let losses: [String: Losses]
    let norms: [String: [String: Double]]?
    var description: String { method }
    enum CodingKeys: String, CodingKey {
      case method, losses
      case layer = "K"
      case studentRatio = "student_ratio"
      case teacherRatio = "teacher_ratio"
      case supervised = "supervised_tokens"
      case norms = "grad_l2_norms"
    }
  }

  struct Index: Decodable {
    struct Batch: Decodable {
      struct Sample: Decodable { let image: String }
      let samples: [Sample]
      let start, length: Int
      enum CodingKeys: String, CodingKey {
        case samples
        case start = "image_start"
        case length = "image_length"
      }
    }
    let batch: Batch
    let steps, padded: [Case]
  }

  static let index: Result<Index, any Error> = Result {
    try JSONDecoder().decode(Index.self, from: Data(contentsOf: Fixtures.url("distill/index.json")))
  }
  /// The released FastV script lets one layer see the future, which is not to be imitated.
  static let steps = Fixtures.cases { try index.get().steps.filter { $0.method != "fastv_official_sdpa" } }
  static let padded = Fixtures.cases { try index.get().padded }

  private let index: Index
  private let tensors: SafetensorsFile

  init() throws {
    index = try Self.index.get()
    tensors = try SafetensorsFile(Fixtures.url("distill/tensors.safetensors"))
  }

  /// Keeps what it was told to, call by call: the student's tokens of each sample, then the teacher's.
  private final class Recorded: TokenReducer {
    private let calls: Mutex<[[Int]]>
    private let counts: [Double: Int]

    init(_ c: Case, student: [[Int]], teacher: [[Int]]) {
      calls = Mutex(student + teacher)
      counts = [c.studentRatio: student[0].count, c.teacherRatio: teacher[0].count]
    }

    func count(ratio: Double, of total: Int) -> Int { counts[ratio] ?? -1 }
    func reduce(_ choice: TokenChoice) throws -> Reduction { .keep(try Tensor(calls.withLock { $0.removeFirst() })) }
  }

  private func samples(_ model: LLaVAModel, _ prefix: String) throws -> [TrainingSample] {
    let ids = try tensors.tensor(prefix + "input_ids"), labels = try tensors.tensor(prefix + "labels")
    let mask = tensors.entries[prefix + "attention_mask"] == nil ? nil : try tensors.tensor(prefix + "attention_mask")
    let preprocessor = ImagePreprocessor(imageSize: model.configuration.vision.imageSize)
    return try index.batch.samples.enumerated().map { row, sample in
      let length = try mask.map { Int(try $0.to(.float32).selected(0, row).sum().item()) } ?? ids.size(1)
      func line(_ t: Tensor) throws -> [Int] { Array(try t.selected(0, row).array(Int.self).prefix(length)) }
      let picture = try RGBImage(contentsOf: Fixtures.url("images/\(sample.image)"))
      return TrainingSample(
        ids: try line(ids), labels: try line(labels), pictures: [try preprocessor.views(picture, isAlone: true)])
    }
  }

  /// What a side kept of each sample's image.
  private func kept(_ name: String) throws -> [[Int]] {
    let rows = try tensors.tensor(name)
    let span = index.batch.start..<index.batch.start + index.batch.length
    return try (0..<rows.size(0)).map { row in
      try rows.selected(0, row).array(Int.self).filter(span.contains).map { $0 - span.lowerBound }
    }
  }

  private func check(_ c: Case, _ prefix: String) throws {
    let model = try GoldenModels.wide()
    for parameter in model.parameters.parameters { try parameter.tensor.requiringGradient(parameter.group != .tower) }
    let samples = try samples(model, prefix)
    let stage = Stage(layer: c.layer ?? 2, studentRatio: c.studentRatio, teacherRatio: c.teacherRatio)
    let (student, teacher) = (
      try kept(prefix + "\(c.method)/student_retained"), try kept(prefix + "\(c.method)/teacher_retained")
    )
    for (name, expected) in try Fixtures.some(c.losses).sorted(by: { $0.key < $1.key }) {
      // T2_a0.7: temperature 2, share of the divergence 0.7.
      let numbers = name.split(separator: "_").compactMap { Double($0.dropFirst()) }
      func run(corrected: Bool) throws -> DistillationLoss {
        var options = DistillationOptions(.code, corrected: corrected)
        (options.temperature, options.divergenceWeight) = (numbers[0], numbers[1])
        let compressor = Recorded(c, student: student, teacher: teacher)
        return try DistillationStep(model, compressor, options)(samples, stages: [stage])
      }
      let loss = try run(corrected: false)
      let scale = numbers[0] * numbers[0]
      #expect(loss.supervisedTokens == c.supervised && loss.divergencePositions == c.supervised)
      #expect(try abs(loss.total.item() - expected.total) < 1e-5)
      #expect(try abs(loss.crossEntropy() - expected.crossEntropy) < 1e-5)
      #expect(try abs(loss.divergence() * scale - expected.divergence) < 1e-6)
      #expect(try abs(run(corrected: true).divergence() * scale - expected.shifted) < 1e-6)
      guard let norms = c.norms?[name] else { continue }
      try loss.total.backward()
      try checkGradients(model, norms, prefix + "\(c.method)/grad/\(name)/")
    }
  }

  private func checkGradients(_ model: LLaVAModel, _ norms: [String: Double], _ prefix: String) throws {
    var found: [String: Tensor] = [:]
    for parameter in model.parameters.parameters {
      found[parameter.name] = try parameter.tensor.gradient()
      try parameter.tensor.setGradient(nil)
    }
    for (name, norm) in norms {
      let gradient = try #require(found[KeyNames.own(name) ?? name], "\(name)")
      #expect(try abs(gradient.norm(2, -1).norm(2, 0).item() - norm) < 1e-3 * max(norm, 1e-3), "\(name)")
    }
    for name in tensors.entries.keys where name.hasPrefix(prefix) {
      let expected = try tensors.tensor(name)
      let gradient = try #require(found[KeyNames.own(String(name.dropFirst(prefix.count))) ?? ""], "\(name)")
      #expect(try (gradient - expected).abs().max().item() < 1e-4 * expected.abs().max().item(), "\(name)")
    }
  }

  @Test(arguments: steps) func stepsAreThoseOfTheReleasedTrainers(_ c: GoldenCase<Case>) throws { try check(c.get(), "") }
  @Test(arguments: padded) func unequalLengthsToo(_ c: GoldenCase<Case>) throws { try check(c.get(), "padded/") }
}
