/// Values by what they were computed from, as many as fit into some memory, the least recently used given up first.
struct ContentCache<Value> {
  private struct Entry {
    let value: Value
    let bytes: Int
    var used: Int
  }

  /// Most bytes.
  let limit: Int
  /// Bytes of all values.
  private(set) var bytes = 0
  /// Look-ups, and those that found something.
  private(set) var queries = 0
  private(set) var hits = 0
  private var entries: [String: Entry] = [:]
  private var clock = 0

  init(limit: Int) { self.limit = limit }

  /// Whether there is a value, without counting as a look-up.
  func contains(_ key: String) -> Bool { entries[key] != nil }

  /// The value of a key.
  mutating func value(_ key: String) -> Value? {
    queries += 1
    guard let value = entries[key]?.value else { return nil }
    hits += 1
    clock += 1
    entries[key]?.used = clock
    return value
  }

  /// Keeps a value, unless it alone is too large.
  mutating func insert(_ value: Value, _ key: String, bytes size: Int) {
    if size > limit || entries[key] != nil { return }
    while bytes + size > limit, let oldest = entries.min(by: { $0.value.used < $1.value.used }) {
      bytes -= oldest.value.bytes
      entries[oldest.key] = nil
    }
    clock += 1
    bytes += size
    entries[key] = Entry(value: value, bytes: size, used: clock)
  }
}
