import Compression
import Language
import Torch

/// Writes the answers of many sequences at once, a token of each at a time.
///
/// Sequences join and leave between any two steps. Each has its own plan, sampler, stop rules and seed, and fails alone. A step packs
/// what is due into one batch: prompts, or the next rows of long ones, and one row for each answer that is being written.
///
///     var scheduler = Scheduler(model)
///     let id = scheduler.add(request, options)
///     while !scheduler.isIdle {
///       for event in try scheduler.step() { … }
///     }
///     let (result, cache) = scheduler.remove(id)
public struct Scheduler: Sendable {
  /// Something that happened to a sequence in a step.
  public enum Event: Sendable {
    /// A new token; end-of-answer tokens are not among them.
    case token(id: Int, Int)
    /// Nothing more will come.
    case finished(id: Int, GenerationResult.Finish)
    /// It cannot be answered; the others go on.
    case failed(id: Int, any Error)
  }

  /// The model that answers.
  public let model: LLaVAModel
  /// Most rows of prompts that one step reads, all sequences together; nil for whole prompts.
  public var promptRowsOfStep: Int?
  /// Seconds spent so far.
  ///
  /// Steps that read prompts count as prefill, also for the sequences that write in them.
  public internal(set) var timings = GenerationTimings()

  var sequences: [ScheduledSequence] = []
  private var nextID = 0

  /// A scheduler without sequences.
  public init(_ model: LLaVAModel, promptRowsOfStep: Int? = nil) {
    self.model = model
    self.promptRowsOfStep = promptRowsOfStep
  }

  /// True while no step would do anything.
  public var isIdle: Bool { sequences.allSatisfy(\.isFinished) }

  /// Adds a sequence, which joins in the next step.
  ///
  /// - Parameters:
  ///   - cache: what it continues; nil where it begins.
  ///   - shared: what was computed before, of one that begins, and what of it is to be kept.
  ///   - rank: prompts are read in ascending order of it, those of one rank as they were added.
  /// - Returns: the number by which it is known.
  public mutating func add(
    _ request: GenerationRequest, _ options: GenerationOptions = GenerationOptions(), cache: KeyValueCache? = nil,
    shared: SharedWork = SharedWork(), rank: Int = 0
  ) -> Int {
    nextID += 1
    var sequence = ScheduledSequence(nextID, request, options, cache)
    (sequence.shared, sequence.rank) = (shared, rank)
    sequences.insert(sequence, at: sequences.firstIndex { $0.rank > rank } ?? sequences.count)
    return nextID
  }

  /// The beginning of a sequence's prompt that was to be kept, once: nil before it has been read, and afterwards.
  public mutating func takePrefix(of id: Int) -> PromptPrefix? {
    guard let index = sequences.firstIndex(where: { $0.id == id }) else { return nil }
    return sequences[index].kept.take()
  }

  /// Whether nothing more will come of a sequence; true for one that is not there.
  public func isFinished(_ id: Int) -> Bool { sequences.first { $0.id == id }?.isFinished ?? true }

  /// Rows of a sequence's prompt that are still to be read; nil before it has joined.
  public func unreadRows(of id: Int) -> Int? {
    guard let sequence = sequences.first(where: { $0.id == id }), !sequence.isFinished else { return 0 }
    guard let prompt = sequence.prompt else { return sequence.sampler == nil ? nil : 0 }
    return prompt.lengths[0] - sequence.readRows
  }

  /// Adds a sequence whose prompt has been read already.
  ///
  /// - Parameters:
  ///   - lastRow: the prompt's last row after the decoder's last layer, [1, hiddenSize].
  ///   - cache: holds the prompt.
  /// - Throws: `PromptError.tooLong` where the context is full.
  package mutating func add(lastRow: Tensor, cache: KeyValueCache, _ options: GenerationOptions) throws -> Int {
    let maximum = model.configuration.text.maximumPositions
    if cache.nextPosition >= maximum { throw PromptError.tooLong(tokens: cache.nextPosition, maximum: maximum) }
    nextID += 1
    var sequence = ScheduledSequence(nextID, GenerationRequest(ids: []), options, cache)
    sequence.limit = min(options.maximumNewTokens, maximum - cache.nextPosition)
    sequence.sampler = try Sampler(options, prompt: [], on: model.device)
    sequence.lastRow = lastRow
    sequences.append(sequence)
    return nextID
  }

  /// Ends a sequence: nobody wants more of it, or its answer is complete.
  ///
  /// One that ended already keeps its tokens and gets this reason.
  public mutating func end(_ id: Int, _ finish: GenerationResult.Finish = .cancelled) {
    guard let index = sequences.firstIndex(where: { $0.id == id }) else { return }
    sequences[index].isFinished = true
    sequences[index].result.finish = finish
  }

  /// Takes a sequence out, whatever its state.
  ///
  /// - Returns: what it was answered so far, and its cache, to go on with; nil where there is no such sequence.
  public mutating func remove(_ id: Int) -> (result: GenerationResult, cache: KeyValueCache?)? {
    guard let index = sequences.firstIndex(where: { $0.id == id }) else { return nil }
    let sequence = sequences.remove(at: index)
    return (sequence.result, sequence.cache)
  }

