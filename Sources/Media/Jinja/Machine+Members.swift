extension Machine {
  /// `value.name`: a method or property, else what the value holds under the name.
  func attribute(_ name: String, of value: Value, line place: Int) throws -> Value {
    line = place
    if let found = try member(name, of: value) { return found }
    if case .undefined(let missing) = value { throw undefined(missing) }
    return try held(.string(name), by: value) ?? .undefined(name)
  }

  /// `value[key]`: what the value holds under the key, else a method or property of that name.
  func item(_ key: Value, of value: Value) throws -> Value {
    if case .undefined(let missing) = value { throw undefined(missing) }
    if let found = try held(key, by: value) { return found }
    if case .string(let name) = key, let found = try member(name, of: value) { return found }
    return .undefined(key.text)
  }

  /// A method or property.
  ///
  /// Names that begin with an underscore are none in a sandbox.
  private func member(_ name: String, of value: Value) throws -> Value? {
    if name.hasPrefix("_") { return nil }
    switch value {
    case .string(let text): return StringMethods.method(name, of: text)
    case .dict(let dict): return try DictMethods.method(name, of: dict)
    case .list(let values): return try ListMethods.method(name, of: values, isList: true)
    case .tuple(let values): return try ListMethods.method(name, of: values, isList: false)
    case .range(let range):
      switch name {
      case "start": return .int(range.start)
      case "stop": return .int(range.stop)
      case "step": return .int(range.step)
      case "count", "index": return try ListMethods.method(name, of: try elements(of: value), isList: false)
      default: return nil
      }
    case .namespace(let namespace): return namespace.members[.string(name)]
    case .loop(let loop): return loop.member(name)
    default: return nil
    }
  }

  /// An element by index, or a value by key.
  private func held(_ key: Value, by value: Value) throws -> Value? {
    func index(_ count: Int) -> Int? {
      guard case .int(let index)? = key.number else { return nil }
      let place = index < 0 ? (index < -count ? -1 : index + count) : index
      return (0..<count).contains(place) ? place : nil
    }
    switch value {
    case .dict(let dict):
      try step(1 + dict.count / 8)
      return dict[key]
    case .list(let values), .tuple(let values): return index(values.count).map { values[$0] }
    case .range(let range): return index(range.count).map { .int(range.element($0)) }
    case .string(let text):
      guard case .int? = key.number else { return nil }
      try scan(text)
      let scalars = text.unicodeScalars
      return index(scalars.count).map { .string(String(scalars[scalars.index(scalars.startIndex, offsetBy: $0)])) }
    default: return nil
    }
  }

  /// Follows a name such as "function.name" or a number, as filters with `attribute` do.
  func follow(_ path: Value, from value: Value) throws -> Value {
    guard case .string(let name) = path else { return try item(path, of: value) }
    var value = value
    for part in PythonString.split(name, separator: ".", limit: -1) {
      let isNumber = !part.isEmpty && part.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
      let key: Value = isNumber ? Int(part).map { .int($0) } ?? .string(part) : .string(part)
      value = try item(key, of: value)
    }
    return value
  }
}

/// Methods of dicts.
enum DictMethods {
  static func method(_ name: String, of dict: Dict) throws -> Value? {
    switch name {
    case "keys": return .function(.init("dict.keys") { _, _ in .view("dict_keys", dict.keys) })
    case "values": return .function(.init("dict.values") { _, _ in .view("dict_values", dict.values) })
    case "items":
      return .function(
        .init("dict.items") { machine, _ in
          try machine.charge(dict.count * 64)
          return .view("dict_items", dict.pairs.map { .tuple([$0, $1]) })
        })
    case "get":
      return .function(
        .init("dict.get") { machine, arguments in
          let values = try arguments.bound(to: "key", "default", required: 1, of: "dict.get")
          let key = values[0] ?? .none
          try machine.requireKey(key)
          try machine.step(1 + dict.count / 8)
          return dict[key] ?? values[1] ?? .none
        })
    case "copy": return .function(.init("dict.copy") { _, _ in .dict(dict) })
    case "clear", "pop", "popitem", "setdefault", "update":
      return .function(
        .init("dict.\(name)") { _, _ in throw JinjaError(.failed, "dict.\(name) would change a dict; nothing can here") })
    case "fromkeys": throw JinjaError(.unsupported, "dict.fromkeys")
    default: return nil
    }
  }
}

/// Methods of lists and tuples.
enum ListMethods {
  static func method(_ name: String, of values: [Value], isList: Bool) throws -> Value? {
    let type = isList ? "list" : "tuple"
    switch name {
    case "count":
      return .function(
        .init("\(type).count") { machine, arguments in
          let wanted = try arguments.bound(to: "value", required: 1, of: "\(type).count")[0] ?? .none
          return .int(try values.count { try machine.equal($0, wanted) })
        })
    case "index":
      return .function(
        .init("\(type).index") { machine, arguments in
          let wanted = try arguments.bound(to: "value", required: 1, of: "\(type).index")[0] ?? .none
          guard let index = try values.firstIndex(where: { try machine.equal($0, wanted) }) else {
            throw JinjaError(.failed, "\(wanted.literal) is not in the \(type)")
          }
          return .int(index)
        })
    case "copy" where isList: return .function(.init("list.copy") { _, _ in .list(values) })
    case "append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort":
      if !isList { return nil }
      return .function(
        .init("list.\(name)") { _, _ in throw JinjaError(.failed, "list.\(name) would change a list; nothing can here") })
    default: return nil
    }
  }
}
