extension Filters {
  /// Filters of lists and dicts.
  static let sequences: [String: Filter] = [
    "length": { machine, value, _ in .int(try machine.length(of: value)) },
    "count": { machine, value, _ in .int(try machine.length(of: value)) },
    "list": { machine, value, _ in try machine.list(try machine.elements(of: value)) },
    "first": { machine, value, _ in
      if case .iterator(let iterator) = value { return iterator.next() ?? .undefined("the first item") }
      return try machine.elements(of: value).first ?? .undefined("the first item")
    },
    "last": { machine, value, _ in
      if case .iterator = value { throw machine.failure("\"last\" is not for what a filter gives; make a list of it") }
      return try machine.elements(of: value).last ?? .undefined("the last item")
    },
    "reverse": { machine, value, _ in
      if case .string(let text) = value {
        return try machine.string(String(String.UnicodeScalarView(text.unicodeScalars.reversed())))
      }
      return .iterator(.init(try machine.elements(of: value).reversed()))
    },
    "items": { machine, value, _ in
      switch value {
      case .undefined: return .iterator(.init([]))
      case .dict(let dict):
        try machine.charge(dict.count * 64)
        return .iterator(.init(dict.pairs.map { .tuple([$0, $1]) }))
      default: throw machine.failure("\"items\" is for dicts, not for values of type \(value.type)")
      }
    },
    "join": { machine, value, arguments in
      let given = try arguments.bound(to: "d", "attribute", of: "the filter \"join\"")
      let separator = try given[0].map { try machine.text($0) } ?? ""
      var values = try machine.elements(of: value)
      if let path = given[1], !path.equals(.none) { values = try values.map { try machine.follow(path, from: $0) } }
      let parts = try values.map { try machine.text($0) }
      try machine.charge(parts.reduce(0) { $0 + $1.utf8.count + separator.utf8.count })
      return .string(parts.joined(separator: separator))
    },
    "map": { machine, value, arguments in
      // What is false has no elements here, even a number.
      let values = value.isTrue ? try machine.elements(of: value) : []
      if let path = arguments.named.first(where: { $0.name == "attribute" })?.value, arguments.positional.isEmpty {
        let given = try arguments.bound(to: "attribute", "default", of: "the filter \"map\"")
        return .iterator(
          .init(
            try values.map { value in
              let found = try machine.follow(path, from: value)
              return found.isUndefined ? given[1] ?? found : found
            }))
      }
      guard let name = arguments.positional.first else { throw machine.failure("\"map\" is given no filter") }
      let (filter, rest) = (try name.string("the name of a filter"), arguments.dropping(1))
      return .iterator(.init(try values.map { try machine.apply(filter, to: $0, rest) }))
    },
    "select": { machine, value, arguments in try machine.chosen(value, arguments, wanted: true, byAttribute: false) },
    "reject": { machine, value, arguments in try machine.chosen(value, arguments, wanted: false, byAttribute: false) },
    "selectattr": { machine, value, arguments in try machine.chosen(value, arguments, wanted: true, byAttribute: true) },
    "rejectattr": { machine, value, arguments in try machine.chosen(value, arguments, wanted: false, byAttribute: true) },
    "sort": { machine, value, arguments in
      let given = try arguments.bound(to: "reverse", "case_sensitive", "attribute", of: "the filter \"sort\"")
      let key = try machine.key(given[2], isCaseSensitive: given[1], allowsSeveral: true)
      return try machine.list(try machine.sorted(try machine.elements(of: value), isReversed: given[0]?.isTrue ?? false, by: key))
    },
    "dictsort": { machine, value, arguments in
      let given = try arguments.bound(to: "case_sensitive", "by", "reverse", of: "the filter \"dictsort\"")
      guard case .dict(let dict) = value else {
        throw machine.failure("\"dictsort\" is for dicts, not for values of type \(value.type)")
      }
      let by = try given[1]?.string("what \"dictsort\" sorts by") ?? "key"
      guard by == "key" || by == "value" else { throw machine.failure("\"dictsort\" sorts by key or value, not by \(by)") }
      let key = try machine.key(nil, isCaseSensitive: given[0], allowsSeveral: false)
      let pairs = try machine.sorted(Array(dict.pairs), isReversed: given[2]?.isTrue ?? false) {
        try key(by == "key" ? $0.0 : $0.1)
      }
      return try machine.list(pairs.map { .tuple([$0.0, $0.1]) })
    },
    "unique": { machine, value, arguments in
      let given = try arguments.bound(to: "case_sensitive", "attribute", of: "the filter \"unique\"")
      let key = try machine.key(given[1], isCaseSensitive: given[0], allowsSeveral: false)
      var (seen, kept): ([Value], [Value]) = ([], [])
      for element in try machine.elements(of: value) {
        let found = try key(element)
        if try seen.contains(where: {
          try machine.step(); return try machine.equal($0, found)
        }) {
          continue
        }
        seen.append(found)
        kept.append(element)
      }
      return .iterator(.init(kept))
    },
    "min": { machine, value, arguments in try machine.extreme(value, arguments, "min") { try machine.isLess($0, $1) } },
    "max": { machine, value, arguments in try machine.extreme(value, arguments, "max") { try machine.isLess($1, $0) } },
    "sum": { machine, value, arguments in
      let given = try arguments.bound(to: "attribute", "start", of: "the filter \"sum\"")
      return try machine.elements(of: value).reduce(given[1] ?? .int(0)) { total, element in
        let path = given[0].flatMap { $0.equals(.none) ? nil : $0 }
        return try machine.calculate(.add, total, try path.map { try machine.follow($0, from: element) } ?? element)
      }
    },
    "batch": { machine, value, arguments in
      let given = try arguments.bound(to: "linecount", "fill_with", required: 1, of: "the filter \"batch\"")
      let size = try given[0]?.integer("the size for \"batch\"") ?? 1
      let values = try machine.elements(of: value)
      guard (1...1 << 20).contains(size) else { throw JinjaError(.unsupported, "the filter \"batch\" with \(size)") }
      var rows = stride(from: 0, to: values.count, by: size).map { Array(values[$0..<min($0 + size, values.count)]) }
      if let filling = given[1], !filling.equals(.none), let last = rows.indices.last {
        try machine.charge(size * 16)
        rows[last] += Array(repeating: filling, count: size - rows[last].count)
      }
      try machine.charge(values.count * 32)
      return .iterator(.init(rows.map { .list($0) }))
    },
    "slice": { machine, value, arguments in
      let given = try arguments.bound(to: "slices", "fill_with", required: 1, of: "the filter \"slice\"")
      let slices = try given[0]?.integer("the number for \"slice\"") ?? 1
      let values = try machine.elements(of: value)
      guard (1...1 << 16).contains(slices) else { throw JinjaError(.unsupported, "the filter \"slice\" with \(slices)") }
      try machine.charge((values.count + slices) * 32)
      let (each, longer) = (values.count / slices, values.count % slices)
      let rows = (0..<slices).map { index in
        let begin = index * each + min(index, longer)
        var row = Array(values[begin..<begin + each + (index < longer ? 1 : 0)])
        if let filling = given[1], !filling.equals(.none), index >= longer { row.append(filling) }
        return Value.list(row)
      }
      return .iterator(.init(rows))
    },
    "groupby": { machine, value, arguments in
      let given = try arguments.bound(to: "attribute", "default", "case_sensitive", required: 1, of: "the filter \"groupby\"")
      let path = given[0] ?? .none
      func real(_ element: Value) throws -> Value {
        let found = try machine.follow(path, from: element)
        return found.isUndefined ? given[1] ?? found : found
      }
      let isSensitive = given[2]?.isTrue ?? false
      func key(_ element: Value) throws -> Value {
        let found = try real(element)
        if !isSensitive, case .string(let text) = found { return .string(PythonString.lower(text)) }
        return found
      }
      var groups: [(key: Value, values: [Value])] = []
      for element in try machine.sorted(try machine.elements(of: value), isReversed: false, by: key) {
        let found = try key(element)
        if let last = groups.last, try machine.equal(last.key, found) {
          groups[groups.count - 1].values.append(element)
        } else {
          groups.append((found, [element]))
        }
      }
      try machine.charge(groups.count * 128)
      return try machine.list(
        try groups.map { group in .tuple([isSensitive ? group.key : try real(group.values[0]), .list(group.values)]) })
    },
  ]
}

