import Foundation
import Torch

extension AdamW {
  /// Everything that training changes, in a fixed order, under names such as `exp_avg/decoder.norm.weight`.
  ///
  /// For each weight: `step` (float32 scalar), `exp_avg`, `exp_avg_sq` and `master` (float32, the weight itself where that is float32).
  /// The tensors are the optimizer's own and change with its next step.
  public var state: [(name: String, tensor: Tensor)] {
    slots.flatMap { slot in
      Self.parts(slot).map { (name: "\($0.part)/\(slot.parameter.stateName)", tensor: $0.tensor) }
    }
  }

  /// Goes on from a saved state: `read` gives each tensor of `state` by its name, or nil where it has none; its elements may lie in one row.
  ///
  /// Weights become their masters, rounded where they are in half precisions, and so are as they were.
  ///
  /// - Parameter all: take weights from their masters that other processes change, too.
  /// - Throws: `OptimizationError.stateMissing` and `.stateMismatch`, before anything has changed where `read` itself does not fail.
  public func restore(all: Bool = false, from read: (String) throws -> Tensor?) throws {
    try withoutGradient {
      // Twice through, as one tensor at a time is enough to hold, and half a state is worse than none.
      try forEachSaved(read) { _, _ in }
      try forEachSaved(read) { try $0.copyInPlace(from: $1) }
      for slot in slots where slot.hasMaster { try slot.parameter.tensor.copyInPlace(from: slot.master) }
      if !all { return }
      let own = Set(places)
      for (place, parameter) in parameters.enumerated() where !own.contains(place) {
        let name = "master/\(parameter.name)"
        guard let master = try read(name) else { throw OptimizationError.stateMissing(name) }
        try parameter.tensor.copyInPlace(from: Self.shaped(master, parameter.tensor.shape, name))
      }
    }
  }

  /// Writes the state into a file.
  ///
  /// - Throws: `FileError`, `TensorFileError`.
  func write(to url: URL) throws {
    try SafetensorsWriter.write(state.map { SafetensorsItem($0.name, $0.tensor) }, to: url)
  }

  private func forEachSaved(_ read: (String) throws -> Tensor?, _ body: (_ own: Tensor, _ saved: Tensor) throws -> Void) throws {
    for (name, own) in state {
      guard let found = try read(name) else { throw OptimizationError.stateMissing(name) }
      let saved = try Self.shaped(found, own.shape, name)
      guard saved.dtype == own.dtype else {
        throw TorchError.dtypeMismatch(what: "the optimizer's state \(name)", found: saved.dtype, expected: own.dtype)
      }
      try body(own, saved)
    }
  }

  private static func shaped(_ saved: Tensor, _ shape: [Int], _ name: String) throws -> Tensor {
    if saved.shape == shape { return saved }
    guard saved.rank == 1, shape.count > 1, saved.count == shape.reduce(1, *) else {
      throw OptimizationError.stateMismatch(name, found: saved.shape, expected: shape)
    }
    return try saved.reshaped(shape)
  }

  private static func parts(_ slot: Slot) -> [(part: String, tensor: Tensor)] {
    [("step", slot.steps), ("exp_avg", slot.firstMoment), ("exp_avg_sq", slot.secondMoment), ("master", slot.master)]
  }
}
