import Foundation

/// A picture or a video inside its own address: `data:image/png;base64,…`.
enum DataURI {
  /// The bytes.
  ///
  /// - Throws: `FetchError`.
  static func bytes(_ text: String, _ kind: FetchedKind) throws(FetchError) -> [UInt8] {
    guard let comma = text.firstIndex(of: ",") else { throw .invalid("the data URI has no comma before its data") }
    let parts = text[..<comma].dropFirst("data:".count).lowercased().split(separator: ";", omittingEmptySubsequences: false)
    guard parts.last == "base64", parts.count >= 2 else {
      throw .invalid("the data URI is not in base64; begin it with data:\(kind.example);base64,")
    }
    guard parts[0].hasPrefix(kind.type) else {
      throw .invalid("the data URI is of another type than \(kind.type)…; begin it with data:\(kind.example);base64,")
    }
    let encoded = text[text.index(after: comma)...]
    if encoded.isEmpty { throw .invalid("the data URI holds no data") }
    if encoded.utf8.count / 4 > kind.limit / 3 + 1 { throw kind.tooLarge(.refused) }
    guard let data = Data(base64Encoded: String(encoded)) else { throw .invalid("the data URI's base64 is malformed") }
    if data.isEmpty { throw .invalid("the data URI holds no data") }
    if data.count > kind.limit { throw kind.tooLarge(.refused) }
    return Array(data)
  }
}
