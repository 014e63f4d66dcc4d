import Foundation

extension Encodable {
  /// The value as JSON, keys sorted, so that equal values are equal bytes.
  ///
  /// - Parameter isPretty: on many lines, for people.
  /// - Throws: an encoder's error, for numbers that are not finite.
  public func jsonData(isPretty: Bool = false) throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    if isPretty { encoder.outputFormatting.insert(.prettyPrinted) }
    return try encoder.encode(self)
  }
}
