import Compression
import Torch

/// Runs trunks and branches: layers up to the next stage, the choice, and on.
///
/// All samples and branches are one packed batch in each layer. Branches that record no gradients form a second one behind the place
/// where they part; it is run to its end first, so that its rows are gone before the others' activations lie in memory.
public struct BranchingDecoder {
  /// The rows of a batch that are wanted of the decoder's last layer: for a sample of the trunk, its images and its length behind
  /// all stages.
  ///
  /// Ascending ranges, none of them empty.
  public typealias Asking = (_ sample: Int, _ images: [ImageRows], _ length: Int) -> [Range<Int>]

  let decoder: LlamaDecoder
  /// Keeps each layer's input alone for the backward pass.
  let recomputes: Bool
  /// A choice that fails ends its own branch alone.
  let isolatesFailures: Bool
  var branches: [Branch]
  var result: BranchedRows
  /// Caches on their way, by slot: each has one owner, so that none is copied that need not be.
  var caches: [KeyValueCache?] = []

  /// Samples on their way, and which branches each of them serves.
  struct Walk {
    var batch: PackedBatch
    /// The sample of the trunk that each came from.
    var origins: [Int]
    var branches: [[Int]]
    var slots: [Int]
    /// What each sample was at the decoder's input, where a compressor looks back at it.
    var inputs: [DecoderInput?]
    var layer = 0
    var records: Bool
    /// Queries and keys of layers that some stage needs, of all samples as they are now, by layer.
    var traces: [Int: AttentionTrace] = [:]
  }

  /// Runs a batch.
  ///
  /// - Parameters:
  ///   - trunk: the samples, at the decoder's input.
  ///   - caches: what each sample continues and is added to, taken over by the branches; nil for none.
  ///   - branches: what becomes of the samples; every sample has one at least.
  ///   - recomputes: keeps only each layer's input for the gradient, in batches without caches.
  ///   - isolatesFailures: a choice that fails is written down in its branch's end, and the others go on.
  ///   - asking: the rows that are wanted; the last of each sample unless given.
  /// - Throws: `CompressionError` for choices that break a compressor's promise, `TorchError`.
  public static func run(
    _ decoder: LlamaDecoder, _ trunk: PackedBatch, caches: inout [KeyValueCache]?, _ branches: [Branch], recomputes: Bool = false,
    isolatesFailures: Bool = false, asking: Asking = { _, _, length in [max(0, length - 1)..<length] }
  ) throws -> BranchedRows {
    guard Set(branches.map(\.sample)) == Set(trunk.lengths.indices) else {
      throw GenerationError.branchSamples(Set(branches.map(\.sample)).sorted(), samples: trunk.lengths.count)
    }
    if let caches, caches.count != trunk.lengths.count {
      throw GenerationError.cacheCount(caches: caches.count, samples: trunk.lengths.count)
    }
    var run = BranchingDecoder(decoder, branches, recomputes, isolatesFailures)
    run.caches = caches.take() ?? []
    let samples = Array(trunk.lengths.indices)
    let needs = branches.flatMap(\.stages).compactMap { $0.reduction?.stage.reducer.needs }
    let looksBack = needs.contains { $0.text || $0.input }
    let inputs = try samples.map { looksBack ? try trunk.input(of: $0) : nil }
    let served = samples.map { sample in branches.indices.filter { branches[$0].sample == sample } }
    let whole = Walk(
      batch: trunk, origins: samples, branches: served, slots: samples, inputs: inputs,
      records: branches.contains(where: \.recordsGradients))
    // Samples of which no branch records gradients are not to hold any either.
    let silent = samples.filter { !served[$0].contains { branches[$0].recordsGradients } }
    try run.advance(parting: whole, silent: silent, asking)
    return run.result
  }

  private init(_ decoder: LlamaDecoder, _ branches: [Branch], _ recomputes: Bool, _ isolatesFailures: Bool) {
    (self.decoder, self.branches, self.recomputes, self.isolatesFailures) = (decoder, branches, recomputes, isolatesFailures)
    result = BranchedRows(ends: branches.map { _ in BranchEnd() })
  }

  private mutating func advance(parting walk: Walk, silent: [Int], _ asking: Asking) throws {
    let loud = walk.origins.indices.filter { !silent.contains($0) }
    if !walk.records || silent.isEmpty { return try advance(walk, asking) }
    try withoutGradient { try advance(walk.picking(silent, records: false), asking) }
    if !loud.isEmpty { try advance(walk.picking(loud, records: true), asking) }
  }

