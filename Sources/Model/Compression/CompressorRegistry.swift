/// Strategies by the names that flags, configurations and reports use.
///
/// A value: a program adds its own to a copy of `standard`. A strategy of this package is one file and one line here.
public struct CompressorRegistry: Sendable {
  /// What a strategy can be told when it is made.
  public struct Options: Sendable, Hashable {
    /// What strategies that look at text may look at.
    public var semantics = CompressionSemantics.corrected
    /// DART's pivots among an image's own tokens.
    public var imagePivots = 4
    /// DART's pivots among text tokens.
    public var textPivots = 4

    /// What the authors of EPIC use, but for the semantics.
    public init() {}
  }

  /// Makes a strategy.
  public typealias Factory = @Sendable (Options) throws -> CompressionStrategy

  private var factories: [String: Factory] = [:]

  /// The strategies of this package.
  public static let standard: CompressorRegistry = {
    var registry = CompressorRegistry()
    registry["dart"] = { .drop(try DART(imagePivots: $0.imagePivots, textPivots: $0.textPivots, semantics: $0.semantics)) }
    registry["fastv"] = { .drop(FastV(semantics: $0.semantics)) }
    registry["random"] = { _ in .drop(RandomChoice()) }
    registry["uniform"] = { _ in .drop(Uniform()) }
    registry["downsample"] = { _ in .shrink(Downsample()) }
    registry["pool"] = { _ in .pool(AveragePool()) }
    return registry
  }()

  /// A registry without strategies.
  public init() {}

  /// All names, sorted.
  public var names: [String] { factories.keys.sorted() }

  /// The factory of a name.
  public subscript(name: String) -> Factory? {
    get { factories[name] }
    set { factories[name] = newValue }
  }

  /// A strategy by name.
  ///
  /// - Throws: `CompressionError.unknownStrategy`, which lists the known ones; what the strategy's factory throws.
  public func strategy(_ name: String, _ options: Options = Options()) throws -> CompressionStrategy {
    guard let factory = factories[name] else { throw CompressionError.unknownStrategy(name, known: names) }
    return try factory(options)
  }
}
