import Compression
import Distillation
import Distributed
import Foundation
import Imaging
import LLaVA
import Language
import Synchronization
import TestModels
import TestSupport
import Testing
import Torch

@testable import Training

/// What `distributed.shard: full` stands on, against invariants over random cases.
@Suite struct ShardingTests {
  /// Each element of each weight is in one part, parts are equally long, and all that is cut begins at multiples of 64.
  @Test(arguments: 0..<40) func partsOfARowHaveEachElementOnce(_ seed: Int) {
    var random = SplitMix(seed: UInt64(seed))
    let counts = (0..<Int.random(in: 1...9, using: &random)).map { _ in
      Bool.random(using: &random) ? Int.random(in: 1...130, using: &random) : 64 * Int.random(in: 1...40, using: &random)
    }
    let processes = Int.random(in: 1...9, using: &random)
    let layout = FlatLayout(counts, processes: processes)
    #expect(layout.length % 64 == 0 && layout.starts.allSatisfy { $0 % 64 == 0 })
    let filled = counts.reduce(0) { $0 + ($1 + 63) / 64 * 64 }
    #expect(layout.length * processes >= filled && layout.length * processes < filled + 64 * processes)
    var ends = counts.map { _ in 0 }
    for rank in 0..<processes {
      var end = 0
      for piece in layout.pieces(of: rank) {
        #expect(piece.range.lowerBound == ends[piece.weight] && piece.range.lowerBound % 64 == 0 && !piece.range.isEmpty)
        #expect(piece.place >= end && piece.place % 64 == 0)
        #expect(rank * layout.length + piece.place == layout.starts[piece.weight] + piece.range.lowerBound)
        ends[piece.weight] = piece.range.upperBound
        end = piece.place + piece.range.count
      }
      #expect(end <= layout.length)
    }
    #expect(ends == counts)
  }

  /// The norm is that of all elements, and the same bits however they are cut at multiples of 64 and in whatever order they come.
  @Test(arguments: 0..<20) func theNormDoesNotDependOnCuts(_ seed: Int) throws {
    var random = SplitMix(seed: UInt64(seed))
    let scale = pow(10, Double.random(in: -12...12, using: &random))
    let gradients = (0..<4).map { _ in
      (0..<Int.random(in: 1...700, using: &random)).map { _ in Float(Double.random(in: -1...1, using: &random) * scale) }
    }
    let exact = gradients.joined().reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
    func norm(_ parts: [[Float]]) throws -> Double {
      try GradientNorm(of: parts.map { ("weight", try Tensor($0)) }, among: .alone).value
    }
    let whole = try norm(gradients)
    #expect(abs(whole - exact) <= 1e-13 * exact, "\(whole) \(exact)")
    let parts = gradients.flatMap { gradient in
      var (cuts, start) = ([[Float]](), 0)
      while start < gradient.count {
        let end = min(gradient.count, start + 64 * Int.random(in: 1...5, using: &random))
        cuts.append(Array(gradient[start..<end]))
        start = end
      }
      return cuts
    }.shuffled(using: &random)
    #expect(try norm(parts) == whole)
    #expect(try GradientNorm(of: [], among: .alone).value == 0 && norm([[0, 0]]) == 0)
    for bad in [Float.nan, .infinity] {
      let found = try GradientNorm(of: [("a", Tensor([Float(1)])), ("b", Tensor([1, bad]))], among: .alone)
      #expect(!found.value.isFinite && found.largest == "b")
    }
  }

