import CText

/// A regular expression in the syntax of Oniguruma, which is the engine of the `tokenizers` package.
///
/// Another engine would divide some texts differently: here `$` stands in front of every line end, and case folds as Unicode says.
/// `@unchecked Sendable`: searching only reads what `init` compiled.
final class RegularExpression: @unchecked Sendable {
  private let handle: OpaquePointer

  /// - Throws: the engine's words for what is wrong with the pattern.
  init(_ pattern: [UInt8]) throws(LibraryFailure) {
    var compiled: OpaquePointer?
    try checked { ctext_regex_compile(pattern, pattern.count, &compiled, $0, $1) }
    guard let compiled else { throw LibraryFailure(message: "not compiled") }
    handle = compiled
  }

  deinit { ctext_regex_free(handle) }

  /// All matches in UTF-8 text from left to right, as ranges of its indices.
  ///
  /// - Throws: `LanguageError.encodingFailed` where the pattern takes too many steps on this text.
  func matches(in text: ArraySlice<UInt8>) throws -> [Range<Int>] {
    var bounds: UnsafeMutablePointer<Int>?
    var count = 0
    do throws(LibraryFailure) {
      try checked { message, capacity in
        text.withUnsafeBufferPointer {
          ctext_regex_find_all(handle, $0.baseAddress, $0.count, &bounds, &count, message, capacity)
        }
      }
    } catch {
      throw LanguageError.encodingFailed(reason: "a regular expression of tokenizer.json gave up: \(error.message)")
    }
    defer { ctext_free(bounds) }
    let found = UnsafeBufferPointer(start: bounds, count: 2 * count)
    return (0..<count).map { text.startIndex + found[2 * $0]..<text.startIndex + found[2 * $0 + 1] }
  }
}
