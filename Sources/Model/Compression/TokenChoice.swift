import Torch

/// An image that loses tokens, as a compressor is asked about it.
public struct TokenChoice {
  /// How many tokens are to be left.
  public let count: Int
  /// What can be looked at.
  public let tokens: VisualTokens
  /// Random numbers of the image's sample, on the CPU whatever the device, so that one seed means one choice everywhere.
  public let generator: Generator

  /// A question to a compressor.
  public init(_ count: Int, of tokens: VisualTokens, generator: Generator) {
    self.count = count
    self.tokens = tokens
    self.generator = generator
  }
}