  /// Does what is due: admits new sequences, reads prompts, and writes a token of each answer.
  ///
  /// - Returns: what happened, in the order in which prompts are read.
  /// - Throws: `TorchError` where the machine fails, memory for instance; the sequences of that step are lost.
  public mutating func step() throws -> [Event] {
    try inference {
      var events = try admit()
      let clock = Stopwatch(model.device)
      let isReading = sequences.contains { !$0.isFinished && $0.prompt != nil }
      events += try advance()
      events += try write()
      let seconds = try clock.seconds()
      if isReading { timings.prefill += seconds } else { timings.decode += seconds }
      return events
    }
  }
}

extension Scheduler {
  /// Ends a sequence that cannot be answered.
  mutating func fail(_ index: Int, _ error: any Error) -> Event {
    sequences[index].isFinished = true
    sequences[index].prompt = nil
    return .failed(id: sequences[index].id, error)
  }

  /// Runs the rows that are due through the decoder, all sequences in one batch.
  private mutating func advance() throws -> [Event] {
    var (parts, branches, members, chunks) = ([PackedBatch](), [Branch](), [Int](), [Int: Int]())
    var budget = promptRowsOfStep ?? .max
    for index in sequences.indices where !sequences[index].isFinished && budget > 0 {
      guard case (let rows, var branch)? = try sequences[index].nextChunk(budget) else { continue }
      branch.sample = members.count
      budget -= rows.lengths[0]
      chunks[index] = rows.lengths[0]
      parts.append(rows)
      branches.append(branch)
      members.append(index)
    }
    let writing = sequences.indices.filter { !sequences[$0].isFinished && sequences[$0].nextToken != nil }
    if let rows = try nextRows(writing) {
      parts.append(rows)
      branches += writing.indices.map { Branch(sample: members.count + $0) }
      members += writing
    }
    if parts.isEmpty { return [] }
    var caches: [KeyValueCache]? = members.compactMap { sequences[$0].cache.take() }
    let run: BranchedRows
    do {
      run = try BranchingDecoder.run(
        model.decoder, PackedBatch.joined(parts), caches: &caches, branches, isolatesFailures: true)
    } catch {
      // Their caches went with the run.
      for index in members { _ = fail(index, error) }
      throw error
    }
    var events: [Event] = []
    for (branch, rows) in try run.rows().enumerated() {
      let (index, end) = (members[branch], run.ends[branch])
      if let failure = end.failure {
        events.append(fail(index, failure))
      } else if let read = chunks[index] {
        try sequences[index].note(end, rows: read, last: rows)
      } else {
        sequences[index].cache = end.cache
        sequences[index].nextToken = nil
        sequences[index].lastRow = rows
      }
    }
    return events
  }

  /// A row for the last token of each of some sequences.
  private func nextRows(_ members: [Int]) throws -> PackedBatch? {
    if members.isEmpty { return nil }
    let tokens = members.compactMap { sequences[$0].nextToken }
    try model.gathered?.need(.embeddings)
    let positions = members.map { sequences[$0].cache?.nextPosition ?? 0 }
    return PackedBatch(
      hidden: try model.decoder.embedding.embedding(Tensor(tokens, on: model.device)),
      positions: try Positions(
        Tensor(positions, on: model.device), axes: model.configuration.text.positionAxes, next: positions.map { $0 + 1 }),
      lengths: tokens.map { _ in 1 })
  }

  /// Chooses the next token of each sequence whose last row has come out of the decoder.
  private mutating func write() throws -> [Event] {
    let members = sequences.indices.filter { !sequences[$0].isFinished && sequences[$0].lastRow != nil }
    if members.isEmpty { return [] }
    let rows = members.compactMap { sequences[$0].lastRow.take() }
    try model.gathered?.need(.head)
    let logits = try model.decoder.logits(rows.count == 1 ? rows[0] : concatenate(rows))
    let isFinite = try logits.to(.float32).sum(-1).array(Float.self).map(\.isFinite)
    let likeliest = sequences.isPlainArgmax(members) ? try logits.argmax(-1).array(Int.self) : nil
    var events: [Event] = []
    for (row, index) in members.enumerated() {
      var token = likeliest?[row]
      if token == nil, isFinite[row] { token = try sequences[index].sampler?.next(logits.selected(0, row)) }
      guard isFinite[row], let token else {
        events.append(fail(index, GenerationError.notFinite(step: sequences[index].result.tokens.count)))
        continue
      }
      events += accept(token, index)
    }
    return events
  }

  private mutating func accept(_ token: Int, _ index: Int) -> [Event] {
    let id = sequences[index].id
    if sequences[index].options.stopsAtEnd, model.configuration.eosTokenIDs.contains(token) {
      end(id, .stop)
      return [.finished(id: id, .stop)]
    }
    sequences[index].result.tokens.append(token)
    if sequences[index].result.tokens.count < sequences[index].limit {
      sequences[index].nextToken = token
      return [.token(id: id, token)]
    }
    end(id, .length)
    return [.token(id: id, token), .finished(id: id, .length)]
  }
}

extension [ScheduledSequence] {
  /// True where the most likely token of all of some sequences is taken as it is, so that they can be decided at once.
  fileprivate func isPlainArgmax(_ members: [Int]) -> Bool { members.allSatisfy { self[$0].sampler?.isPlainArgmax ?? false } }
}
