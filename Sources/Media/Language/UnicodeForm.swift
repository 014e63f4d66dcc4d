import CText

/// The four normalization forms of Unicode.
enum UnicodeForm: String, Sendable, CaseIterable {
  /// Canonical composition.
  case nfc = "NFC"
  /// Canonical decomposition.
  case nfd = "NFD"
  /// Composition after compatibility decomposition.
  case nfkc = "NFKC"
  /// Compatibility decomposition.
  case nfkd = "NFKD"

  private var form: ctext_form {
    switch self {
    case .nfc: CTEXT_NFC
    case .nfd: CTEXT_NFD
    case .nfkc: CTEXT_NFKC
    case .nfkd: CTEXT_NFKD
    }
  }

  /// Brings UTF-8 text into this form.
  ///
  /// - Throws: `LanguageError.encodingFailed` where memory runs out.
  func apply(to text: [UInt8]) throws -> [UInt8] {
    // ASCII is in every form already.
    if !text.contains(where: { $0 >= 0x80 }) { return text }
    var result: UnsafeMutablePointer<UInt8>?
    var count = 0
    guard ctext_normalize(text, text.count, form, &result, &count) == 0 else {
      throw LanguageError.encodingFailed(reason: "there is no memory to bring it into the form \(rawValue)")
    }
    defer { ctext_free(result) }
    return Array(UnsafeBufferPointer(start: result, count: count))
  }
}
