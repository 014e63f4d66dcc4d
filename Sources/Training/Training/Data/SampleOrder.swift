import Basics

/// The order in which an epoch goes through a data set.
public struct SampleOrder: Codable, Sendable, Equatable {
  /// How the order is found.
  public enum Rule: Codable, Sendable, Equatable {
    /// The file's own.
    case sequential
    /// Every order as likely.
    case shuffled
    /// As LLaVA's `group_by_modality_length`: neighbours are all with images or all without, and chunks are of similar total length.
    ///
    /// - chunks: batches that are balanced against each other: processes · accumulation steps.
    /// - size: samples of one of these batches.
    case grouped(chunks: Int, size: Int)
  }

  /// How the order is found.
  public var rule: Rule
  /// Where random numbers start.
  public var seed: UInt64

  /// An order.
  public init(_ rule: Rule, seed: UInt64 = 42) {
    self.rule = rule
    self.seed = seed
  }

  /// The numbers 0..<lengths.count in the order of an epoch, which follows from seed and epoch alone.
  ///
  /// - Parameter lengths: each sample's length, negative where it has no image (`InstructionDataset.lengths`).
  /// - Throws: `DatasetError.setting` for a grouping without chunks or with empty ones.
  public func indices(epoch: Int, lengths: [Int]) throws -> [Int] {
    var generator = SplitMix64(seed: seed, stream: UInt64(truncatingIfNeeded: epoch))
    switch rule {
    case .sequential: return Array(lengths.indices)
    case .shuffled: return generator.permutation(lengths.count)
    case .grouped(let chunks, let size):
      guard (1...1 << 20).contains(chunks), (1...1 << 20).contains(size) else {
        throw DatasetError.setting(
          name: "grouping", reason: "has \(chunks) chunks of \(size) samples; give 1...\(1 << 20) of each")
      }
      return ModalityGrouping(chunks: chunks, size: size).indices(lengths) { generator.permutation($0) }
    }
  }
}

/// LLaVA's sampler (`llava_trainer.py`: `get_modality_length_grouped_indices`).
///
/// 1. Samples with images and samples without are grouped on their own: in random order they are sliced into megabatches of
///    chunks · size samples, each sorted by length, the longest first, and dealt to the chunks: the next longest goes to the chunk with the
///    least total length that has room. A megabatch that does not divide evenly is dealt in strides.
/// 2. The last megabatch of each kind, which may be short, is put aside; the others are mixed in random order. Those put aside follow
///    at the end as one, in the data set's order, so only the last few batches can be of both kinds.
///
/// Where no sample has an image, the original sorts by negative lengths, so that its chunks are not balanced but sorted; here text is
/// balanced like everything else.
struct ModalityGrouping {
  let chunks: Int
  let size: Int

  private var megabatch: Int { chunks * size }

  /// - Parameter permutation: 0..<n in random order; asked for those with images, those without, and the megabatches, in this order.
  func indices(_ lengths: [Int], permutation: (Int) -> [Int]) -> [Int] {
    let withImage = lengths.indices.filter { lengths[$0] > 0 }
    let textOnly = lengths.indices.filter { lengths[$0] <= 0 }
    let magnitudes = lengths.map { abs($0) }
    if withImage.isEmpty || textOnly.isEmpty {
      return grouped(Array(lengths.indices), magnitudes, permutation).flatMap(\.self)
    }
    var first = grouped(withImage, magnitudes, permutation)
    var second = grouped(textOnly, magnitudes, permutation)
    let rest = (first.popLast() ?? []) + (second.popLast() ?? [])
    let megabatches = first + second
    return permutation(megabatches.count).flatMap { megabatches[$0] } + rest.sorted()
  }

  /// Megabatches of the given samples.
  private func grouped(_ samples: [Int], _ lengths: [Int], _ permutation: (Int) -> [Int]) -> [[Int]] {
    let shuffled = permutation(samples.count).map { samples[$0] }
    return stride(from: 0, to: shuffled.count, by: megabatch).map { start in
      let slice = shuffled[start..<min(start + megabatch, shuffled.count)]
      // Of equal lengths the earlier stays in front, as with Python's sort, which Swift's does not promise.
      let sorted = slice.enumerated().sorted {
        let (left, right) = (lengths[$0.element], lengths[$1.element])
        return left != right ? left > right : $0.offset < $1.offset
      }
      return dealt(sorted.map(\.element), lengths).flatMap(\.self)
    }
  }

  private func dealt(_ sorted: [Int], _ lengths: [Int]) -> [[Int]] {
    if sorted.count % chunks != 0 {
      return (0..<min(chunks, sorted.count)).map { chunk in stride(from: chunk, to: sorted.count, by: chunks).map { sorted[$0] } }
    }
    let room = sorted.count / chunks
    var result = [[Int]](repeating: [], count: chunks)
    var totals = [Int](repeating: 0, count: chunks)
    for index in sorted {
      let open = result.indices.filter { result[$0].count < room }
      guard let shortest = open.min(by: { totals[$0] < totals[$1] }) else { break }
      result[shortest].append(index)
      totals[shortest] += lengths[index]
    }
    return result
  }
}
