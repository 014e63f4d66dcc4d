import Torch

/// Chooses which visual tokens of an image survive at one point of the decoder.
///
/// A strategy is one value of this protocol, at home in one file. Training, evaluation and serving call the same one. It is asked
/// only where something is to be dropped and something to be kept: `0 < count < tokens.count`.
public protocol TokenCompressor: Sendable {
  /// How many of `total` tokens are kept when the share `ratio` of them is dropped.
  ///
  /// The default is int((1 - ratio) · total) in double arithmetic, as the authors of EPIC and FastV count.
  func count(ratio: Double, of total: Int) -> Int

  /// The tokens that survive.
  ///
  /// - Parameters:
  ///   - count: how many, at least 1 and fewer than `tokens.count`.
  ///   - tokens: what can be looked at; whatever is not asked for is not computed.
  ///   - generator: random numbers of this sample, on the CPU whatever the device, so that one seed means one choice everywhere.
  /// - Returns: [count] int64 indices into the image's tokens, in any order, on any device. Nothing needs to wait for the device.
  func keep(_ count: Int, of tokens: VisualTokens, generator: Generator) throws -> Tensor

  /// The same for many images, in the order of the questions; one after the other unless a strategy can do better.
  func keep(_ choices: [TokenChoice]) throws -> [Tensor]

  /// False where the choice follows from picture, count and generator alone, whatever is asked about the picture.
  ///
  /// Who asks many questions about a picture then chooses once. True unless a strategy says otherwise; one that says false must look
  /// at nothing behind the image.
  var readsPrompt: Bool { get }
}

extension TokenCompressor {
  /// True.
  public var readsPrompt: Bool { true }

  /// One after the other.
  public func keep(_ choices: [TokenChoice]) throws -> [Tensor] {
    try choices.map { try keep($0.count, of: $0.tokens, generator: $0.generator) }
  }

  /// int((1 - ratio) · total).
  public func count(ratio: Double, of total: Int) -> Int { defaultCount(ratio: ratio, of: total) }
}

/// Makes fewer features of an image before the projector and the decoder see them.
public protocol TokenPooler: Sendable {
  /// How many of `total` tokens are left when the share `ratio` of them goes; int((1 - ratio) · total) by default.
  func count(ratio: Double, of total: Int) -> Int

  /// Fewer features for each image.
  ///
  /// - Parameters:
  ///   - features: [images, grid.count, width], the tower's, in any float dtype.
  ///   - grid: where the features lie in the image.
  ///   - count: how many are to be left of each image.
  /// - Returns: [images, count, width] of the same dtype, in raster order.
  func pool(_ features: Tensor, _ grid: TokenGrid, to count: Int) throws -> Tensor
}

extension TokenPooler {
  /// int((1 - ratio) · total).
  public func count(ratio: Double, of total: Int) -> Int { defaultCount(ratio: ratio, of: total) }
}

/// Shows the tower a smaller picture, so that there are fewer features from the start.
public protocol PictureShrinker: Sendable {
  /// How many of `total` tokens are left when the share `ratio` of them goes; int((1 - ratio) · total) by default.
  func count(ratio: Double, of total: Int) -> Int

  /// The patches of the smaller picture.
  ///
  /// - Parameters:
  ///   - grid: the patches of the picture as it is.
  ///   - count: tokens that the smaller one is to have, at most `grid.count`.
  /// - Throws: `CompressionError` where no grid has this number.
  func shrunk(_ grid: TokenGrid, to count: Int) throws -> TokenGrid
}

extension PictureShrinker {
  /// int((1 - ratio) · total).
  public func count(ratio: Double, of total: Int) -> Int { defaultCount(ratio: ratio, of: total) }
}

private func defaultCount(ratio: Double, of total: Int) -> Int { max(0, Int((1 - ratio) * Double(total))) }

/// A strategy by the place where it works.
public enum CompressionStrategy: Sendable {
  /// Drops tokens between two decoder layers; those that stay keep their positions.
  case drop(any TokenCompressor)
  /// Pools features before the decoder, which then sees a shorter image.
  case pool(any TokenPooler)
  /// Makes the picture smaller before the tower, so that even the tower has less to do.
  case shrink(any PictureShrinker)

  /// How many of `total` tokens are kept when the share `ratio` of them goes.
  public func count(ratio: Double, of total: Int) -> Int {
    switch self {
    case .drop(let compressor): compressor.count(ratio: ratio, of: total)
    case .pool(let pooler): pooler.count(ratio: ratio, of: total)
    case .shrink(let shrinker): shrinker.count(ratio: ratio, of: total)
    }
  }
}

/// What a strategy that looks at text may look at.
public enum CompressionSemantics: String, Sendable, CaseIterable {
  /// The prompt alone: rows up to the last one before the answer. Training and inference then choose alike.
  case corrected
  /// All rows after the image, the answer included, as the released code of EPIC does in training.
  case reference
}
