import Compression
import Torch

/// What happens where a stage is: some branches leave their trunk, and their images lose tokens.
extension BranchingDecoder {
  /// A branch that leaves a sample here.
  private struct Leaving {
    let branch: Int
    let sample: Int
    let reduction: (stage: CompressionPlan.Stage, counts: [Int])?
    /// The sample of the joined batch that it goes on from: its trunk's, or one of its own, where rows had waited.
    var place: Int
    /// The rows that had waited, with the sample's own behind them.
    var waited: WaitingRows?
    var reductions: [Reduction?]
    /// Numbers of tokens that the compressor has decided for each image, by layer.
    var budgets: [[Int: Int]] = []
  }

  /// A sample of the next batch.
  private struct Way {
    let pick: Pick
    /// The sample of the batch so far, and of the trunk, that it comes from.
    let sample, origin: Int
    let branches: [Int]
    let slot: Int
    let input: DecoderInput?
    let records: Bool
  }

  /// Splits samples whose branches have a stage after the layers that they have passed: what goes on with a record for gradients, and
  /// what goes on without.
  mutating func part(_ walk: Walk) throws -> (recorded: Walk?, unrecorded: Walk?) {
    let gone = Set(walk.branches.joined().filter { branches[$0].stages.first?.layer == walk.layer })
    var leaving: [Leaving] = []
    for (sample, served) in walk.branches.enumerated() {
      for branch in served where gone.contains(branch) {
        if let found = try leave(branch, walk, sample, waited: leaving.count { $0.waited != nil }) { leaving.append(found) }
      }
    }
    let joined = try PackedBatch.joined([walk.batch] + leaving.compactMap(\.waited?.batch))
    leaving.sort { $0.branch < $1.branch }
    try choose(&leaving, joined, walk)
    leaving.removeAll { result.ends[$0.branch].failure != nil }

    var ways: [Way] = []
    for (sample, served) in walk.branches.enumerated() {
      let rest = served.filter { !gone.contains($0) }
      if rest.isEmpty { continue }
      ways.append(
        Way(
          pick: Pick(sample: sample, reductions: walk.batch.images[sample].map { _ in nil }), sample: sample,
          origin: walk.origins[sample],
          branches: rest, slot: walk.slots[sample], input: walk.inputs[sample],
          records: walk.records && rest.contains { branches[$0].recordsGradients }))
    }
    let kept = Set(ways.map(\.slot))
    for (index, way) in leaving.enumerated() {
      let owner = walk.slots[way.sample]
      let isLast = !kept.contains(owner) && !leaving[(index + 1)...].contains { walk.slots[$0.sample] == owner }
      let slot = takeSlot(for: way.branch, from: owner, isLast: isLast, walk.layer)
      ways.append(
        Way(
          pick: Pick(sample: way.place, reductions: way.reductions, budgets: way.budgets), sample: way.sample,
          origin: walk.origins[way.sample],
          branches: [way.branch],
          slot: slot, input: way.waited?.input ?? walk.inputs[way.sample],
          records: walk.records && branches[way.branch].recordsGradients))
    }
    return (try next(ways.filter(\.records), joined, walk), try next(ways.filter { !$0.records }, joined, walk))
  }

  private func next(_ ways: [Way], _ joined: PackedBatch, _ walk: Walk) throws -> Walk? {
    guard let first = ways.first else { return nil }
    func batch() throws -> PackedBatch { try joined.picking(ways.map(\.pick)) }
    var found = Walk(
      batch: first.records ? try batch() : try withoutGradient(batch), origins: ways.map(\.origin),
      branches: ways.map(\.branches), slots: ways.map(\.slot), inputs: ways.map(\.input), layer: walk.layer,
      records: first.records)
    if walk.records, !first.records { found.batch.hidden = try found.batch.hidden.detached() }
    try carryTraces(to: &found, ways, walk)
    return found
  }

  /// Queries and keys of layers that a later stage looks at.
  ///
  /// Plans see to it that no stage looks at layers before another one of its own, so samples that lost tokens here need none.
  private func carryTraces(to found: inout Walk, _ ways: [Way], _ walk: Walk) throws {
    let later = ways.flatMap(\.branches).flatMap { branches[$0].stages }.compactMap { $0.reduction?.stage.reducer.needs }
    for layer in Set(later.flatMap(\.decoderLayers)) {
      guard let trace = walk.traces[layer] else { continue }
      let queries = try trace.queries?.split(walk.batch.lengths)
      func rows(_ way: Way, _ length: Int) throws -> Tensor? {
        guard let rows = queries?[way.sample] else { return nil }
        return way.pick.sample == way.sample && rows.size(0) == length
          ? rows : try .zeros([length] + rows.shape.dropFirst(), rows.dtype, on: rows.device)
      }
      let kept = try zip(ways, found.batch.lengths).compactMap { try rows($0, $1) }
      found.traces[layer] = AttentionTrace(
        queries: kept.isEmpty ? nil : try concatenate(kept), rowKeys: nil, keys: ways.map { trace.keys[$0.sample] })
    }
  }

