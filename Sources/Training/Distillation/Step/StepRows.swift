import Compression
import LLaVA
import Torch

/// The rows of a loss as they came out of the decoder, or of two, by view and sample.
struct StepRows {
  /// What a branch is for.
  struct Origin: Hashable { let view, sample: Int }

  /// Where the rows of a view's sample lie: in which group of which run, from which row on, and how many.
  private struct Place {
    let run: Int
    let isRecorded: Bool
    let start, count: Int
  }

  private var runs: [BranchedRows] = []
  private var places: [Origin: Place] = [:]
  private var branches: [Origin: (run: Int, branch: Int)] = [:]
  private var order: [Int: [Int]] = [:]
  /// What could not be checked while a GPU was at work.
  var checks: [ChoiceCheck] { runs.flatMap(\.checks) }

  /// Adds what a decoder made of branches.
  mutating func add(_ found: (rows: BranchedRows, origins: [Origin])) {
    let run = runs.count
    runs.append(found.rows)
    for (branch, origin) in found.origins.enumerated() {
      branches[origin] = (run, branch)
      order[origin.view, default: []].append(origin.sample)
    }
    for (group, isRecorded) in [(found.rows.recorded, true), (found.rows.unrecorded, false)] {
      var start = 0
      for (members, count) in zip(group?.branches ?? [], group?.counts ?? []) {
        for branch in members {
          places[found.origins[branch]] = Place(run: run, isRecorded: isRecorded, start: start, count: count)
        }
        start += count
      }
    }
  }

  /// The samples that a view sees, ascending.
  func samples(of view: Int) -> [Int] { order[view] ?? [] }

  /// True unless both views keep the same tokens of a sample's images by the same weights, having chosen in the same places.
  func differ(_ a: Int, _ b: Int, _ sample: Int) throws -> Bool {
    guard let first = branches[Origin(view: a, sample: sample)], let second = branches[Origin(view: b, sample: sample)] else {
      return false
    }
    if first.run != second.run { return true }
    let (left, right) = (runs[first.run].ends[first.branch], runs[first.run].ends[second.branch])
    if left.cuts.map(\.layer) != right.cuts.map(\.layer) { return true }
    return try zip(left.images, right.images).contains { a, b in
      if a.layout != b.layout { return true }
      guard let x = a.kept, let y = b.kept else { return a.kept != nil || b.kept != nil }
      return try x.count != y.count || x.array(Int.self) != y.array(Int.self)
    }
  }

  /// The rows of some samples of a view, end to end, [rows, hiddenSize].
  func hidden(of view: Int, _ samples: [Int]) throws -> Tensor {
    let wanted = samples.compactMap { places[Origin(view: view, sample: $0)] }
    guard let first = wanted.first else { return try Tensor.empty([0, width]) }
    guard let group = first.isRecorded ? runs[first.run].recorded : runs[first.run].unrecorded else {
      return try Tensor.empty([0, width])
    }
    let numbers = wanted.flatMap { $0.start..<$0.start + $0.count }
    if let first = numbers.first, numbers.elementsEqual(first..<first + numbers.count) {
      return numbers.count == group.hidden.size(0)
        ? group.hidden : try group.hidden.narrow(0, from: first, length: numbers.count)
    }
    return try group.hidden.rows(Tensor(numbers, on: group.hidden.device))
  }

  private var width: Int { runs.lazy.compactMap { $0.recorded ?? $0.unrecorded }.first?.hidden.size(1) ?? 0 }
}