extension Machine {
  /// Python's `len`.
  func length(of value: Value) throws -> Int {
    switch value {
    case .undefined: return 0
    case .string(let text):
      try scan(text)
      return text.unicodeScalars.count
    case .list(let values), .tuple(let values), .view(_, let values): return values.count
    case .dict(let dict): return dict.count
    case .range(let range): return range.count
    case .loop(let loop): return loop.values.count
    default: throw failure("a value of type \(value.type) has no length")
    }
  }

  /// `select` and its kin: elements for which a test, of an attribute or of themselves, has the wanted answer.
  func chosen(_ value: Value, _ arguments: Arguments, wanted: Bool, byAttribute: Bool) throws -> Value {
    var rest = arguments
    var path: Value?
    if byAttribute {
      guard let first = rest.positional.first else { throw failure("a filter by attribute is given no attribute") }
      path = first
      rest = rest.dropping(1)
    }
    let test = try rest.positional.first?.string("the name of a test")
    rest = rest.dropping(1)
    guard value.isTrue else { return .iterator(.init([])) }
    return .iterator(
      .init(
        try elements(of: value).filter { element in
          try step()
          let subject = try path.map { try follow($0, from: element) } ?? element
          let answer = try test.map { try passes(subject, $0, rest) } ?? subject.isTrue
          return answer == wanted
        }))
  }

