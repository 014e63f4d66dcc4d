import LLaVA
import Torch

/// The rows of a loss as they came out of the decoder, by view and sample.
struct StepRows {
  private struct Place: Hashable { let view, sample: Int }

  private let found: BranchedRows
  /// Where the rows of a view's sample lie: in which group, from which row on, and how many.
  private var places: [Place: (isRecorded: Bool, start: Int, count: Int)] = [:]
  private var branches: [Place: Int] = [:]
  private var order: [Int: [Int]] = [:]

  init(_ found: BranchedRows, _ origins: [(view: Int, sample: Int)]) {
    self.found = found
    for (branch, origin) in origins.enumerated() {
      branches[Place(view: origin.view, sample: origin.sample)] = branch
      order[origin.view, default: []].append(origin.sample)
    }
    for (group, isRecorded) in [(found.recorded, true), (found.unrecorded, false)] {
      var start = 0
      for (members, count) in zip(group?.branches ?? [], group?.counts ?? []) {
        for branch in members {
          places[Place(view: origins[branch].view, sample: origins[branch].sample)] = (isRecorded, start, count)
        }
        start += count
      }
    }
  }

  /// The samples that a view sees, ascending.
  func samples(of view: Int) -> [Int] { order[view] ?? [] }

  /// True unless both views keep the same tokens of a sample's images, having chosen in the same places.
  func differ(_ a: Int, _ b: Int, _ sample: Int) throws -> Bool {
    guard let first = branches[Place(view: a, sample: sample)], let second = branches[Place(view: b, sample: sample)] else {
      return false
    }
    let (left, right) = (found.ends[first], found.ends[second])
    if left.cuts.map(\.layer) != right.cuts.map(\.layer) { return true }
    return try zip(left.images, right.images).contains { a, b in
      if a.layout != b.layout { return true }
      guard let x = a.kept, let y = b.kept else { return a.kept != nil || b.kept != nil }
      return try x.count != y.count || x.array(Int.self) != y.array(Int.self)
    }
  }

  /// The rows of some samples of a view, end to end, [rows, hiddenSize].
  func hidden(of view: Int, _ samples: [Int]) throws -> Tensor {
    let wanted = samples.compactMap { places[Place(view: view, sample: $0)] }
    guard let group = wanted.first?.isRecorded ?? true ? found.recorded : found.unrecorded else {
      return try Tensor.empty([0, found.unrecorded?.hidden.size(1) ?? 0])
    }
    let numbers = wanted.flatMap { $0.start..<$0.start + $0.count }
    if let first = numbers.first, numbers.elementsEqual(first..<first + numbers.count) {
      return numbers.count == group.hidden.size(0)
        ? group.hidden : try group.hidden.narrow(0, from: first, length: numbers.count)
    }
    return try group.hidden.rows(Tensor(numbers, on: group.hidden.device))
  }
}
