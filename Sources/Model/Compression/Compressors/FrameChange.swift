import Torch

/// How much the tokens of a video differ from those at their places one frame earlier.
struct FrameChange {
  /// For each token 1 - cosine with the one at its place one frame earlier; nil where there is none: of the first frame, and of a picture.
  let change: [Float?]
  /// The frame of each token.
  let frames: [Int]

  init(change: [Float], frames: [Int]) { (self.change, self.frames) = (change, frames) }

  /// Compares rows [tokens, width] of an image.
  ///
  /// A token whose place was dropped one frame earlier has nothing to be compared with.
  init(_ tokens: VisualTokens, rows: Tensor) throws {
    let layout = tokens.layout
    let places = try tokens.patches?.array(Int.self) ?? Array(0..<layout.count)
    let size = max(1, layout.grids.first?.count ?? 1)
    guard layout.isVideo else {
      (change, frames) = (places.map { _ in nil }, places.map { _ in 0 })
      return
    }
    // A video's ends of rows stand behind all its frames, so places count frames and cells alone.
    frames = places.map { $0 / size }
    let indices = Dictionary(places.enumerated().map { ($1, $0) }) { first, _ in first }
    let earlier = places.map { indices[$0 - size] }
    let compared = earlier.indices.filter { earlier[$0] != nil }
    var found = [Float?](repeating: nil, count: places.count)
    if !compared.isEmpty {
      let units = try rows.unitRows()
      let (now, before) = (
        try units.rows(Tensor(compared, on: rows.device)),
        try units.rows(Tensor(compared.compactMap { earlier[$0] }, on: rows.device))
      )
      let changes = try Self.between(before, now)
      for (token, change) in zip(compared, changes) { found[token] = change }
    }
    change = found
  }

  /// Compares rows as they came to the decoder, [rows, width], with or without a video's ends of rows, for the tokens that are left of them.
  ///
  /// All frames are compared whole, so a token's change does not depend on what was dropped.
  init(_ tokens: VisualTokens, input: Tensor) throws {
    let layout = tokens.layout
    let all = layout.isVideo ? layout.counted : layout.count
    let places = try tokens.patches?.array(Int.self) ?? Array(0..<layout.count)
    guard layout.isVideo, input.size(0) >= all else {
      self = try FrameChange(tokens, rows: tokens.hidden())
      return
    }
    let (size, units) = (max(1, layout.grids.first?.count ?? 1), try input.narrow(0, from: 0, length: all).unitRows())
    let (now, before) = (
      try units.narrow(0, from: min(size, all), length: max(0, all - size)),
      try units.narrow(0, from: 0, length: max(0, all - size))
    )
    let changes = try Self.between(before, now)
    frames = places.map { $0 / size }
    change = places.map { $0 < size ? nil : changes[$0 - size] }
  }

  /// 1 - cosine of rows of length 1, each with the other's at its place.
  static func between(_ before: Tensor, _ now: Tensor) throws -> [Float] {
    let changes = try ((now * before).sum(-1) * -1 + 1).array(Float.self)
    guard changes.allSatisfy(\.isFinite) else { throw CompressionError.notFinite }
    return changes
  }

  /// Tokens that have nothing earlier to be compared with, in order.
  var new: [Int] { change.indices.filter { change[$0] == nil } }

  /// So many of some tokens, evenly by their number.
  static func evenly(_ count: Int, of tokens: [Int]) -> [Int] { (0..<count).map { tokens[$0 * tokens.count / count] } }

  /// So many of some tokens that have changed most; of equal ones the earlier.
  func most(_ count: Int, of tokens: [Int]) -> [Int] {
    Array(tokens.sorted { (change[$1] ?? 0, $0) < (change[$0] ?? 0, $1) }.prefix(count))
  }
}
