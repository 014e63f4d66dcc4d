import Foundation

/// A picture inside its own address: `data:image/png;base64,…`.
enum DataURI {
  /// The bytes.
  ///
  /// - Parameter limit: most bytes.
  /// - Throws: `FetchError`.
  static func bytes(_ text: String, limit: Int) throws(FetchError) -> [UInt8] {
    guard let comma = text.firstIndex(of: ",") else { throw .invalid("the data URI has no comma before its data") }
    let parts = text[..<comma].dropFirst("data:".count).lowercased().split(separator: ";", omittingEmptySubsequences: false)
    guard parts.last == "base64", parts.count >= 2 else {
      throw .invalid("the data URI is not in base64; begin it with data:image/png;base64,")
    }
    guard parts[0].hasPrefix("image/") else {
      throw .invalid("the data URI is of another type than image/…; begin it with data:image/png;base64,")
    }
    let encoded = text[text.index(after: comma)...]
    if encoded.isEmpty { throw .invalid("the data URI holds no data") }
    if encoded.utf8.count / 4 > limit / 3 + 1 {
      throw FetchError(.refused, "image_too_large", "the picture has more than \(limit) bytes")
    }
    guard let data = Data(base64Encoded: String(encoded)) else { throw .invalid("the data URI's base64 is malformed") }
    if data.isEmpty { throw .invalid("the data URI holds no data") }
    if data.count > limit { throw FetchError(.refused, "image_too_large", "the picture has more than \(limit) bytes") }
    return Array(data)
  }
}
