import Torch

extension PackedBatch {
  /// The batch without some visual tokens; text rows, order and positions stay as they are.
  ///
  /// Row numbers are put together on the device from what strategies chose, so nothing waits for it.
  ///
  /// - Parameter kept: for each image of each sample the int64 indices, ascending, of its tokens that stay; nil keeps all.
  public func keepingVisualTokens(_ kept: [[Tensor?]]) throws -> PackedBatch {
    if kept.allSatisfy({ $0.allSatisfy { $0 == nil } }) { return self }
    // Each row's number in the batch; of an image that loses tokens the number of its first, to which the choice is added.
    var numbers: [Int] = []
    var places: [Int] = []
    var result = self
    for (sample, start) in starts.enumerated() {
      var dropped = 0
      var next = 0
      for (image, span) in visual[sample].enumerated() {
        let newStart = span.lowerBound - dropped
        guard let chosen = kept[sample][image] else {
          result.visual[sample][image] = newStart..<newStart + span.count
          continue
        }
        numbers += start + next..<start + span.lowerBound
        next = span.upperBound
        places += numbers.count..<numbers.count + chosen.count
        numbers += repeatElement(start + span.lowerBound, count: chosen.count)
        dropped += span.count - chosen.count
        result.visual[sample][image] = newStart..<newStart + chosen.count
        result.patches[sample][image] = try patches[sample][image]?.rows(chosen) ?? chosen
      }
      numbers += start + next..<start + lengths[sample]
      result.lengths[sample] -= dropped
      for (image, end) in promptEnds[sample].enumerated() {
        // What was dropped of the images that stand before the prompt's end.
        let before = zip(visual[sample], result.visual[sample]).filter { $0.0.upperBound <= end }
        result.promptEnds[sample][image] = before.reduce(end) { $0 - ($1.0.count - $1.1.count) }
      }
    }
    let rows = try Tensor(numbers, on: hidden.device)
      .scatterAddInPlace(0, Tensor(places, on: hidden.device), concatenate(kept.joined().compactMap(\.self)))
    result.hidden = try hidden.rows(rows)
    result.positions = try positions.rows(rows)
    result.labels = try labels?.rows(rows)
    return result
  }
}
