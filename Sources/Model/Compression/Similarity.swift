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

/// Cosines of each image's rows with one another, on the host.
///
/// Searches that take one token after the other run there: their steps are small, and starting a kernel for each would take longer than all of
/// them, on a GPU too.
struct Cosines {
  let images, tokens: Int
  private let values: [Float]

  /// - Parameter rows: [images, tokens, width].
  init(_ rows: Tensor) throws {
    let units = try rows.unitRows()
    let (images, tokens) = (rows.size(0), rows.size(1))
    (self.images, self.tokens) = (images, tokens)
    var values = [Float](repeating: 0, count: images * tokens * tokens)
    // A pair's cosine is the same both ways: a quarter of the rows at a time is multiplied with itself and the rows behind it.
    for first in stride(from: 0, to: tokens, by: max(1, (tokens + 3) / 4)) {
      let (height, width) = (min((tokens + 3) / 4, tokens - first), tokens - first)
      let (own, behind) = (try units.narrow(1, from: first, length: height), try units.narrow(1, from: first, length: width))
      try own.matmul(behind.transposed(1, 2)).withBytes { bytes in
        let found = bytes.bindMemory(to: Float.self)
        values.withUnsafeMutableBufferPointer { values in
          for row in 0..<images * height {
            let (image, token) = (row / height, first + row % height)
            let start = image * tokens * tokens
            for column in 0..<width {
              // What is no number would never be farthest, and the same token would be taken again and again.
              let cosine = found[row * width + column].isNaN ? 0 : found[row * width + column]
              values[start + token * tokens + first + column] = cosine
              if column >= height { values[start + (first + column) * tokens + token] = cosine }
            }
          }
        }
      }
    }
    self.values = values
  }

  /// A token's cosines with all tokens of its image, at the indices 0..<tokens.
  func withRow<R>(_ token: Int, of image: Int, _ body: (UnsafeBufferPointer<Float>) throws -> R) rethrows -> R {
    let start = (image * tokens + token) * tokens
    return try values.withUnsafeBufferPointer { try body(UnsafeBufferPointer(rebasing: $0[start..<start + tokens])) }
  }
}
