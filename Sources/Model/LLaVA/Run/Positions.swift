import Torch

/// Where the rows of a batch stand: what the rotary embedding turns them by, and where each sample goes on.
///
/// Positions belong to rows as they were before any was dropped; dropping leaves gaps and never renumbers. The next position of a
/// sample is therefore not its number of rows.
public struct Positions: Sendable {
  /// [axes, T] int64: one axis for a plain rotary embedding, more where time, height and width have their own.
  public var rotary: Tensor
  /// For each sample the position of the token that follows its rows.
  public var next: [Int]

  /// Positions of their parts.
  public init(rotary: Tensor, next: [Int]) {
    self.rotary = rotary
    self.next = next
  }

  /// Positions [T], the same on all axes.
  public init(_ positions: Tensor, axes: Int = 1, next: [Int]) throws {
    self.init(rotary: try positions.unsqueezed(0).expanded([axes, positions.count]), next: next)
  }

  /// Those of some rows of the batch, by int64 index; samples go on where they did.
  func rows(_ indices: Tensor) throws -> Positions { Positions(rotary: try rotary.rows(indices, 1), next: next) }
}
