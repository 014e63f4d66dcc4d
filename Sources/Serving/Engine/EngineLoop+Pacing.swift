import LLaVA

/// How much a step does, and what is told about the work that is left.
extension EngineLoop {
  /// Rows of prompts that the next step may read.
  ///
  /// They are as many as are read within the time that running answers may be kept waiting, of which encoding a picture takes its part.
  /// Where nobody waits but those who are read, a few times as many, so that the first of them need not wait for all.
  func promptRows(isWriting: Bool) -> Int {
    guard let seconds = figures.times.secondsPerRow else { return isWriting ? 64 : 512 }
    let stall = options.stall / .seconds(1)
    let allowed = isWriting ? stall - encodingSeconds : 4 * stall
    // The scheduler counts rows before any is dropped.
    let next = live.first { $0.id != nil && unread($0) > 0 }
    let share = next.map { $0.rows.share(ofLast: unread($0)) } ?? 1
    return max(16, Int(min(allowed / max(seconds * share, 1e-9), 1e6)))
  }

  /// What is still to be read, in rows that all layers see.
  var unreadRows: Double { live.reduce(0) { $0 + ($1.id == nil ? 0 : $1.rows.cost(ofLast: unread($1))) } }

  private func unread(_ one: Live) -> Int { one.id.flatMap(scheduler.unreadRows) ?? one.rows.count - one.cachedRows }

  mutating func note() {
    figures.running = live.count
    noteBacklog()
    (figures.pictureQueries, figures.pictureHits) = (features.queries, features.hits)
    figures.sharedBytes = features.bytes + prefixes.bytes
  }

  /// Tells what is left to do before each first token; what another one brings, or has brought, is not done again.
  private func noteBacklog() {
    var (coming, reading) = (Set<String>(), Set(live.compactMap(\.prefixKey)))
    for one in live where one.firstToken == nil {
      guard let entry = one.job.entry else { continue }
      var work = Backlog.Work(rows: one.rows.cost(ofLast: unread(one)), pictures: 0)
      if one.id == nil {
        if let prefix = one.prefix {
          if prefixes.contains(prefix.key) || reading.contains(prefix.key) {
            work.rows = one.rows.cost(ofLast: one.rows.tail)
          }
          reading.insert(prefix.key)
        }
        work.pictures = one.featureKeys[one.segments.count...].count { !features.contains($0) && coming.insert($0).inserted }
      }
      entry.update(work)
    }
  }
}
