import Torch

/// How new sequences join: checked, with their pictures encoded, ready to be read.
extension Scheduler {
  /// Pictures of new sequences go through the encoder together; a sequence that does not fit fails.
  mutating func admit() throws -> [Event] {
    let new = sequences.indices.filter {
      !sequences[$0].isFinished && sequences[$0].sampler == nil
    }
    if new.isEmpty { return [] }
    var events: [Event] = []
    var clock = Stopwatch(model.device)
    var fitting: [Int] = []
    for index in new {
      do {
        let sequence = sequences[index]
        try sequence.options.validate()
        if let plan = sequence.options.compression, !sequence.request.pictures.isEmpty {
          sequences[index].generator = try Generator(seed: sequence.options.seed)
          _ = try model.resolve(plan, [model.layouts(of: sequence.request.pictures)])
        }
        try model.check(sequence.request, past: sequence.cache?.nextPosition ?? 0)
        fitting.append(index)
      } catch {
        events.append(fail(index, error))
      }
    }
    let segments = encode(fitting, &events)
    timings.vision += try clock.seconds()
    clock = Stopwatch(model.device)
    for (index, segments) in zip(fitting, segments) {
      guard let segments else { continue }
      do {
        let request = sequences[index].request
        let batch = try model.splice(
          [request.ids], [segments], promptLengths: [request.promptLength], past: [sequences[index].cache?.nextPosition ?? 0])
        try sequences[index].admit(batch, model)
      } catch {
        events.append(fail(index, error))
      }
    }
    timings.prefill += try clock.seconds()
    return events
  }

  /// The pictures of some sequences at the decoder's input; where all together fail, each alone, and nil for one that fails.
  private mutating func encode(_ all: [Int], _ events: inout [Event]) -> [[VisualSegment]?] {
    let members = all.filter { sequences[$0].shared.segments == nil }
    var found = encodeNew(members, &events)[...]
    return all.map { index in
      if let segments = sequences[index].shared.segments.take() { return segments }
      return found.popFirst() ?? nil
    }
  }

  private mutating func encodeNew(_ members: [Int], _ events: inout [Event]) -> [[VisualSegment]?] {
    let requests = members.map { index in
      let sequence = sequences[index]
      let request = sequence.request
      return PictureRequest(
        ids: Array(request.ids.prefix(request.promptLength ?? request.ids.count)), pictures: request.pictures,
        plan: sequence.options.compression, generator: sequence.generator)
    }
    do {
      return try model.encode(requests)
    } catch {
      return zip(members, requests).map { index, request in
        do {
          // Random numbers from their beginning, as if nothing had been tried.
          var again = request
          if again.generator != nil { again.generator = try Generator(seed: sequences[index].options.seed) }
          sequences[index].generator = again.generator
          return try model.encode([again])[0]
        } catch {
          events.append(fail(index, error))
          return nil
        }
      }
    }
  }
}