  /// To the next stage, part, and on, until no stage is left.
  private mutating func advance(_ start: Walk, _ asking: Asking) throws {
    var walk = start
    while let stop = nextStage(walk) {
      try run(&walk, to: stop)
      let (recorded, unrecorded) = try part(walk)
      if let unrecorded { try withoutGradient { try advance(unrecorded, asking) } }
      guard let recorded else { return }
      walk = recorded
    }
    try finish(&walk, asking)
  }

  private func nextStage(_ walk: Walk) -> Int? { walk.branches.joined().compactMap { branches[$0].stages.first?.layer }.min() }

  /// Layers up to a stage, and the traces that stages need.
  private mutating func run(_ walk: inout Walk, to stop: Int) throws {
    let needs = walk.branches.joined().flatMap { branches[$0].stages }.compactMap { stage in
      stage.reduction.map { ($0.stage.reducer.needs, stage.layer) }
    }
    var wanted = Set(needs.flatMap { $0.0.decoderLayers })
    for (need, layer) in needs where need.keys || need.queries { wanted.insert(layer - 1) }
    for layer in wanted.filter({ (walk.layer..<stop).contains($0) }).sorted() {
      walk.traces[layer] = try step(&walk, to: layer + 1, tracing: true)?.detached()
    }
    _ = try step(&walk, to: stop, tracing: false)
  }

  private mutating func step(_ walk: inout Walk, to stop: Int, tracing: Bool, only asked: [[Range<Int>]]? = nil) throws
    -> AttentionTrace?
  {
    if stop == walk.layer, asked == nil { return nil }
    var used: [KeyValueCache]? = caches.isEmpty ? nil : walk.slots.compactMap { caches[$0].take() }
    let (batch, trace) = try decoder.run(
      layers: walk.layer..<stop, walk.batch, &used, only: asked, recomputing: recomputes && walk.records, tracing: tracing)
    for (slot, cache) in zip(walk.slots, used.take() ?? []) { caches[slot] = cache }
    walk.batch = batch
    walk.layer = stop
    return trace
  }

  /// The rows that are asked for, after the last layer.
  private mutating func finish(_ walk: inout Walk, _ asking: Asking) throws {
    let asked = walk.origins.indices.map { asking(walk.origins[$0], walk.batch.images[$0], walk.batch.lengths[$0]) }
    let images = walk.batch.images
    _ = try step(&walk, to: decoder.configuration.layers, tracing: false, only: asked)
    for (sample, served) in walk.branches.enumerated() {
      for branch in served { end(branch, images[sample], walk, sample) }
    }
    let group = BranchedRows.Group(hidden: walk.batch.hidden, branches: walk.branches, counts: walk.batch.lengths)
    if walk.records { result.recorded = group } else { try add(unrecorded: group) }
  }

  private mutating func add(unrecorded group: BranchedRows.Group) throws {
    result.unrecorded =
      try result.unrecorded.map { before in
        BranchedRows.Group(
          hidden: try concatenate([before.hidden, group.hidden]), branches: before.branches + group.branches,
          counts: before.counts + group.counts)
      } ?? group
  }

  private mutating func end(_ branch: Int, _ images: [ImageRows], _ walk: Walk, _ sample: Int) {
    result.ends[branch].images = images
    result.ends[branch].cache = takeCache(of: sample, in: walk, for: branch)
    result.ends[branch].cache?.nextPosition = walk.batch.positions.next[sample]
    if let last = images.last(where: { $0.kept != nil }) { result.ends[branch].cache?.noteDropped(before: last.end) }
  }

  /// A sample's cache for one of its branches: itself for the last one, else a copy.
  private mutating func takeCache(of sample: Int, in walk: Walk, for branch: Int) -> KeyValueCache? {
    if caches.isEmpty { return nil }
    return walk.branches[sample].last == branch ? caches[walk.slots[sample]].take() : caches[walk.slots[sample]]
  }
}

extension BranchingDecoder.Walk {
  /// Some of the samples.
  func picking(_ samples: [Int], records: Bool) throws -> Self {
    if samples.count == origins.count { return self }
    func of<T>(_ values: [T]) -> [T] { samples.map { values[$0] } }
    let picks = samples.map { Pick(sample: $0, reductions: batch.images[$0].map { _ in nil }) }
    return Self(
      batch: try batch.picking(picks), origins: of(origins), branches: of(branches), slots: of(slots),
      inputs: of(inputs), layer: layer, records: records)
  }
}
