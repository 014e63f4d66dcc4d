import Basics
import Language

/// Text as Python's `str` methods see it: scalars, not grapheme clusters.
extension String {
  /// `split()`: what stands between whitespace.
  var pythonWords: [String] {
    unicodeScalars.split(whereSeparator: \.isPythonWhitespace).map { String($0) }
  }

  /// `strip()`.
  var pythonStripped: String {
    let front = unicodeScalars.drop(while: \.isPythonWhitespace)
    guard let last = front.lastIndex(where: { !$0.isPythonWhitespace }) else { return "" }
    return String(front[...last])
  }

  /// `capitalize()`: the first letter upper-case, every other lower-case.
  var pythonCapitalized: String {
    guard let first = unicodeScalars.first else { return "" }
    return first.properties.titlecaseMapping + String(unicodeScalars.dropFirst()).lowercased()
  }

  /// `replace(old, new)`.
  func replacingScalars(_ old: String, _ new: String) -> String {
    partsBetween(old).joined(separator: new)
  }

  /// `split(separator)`.
  func partsBetween(_ separator: String) -> [String] {
    let text = Array(utf8)
    let pattern = Array(separator.utf8)
    var parts: [String] = []
    var (start, position) = (0, 0)
    while position + pattern.count <= text.count {
      if text[position...].starts(with: pattern) {
        parts.append(String(decoding: text[start..<position], as: UTF8.self))
        position += pattern.count
        start = position
      } else {
        position += 1
      }
    }
    return parts + [String(decoding: text[start...], as: UTF8.self)]
  }

  /// `other in self`.
  func holds(_ other: String) -> Bool { other.isEmpty || partsBetween(other).count > 1 }
}
