import Torch

/// The optimizer's state in a checkpoint, whatever number of processes wrote it and whatever parts of weights each of them had.
struct SavedOptimizer {
  /// Some elements of a tensor.
  private struct Piece {
    let range: Range<Int>
    let name: String
    let file: SafetensorsFile
  }

  private let files: [SafetensorsFile]
  /// By the tensor's name, ascending.
  private var pieces: [String: [Piece]] = [:]

  init(_ files: [SafetensorsFile]) {
    self.files = files
    for file in files {
      for name in file.entries.keys {
        let (base, range) = Self.parsed(name)
        if let range { pieces[base, default: []].append(Piece(range: range, name: name, file: file)) }
      }
    }
    pieces = pieces.mapValues { $0.sorted { $0.range.lowerBound < $1.range.lowerBound } }
  }

  /// A tensor, or some elements of one in a row, by the name under which an optimizer's state has it; nil where not all of it is there.
  ///
  /// - Throws: `TensorFileError`, `TorchError` for a file that does not hold what its names say.
  func tensor(_ name: String) throws -> Tensor? {
    let (base, range) = Self.parsed(name)
    if let file = files.first(where: { $0.entries[base] != nil }) {
      let whole = try file.tensor(base)
      guard let range, whole.rank > 0 else { return whole }
      guard range.upperBound <= whole.count else { return nil }
      return try whole.reshaped([-1]).narrow(0, from: range.lowerBound, length: range.count)
    }
    guard let own = pieces[base], let last = own.last else { return nil }
    // The count of steps is one number, the same for all pieces of a weight.
    if let first = own.first, first.file.entries[first.name]?.shape.isEmpty == true { return try first.file.tensor(first.name) }
    let wanted = range ?? 0..<last.range.upperBound
    var (found, end): ([Tensor], Int) = ([], wanted.lowerBound)
    for piece in own where piece.range.overlaps(wanted) {
      let part = piece.range.clamped(to: wanted)
      guard part.lowerBound == end else { return nil }
      let tensor = try piece.file.tensor(piece.name)
      try tensor.requireShape([piece.range.count], piece.name)
      found.append(try tensor.narrow(0, from: part.lowerBound - piece.range.lowerBound, length: part.count))
      end = part.upperBound
    }
    return end == wanted.upperBound ? try found.count == 1 ? found[0] : concatenate(found) : nil
  }

  /// The parts of a name such as `exp_avg/decoder.norm.weight[64:128]`.
  static func parsed(_ name: String) -> (base: String, range: Range<Int>?) {
    guard name.hasSuffix("]"), let open = name.lastIndex(of: "[") else { return (name, nil) }
    let numbers = name[name.index(after: open)...].dropLast().split(separator: ":", omittingEmptySubsequences: false).map {
      Int($0)
    }
    guard numbers.count == 2, let lower = numbers[0], let upper = numbers[1], lower >= 0, lower < upper else {
      return (name, nil)
    }
    return (String(name[..<open]), lower..<upper)
  }
}
