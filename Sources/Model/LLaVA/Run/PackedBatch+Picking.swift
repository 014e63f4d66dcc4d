import Compression
import Torch

/// A sample of a batch on its way into another one, and what becomes of its images there.
struct Pick {
  let sample: Int
  /// For each image, in order; nil leaves it as it is.
  let reductions: [Reduction?]
  /// What compressors have decided about each image's numbers; empty leaves that as it is too.
  var budgets: [[Int: Int]] = []
}

extension PackedBatch {
  /// A batch of picked samples, each as often as it is picked; text rows, order and positions stay as they are.
  ///
  /// All rows are moved by one gather. Row numbers are put together on the device from what compressors chose, so nothing waits for it.
  /// A merged token takes the position of the one that it stands for.
  func picking(_ picks: [Pick]) throws -> PackedBatch {
    if picks.map(\.sample) == Array(lengths.indices), picks.allSatisfy({ $0.reductions.allSatisfy { $0 == nil } }) { return self }
    let starts = starts
    var gather = RowGather()
    var merged: [Tensor] = []
    var result = self
    (result.lengths, result.images, result.positions.next) = ([], [], [])
    for pick in picks {
      let (sample, start) = (pick.sample, starts[pick.sample])
      var (dropped, next) = (0, 0)
      var images = self.images[sample]
      for (index, budgets) in pick.budgets.enumerated() { images[index].budgets = budgets }
      for (index, reduction) in pick.reductions.enumerated() {
        let image = self.images[sample][index]
        let newStart = image.span.lowerBound - dropped
        guard let reduction, let kept = reduction.kept else {
          images[index].span = newStart..<newStart + image.span.count
          continue
        }
        gather.add(start + next..<start + image.span.lowerBound)
        next = image.span.upperBound
        if case .merge = reduction {
          merged.append(
            try reduction.applied(to: hidden.narrow(0, from: start + image.span.lowerBound, length: image.span.count)))
          gather.addMerged(kept, of: start + image.span.lowerBound)
        } else {
          gather.add(kept, of: start + image.span.lowerBound)
        }
        dropped += image.span.count - kept.count
        images[index].span = newStart..<newStart + kept.count
        images[index].kept = try image.kept?.rows(kept) ?? kept
        images[index].tower = try image.tower.mapValues { try $0.keeping(kept) }
      }
      gather.add(start + next..<start + lengths[sample])
      for (index, image) in self.images[sample].enumerated() {
        guard let end = image.promptEnd else { continue }
        // What was dropped of the images that stand before the prompt's end.
        images[index].promptEnd = zip(self.images[sample], images).reduce(end) { end, pair in
          pair.0.span.upperBound <= image.promptEnd ?? 0 ? end - (pair.0.span.count - pair.1.span.count) : end
        }
      }
      result.lengths.append(lengths[sample] - dropped)
      result.images.append(images)
      result.positions.next.append(positions.next[sample])
    }
    let rows = try gather.indices(on: hidden.device)
    let all = merged.isEmpty ? hidden : try concatenate([hidden] + merged)
    result.hidden = try all.rows(merged.isEmpty ? rows : gather.indices(on: hidden.device, mergedFrom: hidden.size(0)))
    result.positions.rotary = try positions.rotary.rows(rows, 1)
    result.labels = try labels?.rows(rows)
    return result
  }

  /// Batches end to end.
  package static func joined(_ batches: [PackedBatch]) throws -> PackedBatch {
    if batches.count == 1 { return batches[0] }
    return PackedBatch(
      hidden: try concatenate(batches.map(\.hidden)),
      positions: Positions(
        rotary: try concatenate(batches.map(\.positions.rotary), 1), next: batches.flatMap(\.positions.next)),
      lengths: batches.flatMap(\.lengths), images: batches.flatMap(\.images),
      labels: batches.contains { $0.labels == nil } ? nil : try concatenate(batches.compactMap(\.labels)))
  }

  /// One sample.
  func sample(_ index: Int) throws -> PackedBatch {
    if lengths.count == 1 { return self }
    return try rows(0..<lengths[index], of: index)
  }

  /// Consecutive rows of one sample; its images go along as they are, and it goes on where the whole sample does.
  func rows(_ range: Range<Int>, of index: Int) throws -> PackedBatch {
    let start = starts[index] + range.lowerBound
    func part(_ t: Tensor, _ dimension: Int = 0) throws -> Tensor { try t.narrow(dimension, from: start, length: range.count) }
    return PackedBatch(
      hidden: try part(hidden), positions: Positions(rotary: try part(positions.rotary, 1), next: [positions.next[index]]),
      lengths: [range.count], images: [images[index]], labels: try labels.map { try part($0) })
  }
}

/// The numbers of rows that make up a new batch, some of them known to the device alone.
private struct RowGather {
  /// Each row's number; of an image that loses tokens the number of its first row, to which the choice is added.
  private var numbers: [Int] = []
  private var places: [Int] = []
  private var chosen: [Tensor] = []
  /// Places of merged rows, which follow the batch's own rows.
  private var mergedPlaces: [Int] = []

  mutating func add(_ rows: Range<Int>) { numbers += rows }

  mutating func add(_ kept: Tensor, of start: Int) {
    places += numbers.count..<numbers.count + kept.count
    numbers += repeatElement(start, count: kept.count)
    chosen.append(kept)
  }

  mutating func addMerged(_ kept: Tensor, of start: Int) {
    mergedPlaces += numbers.count..<numbers.count + kept.count
    add(kept, of: start)
  }

  /// Where each row came from; a merged one from the row that it stands for.
  func indices(on device: Device) throws -> Tensor {
    let rows = try Tensor(numbers, on: device)
    return chosen.isEmpty ? rows : try rows.scatterAddInPlace(0, Tensor(places, on: device), concatenate(chosen))
  }

  /// Where each row is to be taken from, merged ones from `first` on.
  func indices(on device: Device, mergedFrom first: Int) throws -> Tensor {
    try indices(on: device).scattered(
      0, Tensor(mergedPlaces, on: device), Tensor.arange(first, first + mergedPlaces.count, on: device))
  }
}
