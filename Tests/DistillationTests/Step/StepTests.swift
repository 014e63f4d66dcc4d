import Compression
import Language
import TestSupport
import Testing
import Torch

@testable import Distillation
@testable import LLaVA

/// What the step computes, what it leaves out, and what it refuses.
@Suite struct StepTests {
  /// Counts how often it is asked to choose.
  private final class Counting: TokenReducer, @unchecked Sendable {
    private(set) var choices = 0
    private(set) var kept: [Set<Int>] = []
    func reduce(_ choice: TokenChoice) throws -> Reduction {
      choices += 1
      let found = try RandomChoice().reduce(choice)
      kept.append(Set(try #require(found.kept).array(Int.self)))
      return found
    }
  }

  /// A case whose first sample has images and a second one that is text alone.
  private func mixed(_ seed: Int) throws -> (c: StepCase, samples: [TrainingSample]) {
    let c = try StepCase(seed, layer: 2, samples: 1)
    return (c, c.samples + [TrainingSample(ids: [5, 6, 7, 8], labels: [ignoredLabel, 6, 7, 8])])
  }

  private let stage = Stage(layer: 2, studentRatio: 0.6, teacherRatio: 0.2)

  @Test func withoutDivergenceThereIsNoTeacher() throws {
    let (c, samples) = try mixed(3)
    let images = samples[0].pictures.count
    for (weight, choices) in [(0.0, images), (0.5, 2 * images)] {
      let counting = Counting()
      var options = DistillationOptions()
      options.divergenceWeight = weight
      let loss = try DistillationStep(c.model, counting, options)(samples, stages: [stage])
      #expect(counting.choices == choices)
      #expect(loss.teacherSamples == (weight == 0 ? 0 : 1), "text alone needs no teacher")
      #expect(try (loss.divergence() == 0) == (weight == 0))
      #expect(try abs(loss.total.item() - ((1 - weight) * loss.crossEntropy() + weight * loss.divergence())) < 1e-6)
    }
  }

  @Test func textAloneIsCrossEntropyAlone() throws {
    let (c, samples) = try mixed(3)
    let step = try DistillationStep(c.model, RandomChoice())
    let loss = try step([samples[1]], stages: [stage])
    #expect(loss.teacherSamples == 0 && loss.supervisedTokens == 3 && loss.divergencePositions == 3)
    let logits = try c.model.logits(c.model.splice([[5, 6, 7, 8]], features: [[]])).narrow(0, from: 0, length: 3)
    let expected = try logits.crossEntropy(Tensor([6, 7, 8])).item()
    #expect(try abs(loss.crossEntropy() - expected) < 1e-5)
    #expect(try abs(loss.total.item() - 0.3 * expected) < 1e-5)
  }

  /// A teacher that keeps the student's own tokens is the student.
  @Test func equalRatiosOfADeterministicCompressorNeedNoTeacher() throws {
    let (c, samples) = try mixed(1)
    let same = Stage(layer: 2, studentRatio: 0.5, teacherRatio: 0.5)
    for (compressor, draws, teachers) in [
      (FastV() as any TokenReducer, TokenDraws.independent, 0), (RandomChoice(), .independent, 1),
      (RandomChoice(), .nested, 0),
    ] {
      var options = DistillationOptions()
      options.draws = draws
      #expect(try DistillationStep(c.model, compressor, options)(samples, stages: [same]).teacherSamples == teachers)
    }
  }

  @Test func nestedDrawsKeepTheStudentsTokensForTheTeacher() throws {
    let (c, samples) = try mixed(2)
    for draws in [TokenDraws.nested, .independent] {
      let counting = Counting()
      var options = DistillationOptions()
      options.draws = draws
      _ = try DistillationStep(c.model, counting, options)(samples, stages: [stage])
      let (student, teacher) = (counting.kept.prefix(counting.choices / 2), counting.kept.suffix(counting.choices / 2))
      #expect(zip(student, teacher).allSatisfy { $0.isSubset(of: $1) } == (draws == .nested))
    }
  }

  @Test func frozenPartsReceiveNoGradient() throws {
    let (c, samples) = try mixed(4)
    for trained: Set<ParameterGroup> in [[.projector, .decoder], [.projector], [.tower], [.tower, .projector, .decoder]] {
      for parameter in c.model.parameters.parameters { try parameter.tensor.requiringGradient(trained.contains(parameter.group)) }
      for recomputes in [false, true] {
        let (_, gradients) = try c.run(samples, stages: [stage]) { $0.recomputesActivations = recomputes }
        let groups = Set(gradients.keys.compactMap { ParameterGroup(rawValue: String($0.prefix { $0 != "." })) })
        #expect(groups == trained, "recomputing \(recomputes)")
      }
    }
  }

  @Test func withoutRecordingThereIsALossAndNoGradient() throws {
    let (c, samples) = try mixed(5)
    let step = try DistillationStep(c.model, c.compressor, c.options)
    let recorded = try step(samples, stages: [stage]).total
    let evaluated = try withoutGradient { try step(samples, stages: [stage]).total }
    #expect(recorded.requiresGradient && !evaluated.requiresGradient)
    #expect(try abs(recorded.item() - evaluated.item()) < 1e-5)
  }

  /// Norms of each term's own gradient at the final hidden states, by libtorch's gradients of a loss written out.
  @Test(arguments: [1.0, 2.0]) func gradientNormsAreThoseOfTheTerms(_ temperature: Double) throws {
    let generator = try Generator(seed: 9)
    let (rows, width, vocabulary) = (7, 6, 11)
    let student = try Tensor.randn([rows, width], generator: generator).requiringGradient()
    let teacher = try Tensor.randn([rows - 2, width], generator: generator)
    let head = try Tensor.randn([vocabulary, width], generator: generator).requiringGradient()
    let targets = [1, 5, ignoredLabel, 10, 0, 3, 3]
    let diverges = [true, false, true, true, true, true, false]
    var options = DistillationOptions(.code)
    (options.divergenceWeight, options.temperature, options.chunkRows, options.measuresGradients) = (0.25, temperature, 3, true)
    var loss = ConsistencyLoss(
      options: options, output: .init(norm: { $0 }, head: head), targets: targets, crossEntropyCount: 6, divergenceCount: 5)
    loss.teacher = (teacher, .init(norm: { $0 }, head: head))
    loss.views = [
      .init(
        hidden: student, crossEntropyWeight: 0.75, recordsGradients: true,
        pulls: [.init(source: .teacher, weight: 0.25, compares: diverges.prefix(rows - 2) + [false, false])])
    ]
    let found = try loss(
      supervisedTokens: 6, divergencePositions: 5, teacherSamples: 1, shape: StepShape(samples: [], students: 1), checks: [])
    let logits = try student.matmul(head.transposed(0, 1))
    let compared = try Tensor([0, 2, 3, 4])
    let p = try (logits.rows(compared) / temperature).logSoftmax()
    let q = try (teacher.matmul(head.detached().transposed(0, 1)).rows(compared) / temperature).logSoftmax()
    let ce = try logits.crossEntropy(Tensor(targets)) * 0.75
    let kl = try (q.exp() * (q - p)).sum() * (0.25 * temperature * temperature / 5)
    let norms = try #require(found.gradientNorms)
    for (term, norm) in [(ce, norms.crossEntropy), (kl, norms.divergence)] {
      let expected = try #require(gradients(of: [term], for: [student], retainingGraph: true)[0])
      #expect(try abs(norm.item() - expected.power(2).sum().power(0.5).item()) < 1e-5)
    }
    let expected = try gradients(of: [ce + kl], for: [student, head])
    let own = try gradients(of: [found.total * 2], for: [student, head])
    for (a, b) in zip(own, expected) { #expect(try (#require(a) - #require(b) * 2).abs().max().item() < 1e-5) }
    #expect(try abs(found.total.item() - (ce + kl).item()) < 1e-5)
  }

  @Test func whatDoesNotFitIsRefused() throws {
    let (c, samples) = try mixed(6)
    let step = try DistillationStep(c.model, c.compressor)
    func refused(_ stages: [Stage], _ samples: [TrainingSample]) -> String? {
      do {
        _ = try step(samples, stages: stages)
        return nil
      } catch { return String(describing: error) }
    }
    #expect(refused([stage, stage, stage], samples)?.hasPrefix("3 stages were given for 2 samples") == true)
    #expect(refused([], samples)?.hasPrefix("0 stages") == true)
    let deeper = Stage(layer: 3, studentRatio: 0.6, teacherRatio: 0.2)
    #expect(refused([stage, deeper], samples)?.contains("layers 2, 3") == true)
    #expect(refused([Stage(layer: 5, studentRatio: 0.6, teacherRatio: 0)], samples)?.hasPrefix("layer is 5") == true)
    #expect(refused([Stage(layer: 2, studentRatio: 1.2, teacherRatio: 0)], samples)?.hasPrefix("ratio is 1.2") == true)
    #expect(refused([Stage(layer: 2, studentRatio: 0.2, teacherRatio: 0.4)], samples)?.hasPrefix("the teacher's ratio") == true)
    let silent = TrainingSample(ids: [5, 6], labels: [5, ignoredLabel])
    #expect(refused([stage], [silent])?.hasPrefix("none of the batch's 1 samples") == true)
    #expect(
      refused([stage], [TrainingSample(ids: [imagePlaceholderID, 6], labels: [ignoredLabel, 6])])?.contains("0 images") == true)
    for (change, name) in [
      ({ $0.divergenceWeight = 1.5 }, "divergence-weight"), ({ $0.temperature = 0 }, "temperature"),
      ({ $0.chunkRows = 0 }, "chunk-rows"),
    ] as [((inout DistillationOptions) -> Void, String)] {
      var options = DistillationOptions()
      change(&options)
      let error = #expect(throws: DistillationError.self) { try DistillationStep(c.model, c.compressor, options) }
      #expect(error?.description.hasPrefix(name) == true)
    }
  }
}
