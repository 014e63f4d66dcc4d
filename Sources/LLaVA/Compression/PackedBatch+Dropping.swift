import Torch

extension PackedBatch {
  /// The batch without some visual tokens; text rows, order and positions stay as they are.
  ///
  /// Row numbers are put together on the device from what strategies chose, so nothing waits for it.
  ///
  /// - Parameter kept: for each image of each sample the int64 indices, ascending, of its tokens that stay; nil keeps all.
  public func keepingVisualTokens(_ kept: [[Tensor?]]) throws -> PackedBatch {
    if kept.allSatisfy({ $0.allSatisfy { $0 == nil } }) { return self }
    let device = hidden.device
    var pieces: [Tensor] = []
    var result = self
    for (sample, start) in starts.enumerated() {
      var dropped = 0
      var next = 0
      func keepRows(upTo end: Int) throws {
        if end > next { pieces.append(try Tensor.arange(start + next, start + end, on: device)) }
      }
      for (image, span) in visual[sample].enumerated() {
        try keepRows(upTo: span.lowerBound)
        next = span.upperBound
        let newStart = span.lowerBound - dropped
        guard let chosen = kept[sample][image] else {
          pieces.append(try Tensor.arange(start + span.lowerBound, start + span.upperBound, on: device))
          result.visual[sample][image] = newStart..<newStart + span.count
          continue
        }
        pieces.append(try chosen + Tensor([start + span.lowerBound], on: device))
        dropped += span.count - chosen.count
        result.visual[sample][image] = newStart..<newStart + chosen.count
        result.patches[sample][image] = try patches[sample][image]?.rows(chosen) ?? chosen
      }
      try keepRows(upTo: lengths[sample])
      result.lengths[sample] -= dropped
      for (image, end) in promptEnds[sample].enumerated() {
        // What was dropped of the images that stand before the prompt's end.
        let before = zip(visual[sample], result.visual[sample]).filter { $0.0.upperBound <= end }
        result.promptEnds[sample][image] = before.reduce(end) { $0 - ($1.0.count - $1.1.count) }
      }
    }
    let rows = try concatenate(pieces)
    result.hidden = try hidden.rows(rows)
    result.positions = try positions.rows(rows)
    result.labels = try labels?.rows(rows)
    return result
  }
}