  /// Takes a branch's stage, or makes its rows wait there; nil where they do.
  private mutating func leave(_ branch: Int, _ walk: Walk, _ sample: Int, waited: Int) throws -> Leaving? {
    let stage = branches[branch].stages.removeFirst()
    var found = Leaving(
      branch: branch, sample: sample, reduction: stage.reduction, place: sample,
      reductions: walk.batch.images[sample].map { _ in nil })
    guard let reducer = stage.reduction?.stage.reducer else { return found }
    let isReady = branches[branch].isWhole || !reducer.readsPrompt && !walk.batch.images[sample].isEmpty
    let earlier = branches[branch].waiting.take()
    if isReady, earlier == nil { return found }
    let waiting = try withoutGradient { try rows(waiting: earlier, walk, sample, reducer.needs) }
    if isReady {
      found.place = walk.origins.count + waited
      found.waited = waiting
      return found
    }
    result.ends[branch].waiting = waiting
    result.ends[branch].stages = [stage] + branches[branch].stages
    result.ends[branch].images = walk.batch.images[sample]
    if !caches.isEmpty {
      let slot = takeSlot(for: branch, from: walk.slots[sample], isLast: walk.branches[sample] == [branch], walk.layer)
      result.ends[branch].cache = caches[slot].take()
      result.ends[branch].cache?.nextPosition = walk.batch.positions.next[sample]
    }
    return nil
  }

  /// A sample's rows behind those that wait already.
  private func rows(waiting earlier: WaitingRows?, _ walk: Walk, _ sample: Int, _ needs: ReducerNeeds) throws -> WaitingRows {
    let own = try walk.batch.sample(sample)
    let layers = needs.decoderLayers.union(needs.queries ? [walk.layer - 1] : [])
    func part(_ t: Tensor) throws -> Tensor { try t.narrow(0, from: walk.batch.starts[sample], length: own.lengths[0]) }
    var found = WaitingRows(
      batch: own, queries: try walk.traces.filter { layers.contains($0.key) }.compactMapValues { try $0.queries.map(part) },
      input: walk.inputs[sample])
    guard let earlier else { return found }
    found.batch = try PackedBatch.joined([earlier.batch, own])
    found.batch.lengths = [earlier.count + own.lengths[0]]
    // Images are counted from the first row that waits, so whoever had them first has them right.
    found.batch.images = earlier.batch.images[0].isEmpty ? own.images : earlier.batch.images
    found.batch.positions.next = own.positions.next
    for (layer, queries) in earlier.queries {
      found.queries[layer] = try found.queries[layer].map { try concatenate([queries, $0]) } ?? queries
    }
    if let input = earlier.input { found.input = try found.input.map { try input.followed(by: $0) } ?? input }
    return found
  }

  /// The slot of a branch behind a stage: its trunk's cache, or a copy of it where others go on with it too; its own from here on where it
  /// has one.
  private mutating func takeSlot(for branch: Int, from owner: Int, isLast: Bool, _ layer: Int) -> Int {
    if caches.isEmpty { return owner }
    let trunk = isLast ? caches[owner].take() : caches[owner]
    if var own = branches[branch].cache.take(), let trunk {
      own.takeLayers(before: layer, from: trunk)
      caches.append(own)
    } else {
      caches.append(trunk)
    }
    return caches.count - 1
  }

  /// Asks compressors what is left of the images, all images of one stage of a plan together.
  private mutating func choose(_ leaving: inout [Leaving], _ joined: PackedBatch, _ walk: Walk) throws {
    let asking = leaving.indices.filter { leaving[$0].reduction != nil }
    let stages = Dictionary(grouping: asking) { leaving[$0].reduction.map { ObjectIdentifier($0.stage.identity) } }
    for members in stages.values.sorted(by: { $0[0] < $1[0] }) {
      guard let stage = leaving[members[0]].reduction?.stage else { continue }
      let rows = try siteRows(leaving, joined, walk, stage)
      func ask(_ members: [Int]) throws {
        var choices: [[TokenChoice]] = []
        for member in members {
          choices.append(try self.choices(leaving[member], joined, rows, stage, walk))
          if stage.reducer.decidesBudgets {
            leaving[member].budgets = joined.images[leaving[member].place].map(\.budgets)
            try decide(&choices[choices.count - 1], &leaving[member], stage, walk)
          }
        }
        var found = try stage.reducer.checked(choices.flatMap(\.self), &result.checks)[...]
        for (member, choices) in zip(members, choices) {
          leaving[member].reductions = Array(found.prefix(choices.count))
          found = found.dropFirst(choices.count)
        }
      }
      do {
        try ask(members)
      } catch {
        if !isolatesFailures { throw error }
        for member in members {
          do { try ask([member]) } catch { result.ends[leaving[member].branch].failure = error }
        }
      }
      for member in members {
        let images = joined.images[leaving[member].place]
        let kept = try zip(images, leaving[member].reductions).map { image, reduction in
          guard let chosen = reduction?.kept else { return image.kept }
          return try image.kept?.rows(chosen) ?? chosen
        }
        result.ends[leaving[member].branch].cuts.append(KeptVisualTokens(layer: walk.layer, kept: kept))
      }
    }
  }

