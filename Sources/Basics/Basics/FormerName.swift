/// Fields of files that had another name in earlier versions.
extension Decoder {
  /// The value under `key`, or under the name that the field had before.
  ///
  /// - Throws: `DecodingError` where neither is there, or the value is of another kind; it names the present name.
  public func value<Value: Decodable, Key: CodingKey>(
    _ key: Key, formerly name: String, as type: Value.Type = Value.self
  ) throws -> Value {
    let fields = try container(keyedBy: Key.self)
    if !fields.contains(key), let former = FormerName(stringValue: name) {
      let all = try container(keyedBy: FormerName.self)
      if all.contains(former) { return try all.decode(type, forKey: former) }
    }
    return try fields.decode(type, forKey: key)
  }
}

private struct FormerName: CodingKey {
  let stringValue: String
  var intValue: Int? { nil }

  init?(stringValue: String) { self.stringValue = stringValue }
  init?(intValue: Int) { nil }
}
