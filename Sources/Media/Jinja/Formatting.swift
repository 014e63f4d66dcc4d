/// Python's ways to fill values into text, without widths and precisions.
enum Formatting {
  /// `"%s" % values`.
  static func percent(_ format: String, _ values: Value) throws -> String {
    var given: ArraySlice<Value> = if case .tuple(let values) = values { values[...] } else { [values] }
    var result = String.UnicodeScalarView()
    var scalars = format.unicodeScalars.makeIterator()
    while let scalar = scalars.next() {
      guard scalar == "%" else {
        result.append(scalar)
        continue
      }
      let kind = scalars.next()
      if kind == "%" {
        result.append("%")
        continue
      }
      guard let kind, ["s", "r", "d", "i"].contains(kind) else {
        throw JinjaError(.unsupported, "the format %\(kind.map { String($0) } ?? "")")
      }
      guard let value = given.popFirst() else { throw JinjaError(.failed, "a format needs more values than it is given") }
      switch (kind, value.number) {
      case ("s", _): result.append(contentsOf: value.text.unicodeScalars)
      case ("r", _): result.append(contentsOf: value.literal.unicodeScalars)
      case (_, .int(let number)?): result.append(contentsOf: "\(number)".unicodeScalars)
      case (_, .float(let number)?) where abs(number) < 1e15: result.append(contentsOf: "\(Int(number))".unicodeScalars)
      default: throw JinjaError(.failed, "%\(kind) needs a number, not a value of type \(value.type)")
      }
    }
    // Python counts what a tuple holds, and takes a list or a dict for something that the format may pick from.
    let isPicked: Bool =
      switch values {
      case .list, .dict, .range: true;
      default: false
      }
    if !given.isEmpty, !isPicked { throw JinjaError(.failed, "a format is given more values than it needs") }
    return String(result)
  }

  /// `"{} {0} {name}".format(values)`.
  static func braces(_ format: String, _ arguments: Arguments, _ machine: Machine) throws -> String {
    var result = ""
    var automatic = 0
    var rest = Array(format.unicodeScalars)[...]
    while let scalar = rest.popFirst() {
      guard scalar == "{" || scalar == "}" else {
        result.unicodeScalars.append(scalar)
        continue
      }
      if rest.first == scalar {
        rest.removeFirst()
        result.unicodeScalars.append(scalar)
        continue
      }
      guard scalar == "{", let end = rest.firstIndex(of: "}") else { throw JinjaError(.failed, "a brace in a format is alone") }
      let field = String(String.UnicodeScalarView(rest[..<end]))
      rest = rest[(end + 1)...]
      let value: Value?
      if field.isEmpty {
        value = automatic < arguments.positional.count ? arguments.positional[automatic] : nil
        automatic += 1
      } else if let index = Int(field) {
        value = arguments.positional.indices.contains(index) ? arguments.positional[index] : nil
      } else if field.unicodeScalars.allSatisfy({ CharacterKind.isLetter($0) || $0 == "_" || $0.properties.numericType != nil }) {
        value = arguments.named.last { $0.name == field }?.value
      } else {
        throw JinjaError(.unsupported, "the format {\(field)}")
      }
      guard let value else { throw JinjaError(.failed, "a format has no value for {\(field)}") }
      result += try machine.text(value)
    }
    return result
  }
}