  /// What compressors may look at: trunks' samples as they are, then those of branches whose rows had waited.
  private func siteRows(
    _ leaving: [Leaving], _ joined: PackedBatch, _ walk: Walk, _ stage: CompressionPlan.Stage
  ) throws -> SiteRows {
    let needs = stage.reducer.needs
    let waited = leaving.filter { $0.waited != nil }.sorted { $0.place < $1.place }
    var traces: [Int: AttentionTrace] = [:]
    for layer in needs.decoderLayers.union(needs.keys || needs.queries ? [walk.layer - 1] : []) {
      guard let trunk = walk.traces[layer] else { continue }
      if waited.isEmpty {
        traces[layer] = trunk
        continue
      }
      traces[layer] = AttentionTrace(
        queries: needs.queries || needs.decoderLayers.contains(layer)
          ? try trunk.queries.map { try all($0, waited, layer) } : nil,
        rowKeys: nil, keys: trunk.keys + waited.map { trunk.keys[$0.sample] })
    }
    var detached = joined
    detached.hidden = try joined.hidden.detached()
    // What is in the caches behind the cut: the trunk's, or where rows had waited the branch's own.
    let held =
      caches.isEmpty
      ? []
      : walk.slots.map { caches[$0] } + waited.map { branches[$0.branch].cache ?? caches[walk.slots[$0.sample]] }
    let layer = walk.layer
    let next = decoder.next(layer, detached) {
      held.isEmpty ? detached.lengths.map { _ in nil } : try held.map { try $0?.keys(layer: layer) }
    }
    return SiteRows(
      hidden: detached.hidden, lengths: joined.lengths, traces: traces, lastLayer: walk.layer - 1,
      norm: { [norm = decoder.norm] in try norm($0) }, next: next, turns: decoder.turns(detached))
  }

  /// Queries of the trunks' rows, then of those that had waited; of branches whose own compressor needs none, nothing is known.
  private func all(_ queries: Tensor, _ waited: [Leaving], _ layer: Int) throws -> Tensor {
    try concatenate(
      [queries]
        + waited.map { way in
          let shape = [way.waited?.count ?? 0] + queries.shape.dropFirst()
          return try way.waited?.queries[layer] ?? .zeros(shape, queries.dtype, on: queries.device)
        })
  }

  /// Lets the compressor say how many tokens of each image are to be left, here and behind.
  private func decide(_ choices: inout [TokenChoice], _ way: inout Leaving, _ stage: CompressionPlan.Stage, _ walk: Walk) throws {
    let later = branches[way.branch].stages.filter { next in
      next.reduction.map { type(of: $0.stage.reducer) == type(of: stage.reducer) } ?? false
    }
    for (image, choice) in choices.enumerated() {
      let planned = later.map { PlannedCount(layer: $0.layer, count: $0.reduction?.counts[image] ?? 0) }
      way.budgets[image].merge(try stage.reducer.checkedBudget(choice, later: planned)) { $1 }
      let count = way.budgets[image][walk.layer].map { min($0, choice.tokens.count) } ?? choice.count
      choices[image] = TokenChoice(count, of: choice.tokens, generator: choice.generator)
    }
  }

  private func choices(
    _ way: Leaving, _ joined: PackedBatch, _ rows: SiteRows, _ stage: CompressionPlan.Stage, _ walk: Walk
  ) throws -> [TokenChoice] {
    let images = joined.images[way.place]
    let input = way.waited?.input ?? walk.inputs[way.sample]
    let labels = try joined.labels?.narrow(0, from: joined.starts[way.place], length: joined.lengths[way.place])
    let generator = try branches[way.branch].generator ?? Generator(seed: 0)
    return zip(images, way.reduction?.counts ?? []).map { image, count in
      let tokens = VisualTokens(
        site: stage.site, rows: rows, sample: way.place, span: image.span, visual: images.map(\.span), promptEnd: image.promptEnd,
        patches: image.kept, layout: image.layout, tower: image.tower, input: input,
        labels: labels.map { labels in { try labels.array(Int.self) } })
      return TokenChoice(count, of: tokens, generator: generator)
    }
  }
}

extension PackedBatch {
  /// A sample's rows as they are, for those who look back at them.
  func input(of sample: Int) throws -> DecoderInput {
    DecoderInput(
      rows: try hidden.narrow(0, from: starts[sample], length: lengths[sample]).detached(), images: images[sample].map(\.span))
  }
}
