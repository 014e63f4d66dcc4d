/// Replaces every occurrence of some bytes, from left to right.
///
/// Text is searched as bytes throughout this module: a `String` is a collection of grapheme clusters, in which "▁"
/// followed by a combining mark, or "\n" behind "\r", is not found.
func replacing(_ pattern: [UInt8], in bytes: some Collection<UInt8>, with replacement: [UInt8]) -> [UInt8] {
  split(Array(bytes), separator: pattern).joined(separator: replacement).map { $0 }
}

/// The parts of a text between occurrences of a separator, empty ones included; one part if there is none.
func split(_ bytes: [UInt8], separator: [UInt8]) -> [ArraySlice<UInt8>] {
  guard let first = separator.first else { return [bytes[...]] }
  var parts: [ArraySlice<UInt8>] = []
  var start = 0
  var position = 0
  while position + separator.count <= bytes.count {
    if bytes[position] == first, bytes[position...].starts(with: separator) {
      parts.append(bytes[start..<position])
      position += separator.count
      start = position
    } else {
      position += 1
    }
  }
  return parts + [bytes[start...]]
}

/// As the function on bytes, for text.
func split(_ text: String, separator: String) -> [String] {
  split(Array(text.utf8), separator: Array(separator.utf8)).map { String(decoding: $0, as: UTF8.self) }
}
