import Torch

extension Tensor {
  /// Rows [..., width] at length 1, so that their products are cosines: float32; a row of zeros stays one.
  func unitRows() throws -> Tensor {
    let rows = try to(.float32)
    return try rows / rows.norm(2, -1, keepingDimension: true).clamped(1e-12)
  }

  /// For indices [n] into `count` entries those that are not among them, ascending: [count - n] int64.
  ///
  /// Worked out where the indices are, so that nothing waits for them.
  func complement(of count: Int) throws -> Tensor {
    let taken = try Tensor.zeros([count], .int64, on: device).scattered(
      0, self, .full([size(0)], Double(count), .int64, on: device))
    let order = try (Tensor.arange(0, count, on: device) + taken).sorted().values
    return try order.narrow(0, from: 0, length: count - size(0))
  }

  /// Indices [n] as rows of weights that take one entry of `count` each: [n, count] float32.
  func oneHot(_ count: Int) throws -> Tensor {
    try Tensor.zeros([size(0), count], on: device).scattered(1, unsqueezed(1), .ones([size(0), 1], on: device))
  }
}

extension Array<TokenChoice> {
  /// Chooses for images of one shape together, as a GPU chooses for one image faster than its kernels can be started.
  ///
  /// - Parameter keep: for `count` and the images' choices the indices that stay, [images, count] int64.
  func keeping(_ keep: (_ count: Int, _ members: [TokenChoice]) throws -> Tensor) throws -> [Reduction] {
    var found: [Int: Reduction] = [:]
    let shapes = Dictionary(grouping: indices) { [self[$0].count, self[$0].tokens.count] }
    for (shape, members) in shapes.sorted(by: { $0.value[0] < $1.value[0] }) {
      let kept = try keep(shape[0], members.map { self[$0] })
      for (row, member) in members.enumerated() { found[member] = .keep(try kept.selected(0, row)) }
    }
    return indices.compactMap { found[$0] }
  }
}
