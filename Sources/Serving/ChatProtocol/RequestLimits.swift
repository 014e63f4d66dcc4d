/// How much a request may ask for.
public struct RequestLimits: Sendable {
  /// What its JSON may be.
  public var json = JSONLimits()
  /// Most messages.
  public var maximumMessages = 1024
  /// Most parts of a message.
  public var maximumParts = 1024
  /// Most bytes of a text.
  public var maximumTextBytes = 1 << 20
  /// Most pictures, all messages together.
  public var maximumPictures = 16
  /// Most stop strings, and bytes of each.
  public var maximumStops = 16, maximumStopBytes = 256
  /// Longest context of the model, in tokens.
  public var contextLength: Int

  /// The usual limits for a model.
  public init(contextLength: Int) { self.contextLength = contextLength }
}
