/// Where a text occurs, from left to right and without overlap; an empty one occurs nowhere.
///
/// Text is searched as bytes throughout this module: a `String` is a collection of grapheme clusters, in which "▁"
/// followed by a combining mark, or "\n" behind "\r", is not found.
func occurrences(of pattern: [UInt8], in bytes: ArraySlice<UInt8>) -> [Range<Int>] {
  guard let first = pattern.first else { return [] }
  var found: [Range<Int>] = []
  var position = bytes.startIndex
  while position + pattern.count <= bytes.endIndex {
    if bytes[position] == first, bytes[position...].starts(with: pattern) {
      found.append(position..<position + pattern.count)
      position += pattern.count
    } else {
      position += 1
    }
  }
  return found
}

/// Replaces ranges of a text, which are in order, by the same bytes each.
func replacing(_ ranges: [Range<Int>], in bytes: ArraySlice<UInt8>, with replacement: [UInt8]) -> [UInt8] {
  if ranges.isEmpty { return Array(bytes) }
  var result: [UInt8] = []
  var end = bytes.startIndex
  for range in ranges {
    result += bytes[end..<range.lowerBound]
    result += replacement
    end = range.upperBound
  }
  return result + bytes[end...]
}

/// Replaces every occurrence of some bytes, from left to right.
func replacing(_ pattern: [UInt8], in bytes: some Collection<UInt8>, with replacement: [UInt8]) -> [UInt8] {
  let bytes = ArraySlice(bytes)
  return replacing(occurrences(of: pattern, in: bytes), in: bytes, with: replacement)
}

/// The parts of a text between occurrences of a separator, empty ones included; one part if there is none.
func split(_ bytes: [UInt8], separator: [UInt8]) -> [ArraySlice<UInt8>] {
  let found = occurrences(of: separator, in: bytes[...])
  return zip([0] + found.map(\.upperBound), found.map(\.lowerBound) + [bytes.count]).map { bytes[$0..<$1] }
}

/// As the function on bytes, for text.
func split(_ text: String, separator: String) -> [String] {
  split(Array(text.utf8), separator: Array(separator.utf8)).map { String(decoding: $0, as: UTF8.self) }
}
