import Torch

/// The rows of a sample as they came to the decoder, for compressors between its layers that look back at them.
///
/// What is dropped on the way stays here, so that every stage finds the same.
public struct DecoderInput: Sendable {
  /// [rows, width].
  public let rows: Tensor
  /// Which of them hold images.
  public let images: [Range<Int>]

  /// Rows, and where the images among them lie.
  public init(rows: Tensor, images: [Range<Int>]) {
    self.rows = rows
    self.images = images
  }

  /// The rows of an image.
  func image(_ index: Int) throws -> Tensor { try rows.narrow(0, from: images[index].lowerBound, length: images[index].count) }

  /// Some of the text rows, by their numbers among text rows alone.
  func text(_ numbers: [Int]) throws -> Tensor {
    let text = (0..<rows.size(0)).filter { row in !images.contains { $0.contains(row) } }
    return try rows.rows(Tensor(numbers.map { text[$0] }, on: rows.device))
  }

  /// These rows and those that follow them.
  ///
  /// - Parameter next: its images are counted from the first of these rows, where these know of none.
  package func followed(by next: DecoderInput) throws -> DecoderInput {
    DecoderInput(rows: try concatenate([rows, next.rows]), images: images.isEmpty ? next.images : images)
  }
}