  /// What some processes wrote is read by other numbers of them, and as a whole.
  @Test(arguments: 0..<10) func savedStateFitsAnyNumberOfProcesses(_ seed: Int) throws {
    var random = SplitMix(seed: UInt64(seed))
    let scratch = try Scratch()
    let counts = (0..<3).map { _ in Int.random(in: 1...500, using: &random) }
    let values = counts.map { count in (0..<count).map { _ in Float.random(in: -1...1, using: &random) } }
    let writers = Int.random(in: 1...4, using: &random), readers = Int.random(in: 1...4, using: &random)
    func names(_ layout: FlatLayout, _ rank: Int) -> [(String, ArraySlice<Float>)] {
      layout.pieces(of: rank).map { piece in
        ("w\(piece.weight)[\(piece.range.lowerBound):\(piece.range.upperBound)]", values[piece.weight][piece.range])
      }
    }
    let written = FlatLayout(counts, processes: writers)
    let files = try (0..<writers).map { rank in
      let url = scratch.url.appending(path: "\(rank).safetensors")
      let items = try names(written, rank).flatMap { name, values in
        [
          SafetensorsItem("master/\(name)", try Tensor(Array(values))),
          SafetensorsItem("step/\(name)", try Tensor([Float(7)], [])),
        ]
      }
      try SafetensorsWriter.write(items, to: url)
      return try SafetensorsFile(url)
    }
    let saved = SavedOptimizer(files)
    let read = FlatLayout(counts, processes: readers)
    for rank in 0..<readers {
      for (name, values) in names(read, rank) {
        #expect(try saved.tensor("master/\(name)")?.array(Float.self) == Array(values))
        #expect(try saved.tensor("step/\(name)")?.item() == 7)
      }
    }
    for (place, values) in values.enumerated() {
      #expect(try saved.tensor("master/w\(place)")?.array(Float.self) == values)
      #expect(try saved.tensor("master/w\(place)[0:\(values.count + 1)]") == nil)
    }
    #expect(try saved.tensor("master/w9") == nil)
    // A file of a process is missing.
    if writers > 1 {
      let rest = SavedOptimizer(Array(files.dropFirst()))
      #expect(try rest.tensor("master/w0") == nil)
    }
  }

  /// Each process's own sequence is part of the one that all walk, units are held when they are needed and let go in the end, and each
  /// trained unit is added up once.
  @Test(arguments: 0..<40) func oneSequenceHasWhatEachNeeds(_ seed: Int) throws {
    var random = SplitMix(seed: UInt64(seed))
    let model = try TestModel.tiny(seed: 1)
    let layers = model.configuration.text.layers
    let units = Self.units(of: model)
    func pass() -> WeightPass {
      WeightPass(
        departures: Set((0..<layers).filter { _ in Int.random(in: 0..<3, using: &random) == 0 }),
        asksFrozen: Bool.random(using: &random), readsText: Bool.random(using: &random),
        recordsGradients: Bool.random(using: &random))
    }
    let passes = (0..<3).map { _ in pass() }
    let agreed = WeightPass(
      departures: passes.reduce(into: []) { $0.formUnion($1.departures) }, asksFrozen: passes.contains(where: \.asksFrozen),
      readsText: passes.contains(where: \.readsText), recordsGradients: passes.contains(where: \.recordsGradients))
    func moves(_ pass: WeightPass) -> [WeightSequence.Move] {
      WeightSequence(units, frozen: units, pass) { _ in true }.moves
    }
    let all = moves(agreed)
    var (held, reduced) = (Set<Int>(), [Int]())
    for move in all {
      switch move {
      case .gather(let unit): #expect(held.insert(unit).inserted)
      case .release(let unit): #expect(held.remove(unit) != nil)
      case .reduce(let unit): reduced.append(unit)
      }
      #expect(held.count <= 6, "\(held)")
    }
    #expect(held.isEmpty)
    #expect(reduced.sorted() == (agreed.recordsGradients ? Array(0..<Self.keys(of: model).count) : []))
    for own in passes {
      var rest = all[...]
      for case .gather(let unit) in moves(own) {
        let next = rest.firstIndex(of: .gather(unit))
        #expect(next != nil, "\(own) in \(agreed)")
        if let next { rest = rest[(next + 1)...] }
      }
    }
  }

