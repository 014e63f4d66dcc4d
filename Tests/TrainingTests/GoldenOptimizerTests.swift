import Foundation
import TestSupport
import Testing
import Torch

@testable import LLaVA
@testable import Training

/// Weights and moments that `torch.optim.AdamW` came to with transformers' cosine schedule.
@Suite struct GoldenOptimizerTests {
  private struct Index: Decodable {
    struct Case: Decodable {
      let name: String
      let lr, weight_decay: Double
      let weight_decay_applies_to: [String]
      let lr_of_emb, max_grad_norm: Double?
      let total_grad_norms_before_clipping: [Double]?
      let lrs_used_per_step: [[Double]]
    }
    struct Groups: Decodable {
      struct Group: Decodable {
        let lr, weight_decay: Double
        let params: [String]
      }
      let groups: [String: [Group]]
    }
    let total_steps: Int
    let warmup_ratio: Double
    let cases: [Case]
    let official_create_optimizer_groups: Groups
  }

  private let index: Index
  private let file: SafetensorsFile

  init() throws {
    index = try JSONDecoder().decode(Index.self, from: Data(contentsOf: Fixtures.url("optimizer/index.json")))
    file = try SafetensorsFile(Fixtures.url("optimizer/tensors.safetensors"))
  }

  private func expectClose(_ found: Tensor, _ name: String) throws {
    let difference = try (found.detached() - file.tensor(name)).abs().max().item()
    #expect(difference <= 1e-6, "\(name): \(difference)")
  }

  @Test func trajectoriesAreMet() throws {
    let schedule = try LearningRateSchedule(.cosine, steps: index.total_steps, warmupRatio: index.warmup_ratio)
    let names = file.entries.keys.filter { $0.hasPrefix("init/") }.map { String($0.dropFirst(5)) }.sorted()
    _ = try Fixtures.some(names, "weights")
    for golden in try Fixtures.some(index.cases) {
      let weights = try names.map { name in
        TrainedParameter(
          name, try file.tensor("init/\(name)").requiringGradient(),
          learningRate: name == "emb" ? golden.lr_of_emb ?? golden.lr : golden.lr,
          decays: golden.weight_decay_applies_to.contains(name))
      }
      var options = AdamWOptions()
      options.weightDecay = golden.weight_decay
      options.maximumGradientNorm = golden.max_grad_norm
      let optimizer = try AdamW(weights, options)
      for (step, rates) in golden.lrs_used_per_step.enumerated() {
        for (name, weight) in zip(names, weights) { try weight.tensor.setGradient(file.tensor("grad/step\(step)/\(name)")) }
        let norm = try optimizer.step(factor: schedule.factor(at: step))
        #expect(abs(schedule.factor(at: step) * golden.lr - rates[0]) <= 1e-9 * rates[0])
        if let expected = golden.total_grad_norms_before_clipping?[step] { #expect(abs(norm - expected) <= 1e-6 * expected) }
        for (name, weight) in zip(names, weights) { try expectClose(weight.tensor, "\(golden.name)/step\(step)/\(name)") }
      }
      for (name, tensor) in optimizer.state where name.hasPrefix("exp_avg") {
        let parts = name.split(separator: "/")
        try expectClose(tensor, "\(golden.name)/\(parts[0])/\(parts[1])")
      }
    }
  }

  /// The names decide on decay, and the part of the model on the learning rate, as the original's grouping does.
  @Test func groupsAreTheOriginals() throws {
    let named =
      ["no_special_lr": [:], "vision_tower_lr": [.tower: 2e-6], "projector_and_vision_lr": [.tower: 2e-6, .projector: 1e-5]]
      as [String: [ParameterGroup: Double]]
    for (name, rates) in named {
      for group in try #require(index.official_create_optimizer_groups.groups[name]) {
        for parameter in group.params {
          #expect(TrainedParameter.decays(parameter) == (group.weight_decay > 0), "\(parameter)")
          let own = try #require(KeyNames.own(parameter))
          #expect(TrainedParameter.decays(own) == (group.weight_decay > 0), "\(own)")
          let part = try #require(own.split(separator: ".").first.flatMap { ParameterGroup(rawValue: String($0)) })
          #expect(rates[part] ?? 2e-5 == group.lr, "\(own)")
        }
      }
    }
  }
}
