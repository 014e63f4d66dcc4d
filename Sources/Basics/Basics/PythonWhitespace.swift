extension Unicode.Scalar {
  /// Whether Python's `strip` and `split` take it for white space: what Unicode does, and the separators U+001C...U+001F.
  package var isPythonWhitespace: Bool {
    // Looking up properties takes most of the time of counting words in a large data set.
    isASCII ? value == 0x20 || (0x09...0x0D).contains(value) || (0x1C...0x1F).contains(value) : properties.isWhitespace
  }
}