  /// What elements are sorted and compared by: an attribute or themselves, strings without regard to case unless that is asked for.
  func key(_ path: Value?, isCaseSensitive: Value?, allowsSeveral: Bool) throws -> (Value) throws -> Value {
    let isSensitive = isCaseSensitive?.isTrue ?? false
    func folded(_ value: Value) -> Value {
      if !isSensitive, case .string(let text) = value { return .string(PythonString.lower(text)) }
      return value
    }
    guard let path, !path.equals(.none) else { return folded }
    if allowsSeveral, case .string(let names) = path, names.utf8.contains(UInt8(ascii: ",")) {
      let paths = PythonString.split(names, separator: ",", limit: -1).map { Value.string($0) }
      return { value in .list(try paths.map { folded(try self.follow($0, from: value)) }) }
    }
    return { value in folded(try self.follow(path, from: value)) }
  }

  /// Sorts as Python does: equal elements keep their order, reversed or not.
  func sorted<Element>(
    _ elements: [Element], isReversed: Bool, by key: (Element) throws -> Value
  ) throws -> [Element] {
    try step(elements.count)
    let keyed = try elements.enumerated().map { (index: $0, key: try key($1), element: $1) }
    let sorted = try keyed.sorted { left, right in
      try step()
      let (first, second) = isReversed ? (right, left) : (left, right)
      if try isLess(first.key, second.key) { return true }
      if try isLess(second.key, first.key) { return false }
      return left.index < right.index
    }
    return sorted.map(\.element)
  }

  /// `min` and `max`.
  func extreme(
    _ value: Value, _ arguments: Arguments, _ name: String, _ isBetter: (Value, Value) throws -> Bool
  ) throws -> Value {
    let given = try arguments.bound(to: "case_sensitive", "attribute", of: "the filter \"\(name)\"")
    let key = try key(given[1], isCaseSensitive: given[0], allowsSeveral: false)
    var best: (key: Value, element: Value)?
    for element in try elements(of: value) {
      let found = try key(element)
      if let known = best, try !isBetter(found, known.key) { continue }
      best = (found, element)
    }
    return best?.element ?? .undefined("an element of an empty list")
  }
}