  /// A step asks for no weights but those that it said it would use, in that order, whatever its branches are.
  @Test(arguments: 0..<24) func aStepUsesWhatItSaid(_ seed: Int) throws {
    var random = SplitMix(seed: UInt64(seed))
    let model = try TestModel.tiny(seed: 2)
    for parameter in model.parameters.parameters { try parameter.tensor.requiringGradient(parameter.group != .tower) }
    let teacher = try model.frozen(training: [.decoder])
    let (layers, size) = (model.configuration.text.layers, model.configuration.vision.imageSize)
    let picture = try PicturePixels(.randn([3, size, size]))
    let samples = (0..<3).map { index in
      index == 1
        ? TrainingSample(ids: [5, 6, 7], labels: [ignoredLabel, 6, 7])
        : TrainingSample(
          ids: [5, imagePlaceholderID, 6, 7, 8], labels: [ignoredLabel, ignoredLabel, ignoredLabel, 7, 8], pictures: [picture],
          seed: UInt64(index))
    }
    // Compressors that look at the layer behind the cut, and others.
    let names = ["dart", "fastv", "random", "uniform"]
    func plan() throws -> CompressionPlan? {
      if Int.random(in: 0..<4, using: &random) == 0 { return nil }
      let reducer = try ReducerRegistry.standard.reducer(names[Int.random(in: 0..<names.count, using: &random)])
      return try CompressionPlan(
        reducer, layer: Int.random(in: 1...layers, using: &random), .keep(Int.random(in: 1...8, using: &random)))
    }
    let log = Log()
    let watched = try model.holding(Spy(log: log, isFrozen: false)) { $0.tensor }
    let watchedTeacher = try teacher.holding(Spy(log: log, isFrozen: true)) { $0.tensor }
    let isFrozen = Bool.random(using: &random)
    let students = try (0..<Int.random(in: 1...3, using: &random)).map { index in
      var student = Student(
        plans: try samples.map { _ in try plan() }, crossEntropyWeight: 1, pulls: [Pull(towards: .teacher, weight: 1)])
      student.recordsGradients = index == 0 || Bool.random(using: &random)
      return student
    }
    let asked = Teacher(plans: try samples.map { _ in try plan() }, model: isFrozen ? watchedTeacher : nil)
    let step = try DistillationStep(watched, RandomChoice())
    let loss = try step(samples, students: students, teacher: asked)
    try loss.total.backward()

    let (said, needs) = log.values.withLock { ($0.pass, $0.needs) }
    let pass = try #require(said)
    #expect(pass.recordsGradients)
    let own = Self.units(of: model)
    let frozen = Self.units(of: teacher, beside: model)
    var rest = WeightSequence(own, frozen: frozen, pass, isTrained: { _ in true }).moves[...]
    // What is there, and whether it was used; the last norms always are.
    var held: [Int: Bool] = [:]
    func make(_ move: WeightSequence.Move) {
      switch move {
      case .gather(let unit): held[unit] = (own.resident + frozen.resident).contains(unit)
      case .release(let unit): #expect(held.removeValue(forKey: unit) == true, "\(unit) is not used in \(pass)")
      case .reduce: break
      }
    }
    for (part, isFrozen) in needs {
      let wanted = (isFrozen ? frozen : own).units(of: part)
      while wanted.contains(where: { held[$0] == nil }), let move = rest.popFirst() { make(move) }
      for unit in wanted {
        #expect(held[unit] != nil, "\(part) of \(pass)")
        held[unit] = true
      }
    }
    for move in rest { make(move) }
    #expect(held.isEmpty)
    // The same gradients as with all weights there and activations kept.
    let found = try model.parameters.parameters.map { try $0.tensor.gradient()?.array(Float.self) }
    for parameter in model.parameters.parameters { try parameter.tensor.setGradient(nil) }
    let plain = Teacher(plans: asked.plans, model: isFrozen ? teacher : nil)
    try DistillationStep(model, RandomChoice())(samples, students: students, teacher: plain).total.backward()
    #expect(try model.parameters.parameters.map { try $0.tensor.gradient()?.array(Float.self) } == found)
  }

  private final class Log: Sendable {
    struct Values {
      var pass: WeightPass?
      var needs: [(part: WeightPart, isFrozen: Bool)] = []
    }
    let values = Mutex(Values())
  }

  /// Writes down what is asked for; all weights are there anyway.
  private struct Spy: GatheredWeights {
    let log: Log
    let isFrozen: Bool

    func begin(_ pass: WeightPass) throws { log.values.withLock { $0.pass = pass } }
    func need(_ part: WeightPart) throws { log.values.withLock { $0.needs.append((part, isFrozen)) } }
  }

  private static func keys(of model: LLaVAModel) -> [String] {
    var keys: [String] = []
    for key in model.parameters.parameters.map(ModelUnits.key) where !keys.contains(key) { keys.append(key) }
    return keys
  }

  /// Units by number; those of weights that another model does not share are numbered behind its own.
  private static func units(of model: LLaVAModel, beside other: LLaVAModel? = nil) -> ModelUnits {
    let keys = keys(of: model)
    let numbers = model.parameters.parameters.map { parameter in
      let isOwn = other.map { $0.parameters[parameter.name]?.tensor !== parameter.tensor } ?? false
      return (parameter.name, (keys.firstIndex(of: ModelUnits.key(parameter)) ?? 0) + (isOwn ? keys.count : 0))
    }
    return ModelUnits(model, Dictionary(uniqueKeysWithValues: numbers), trained: [.tower, .projector, .decoder])
  }
}
