import Compression
import LLaVA
import Language
import Torch

/// Reads texts, pictures and questions for `SharedAnswerer`: which rows there are, and which branches they have.
final class PictureReader {
  private let model: LLaVAModel
  private let plans: [AnswerPlan]
  /// Plans by what they do before the decoder: those that do nothing, then each other one alone.
  private let groups: [[Int]]
  /// Ids before pictures, and their keys and values.
  private var text: (ids: [Int], cache: KeyValueCache)?

  init(_ model: LLaVAModel, _ plans: [AnswerPlan]) {
    self.model = model
    self.plans = plans
    let early = plans.indices.filter { plans[$0].compression?.stages.contains { $0.site.decoderLayer == nil } ?? false }
    let plain = plans.indices.filter { !early.contains($0) }
    groups = (plain.isEmpty ? [] : [plain]) + early.map { [$0] }
  }

  /// A prompt without a picture, which all plans answer alike.
  func text(_ ids: [Int]) throws -> PlannedPrompt {
    PlannedPrompt(
      rows: try model.splice([ids], [[]]), cache: try model.newCache(), branches: [(Array(plans.indices), Branch(sample: 0), [])])
  }

  /// Keys and values of the text before a picture, computed anew where it is another one than the last.
  private func textCache(_ ids: [Int]) throws -> KeyValueCache {
    if let text, text.ids == ids { return text.cache }
    var cache = try model.newCache()
    if !ids.isEmpty {
      var caches: [KeyValueCache]? = [cache]
      let run = try BranchingDecoder.run(model.decoder, model.splice([ids], [[]]), caches: &caches, [Branch(sample: 0)])
      cache = run.ends[0].cache ?? cache
    }
    text = (ids, cache)
    return cache
  }

  /// Reads pictures, all in one batch, as far as each plan can without a question.
  func read(_ pictures: [(text: [Int], picture: PreparedPicture)]) throws -> [ReadPicture] {
    var samples: [PackedBatch] = []
    var caches: [KeyValueCache]? = []
    var branches: [Branch] = []
    var found: [ReadPicture] = []
    /// Where the branches of each picture's groups begin.
    var places: [[Int]] = []
    for (ids, picture) in pictures {
      let before = try textCache(ids)
      var read = ReadPicture(key: picture.key, text: ids, groups: [])
      places.append([])
      for members in groups {
        let waits = try waitsForQuestion(members[0])
        read.groups.append(.init(plans: members, trunk: before, states: [], waitsForQuestion: waits))
        places[places.count - 1].append(branches.count)
        if waits { continue }
        var request = try request(picture, [], plans[members[0]].compression)
        request.needs.towerLayers = members.reduce([]) { $0.union(plans[$1].compression?.needs.towerLayers ?? []) }
        let segments = try model.encode([request])
        samples.append(try model.splice([[imagePlaceholderID]], segments, past: [before.nextPosition]))
        caches?.append(before)
        for member in members {
          var branch = try self.branch(member, picture)
          branch.sample = samples.count - 1
          branch.isWhole = false
          branches.append(branch)
        }
      }
      found.append(read)
    }
    if samples.isEmpty { return found }
    let stages = branches.map(\.stages)
    let run = try BranchingDecoder.run(model.decoder, PackedBatch.joined(samples), caches: &caches, branches)
    for check in run.checks { try check.validate() }
    for index in found.indices {
      for (group, first) in places[index].enumerated() where !found[index].groups[group].waitsForQuestion {
        let range = first..<first + found[index].groups[group].plans.count
        found[index].groups[group].note(range.map { run.ends[$0] }, stages: range.map { stages[$0] })
      }
    }
    return found
  }

  /// True for a plan that reads the prompt before the decoder, so that nothing of a picture can be read before the question is known, and
  /// for one that leaves nothing to read.
  private func waitsForQuestion(_ plan: Int) throws -> Bool {
    guard let plan = plans[plan].compression else { return false }
    return try plan.stages.contains { $0.site.decoderLayer == nil && $0.reducer.readsPrompt }
      || model.configuration.tokens(of: plan).decoder.first == 0
  }

  private func request(_ picture: PreparedPicture, _ ids: [Int], _ plan: CompressionPlan?) throws -> PictureRequest {
    PictureRequest(ids: ids, pictures: [picture.pixels], plan: plan, generator: try Generator(seed: picture.seed))
  }

  /// The decoder's stages of a plan for one picture.
  private func branch(_ plan: Int, _ picture: PreparedPicture) throws -> Branch {
    Branch(
      sample: 0, try model.resolve(plans[plan].compression, [model.layouts(of: [picture.pixels])]),
      generator: try Generator(seed: picture.seed))
  }

  /// A question about a picture: for each group of plans the rows that are still to be read, and where its plans branch off.
  func prompts(_ question: [Int], about read: ReadPicture, _ picture: PreparedPicture) throws -> [PlannedPrompt] {
    try read.groups.map { group in
      if group.waitsForQuestion {
        let plan = plans[group.plans[0]].compression
        let segments = try model.encode([request(picture, read.text + question, plan)])
        let rows = try model.splice([[imagePlaceholderID] + question], segments, past: [group.trunk.nextPosition])
        return PlannedPrompt(
          rows: rows, cache: group.trunk, branches: [([group.plans[0]], try branch(group.plans[0], picture), [])])
      }
      let rows = try model.splice([question], [[]], past: [group.trunk.nextPosition])
      let branches = try zip(group.plans, group.states).map { plan, state in
        var branch = Branch(sample: 0, generator: try Generator(seed: picture.seed))
        branch.stages = (state.hasLeft ? state.firstLayer.map { [Branch.Stage(layer: $0)] } ?? [] : []) + state.stages
        branch.waiting = state.waiting
        branch.cache = state.cache
        return (plans: [plan], branch: branch, images: state.images)
      }
      return PlannedPrompt(rows: rows, cache: group.trunk, branches: branches)
    }
  }
}

extension ReadPicture.Group {
  /// Takes what came of reading the picture.
  mutating func note(_ ends: [BranchEnd], stages: [[Branch.Stage]]) {
    // Where a plan keeps all tokens it has the picture in all layers; else the one that cuts last has it in the most.
    let whole = stages.indices.max { (stages[$0].first?.layer ?? .max) < (stages[$1].first?.layer ?? .max) }
    if let whole, let cache = ends[whole].cache { trunk = cache }
    states = zip(ends, stages).map { end, stages in
      ReadPicture.State(
        cache: stages.isEmpty ? nil : end.cache, waiting: end.waiting, stages: end.stages, firstLayer: stages.first?.layer,
        hasLeft: end.stages.count < stages.count, images: end.images)
    }
  }
}
