/// What reading a prompt costs, by where it is spent.
public struct PrefillCost: Sendable, Hashable {
  /// FLOPs of the vision tower; 0 where an accounting leaves it out, as for the next two.
  public var tower = 0.0
  /// FLOPs of the projector.
  public var projector = 0.0
  /// FLOPs of the decoder's layers.
  public var decoder: Double
  /// FLOPs of the output layer.
  public var head = 0.0
  /// Bytes of keys and values that all layers hold afterwards.
  public var kvCacheBytes: Double

  /// FLOPs in all; a multiplication with an addition counts as two.
  public var flops: Double { tower + projector + decoder + head }
}
