extension ArraySlice<UInt8> {
  /// The characters of UTF-8 text, each with the range of its bytes.
  var scalars: [(scalar: Unicode.Scalar, range: Range<Int>)] {
    var offset = startIndex
    return String(decoding: self, as: UTF8.self).unicodeScalars.map { scalar in
      let start = offset
      offset += UTF8.width(scalar)
      return (scalar, start..<offset)
    }
  }
}

extension Unicode.Scalar {
  /// A letter, mark, digit, connector or joiner: `\w` of Unicode regular expressions.
  var isWordCharacter: Bool {
    if isASCII { return isASCIIAlphanumeric || self == "_" }
    if properties.isAlphabetic || properties.isJoinControl || isMark { return true }
    let category = properties.generalCategory
    return category == .decimalNumber || category == .connectorPunctuation
  }

  /// A mark that combines with the character in front of it.
  var isMark: Bool {
    switch properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark: true
    default: false
    }
  }

  /// A digit or number of any script.
  var isNumeric: Bool {
    if isASCII { return ("0"..."9").contains(self) }
    switch properties.generalCategory {
    case .decimalNumber, .letterNumber, .otherNumber: return true
    default: return false
    }
  }

  /// Punctuation of any script, and all of ASCII's marks, some of which Unicode counts among the symbols.
  var isPunctuation: Bool {
    if isASCII { return ("!"..."~").contains(self) && !isASCIIAlphanumeric }
    switch properties.generalCategory {
    case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation, .finalPunctuation,
      .otherPunctuation:
      return true
    default: return false
    }
  }

  private var isASCIIAlphanumeric: Bool {
    switch self {
    case "0"..."9", "A"..."Z", "a"..."z": true
    default: false
    }
  }
}
