import Foundation

/// The functions that every template knows.
enum Functions {
  /// Python's sandbox refuses longer ones.
  private static let maximumRange = 100_000

  static var all: [String: Value] {
    var all: [String: Value] = [:]
    func add(_ name: String, _ body: @escaping (Machine, Arguments) throws -> Value) {
      all[name] = .function(.init(name, body))
    }
    add("range") { _, arguments in try range(arguments) }
    add("dict") { machine, arguments in .dict(try dict(arguments, machine)) }
    add("namespace") { machine, arguments in
      let members = try dict(arguments, machine)
      for key in members.keys {
        if case .string(let name) = key { try requireMember(name) }
      }
      for value in members.values { try machine.requireFlat(value, depth: 1) }
      return .namespace(.init(members))
    }
    add("raise_exception") { machine, arguments in
      let message = try arguments.bound(to: "message", required: 1, of: "raise_exception")[0] ?? .none
      throw JinjaError(.raised, try machine.text(message))
    }
    add("strftime_now") { machine, arguments in
      let format = try arguments.bound(to: "format", required: 1, of: "strftime_now")[0] ?? .none
      return .string(try time(machine.now, try format.string("the format of strftime_now")))
    }
    add("joiner") { machine, arguments in
      let separator = try arguments.bound(to: "sep", of: "joiner")[0] ?? .string(", ")
      let used = Value.Namespace(Dict())
      return .function(
        .init("joiner") { _, _ in
          if used.members.count > 0 { return separator }
          used.members = Dict(["used": .bool(true)])
          return .string("")
        })
    }
    for name in ["cycler", "lipsum"] { add(name) { _, _ in throw JinjaError(.unsupported, "the function \"\(name)\"") } }
    return all
  }

  /// Names that begin with an underscore cannot be members of a namespace.
  static func requireMember(_ name: String) throws {
    if name.hasPrefix("_") { throw JinjaError(.failed, "\"\(name)\" begins with an underscore; no member of a namespace may") }
  }

  private static func range(_ arguments: Arguments) throws -> Value {
    guard arguments.named.isEmpty, (1...3).contains(arguments.positional.count) else {
      throw JinjaError(.failed, "range takes 1 to 3 whole numbers")
    }
    let numbers = try arguments.positional.map { try $0.integer("an argument of range") }
    let (start, stop) = numbers.count == 1 ? (0, numbers[0]) : (numbers[0], numbers[1])
    let step = numbers.count == 3 ? numbers[2] : 1
    if step == 0 { throw JinjaError(.failed, "the step of range is 0") }
    if [start, stop, step].contains(where: { abs(Double($0)) > 1e15 }) {
      throw JinjaError(.unsupported, "a range of such numbers")
    }
    let range = Value.Range(start: start, stop: stop, step: step)
    if range.count > maximumRange { throw JinjaError(.failed, "range has \(range.count) numbers; \(maximumRange) are allowed") }
    return .range(range)
  }

  private static func dict(_ arguments: Arguments, _ machine: Machine) throws -> Dict {
    var dict = Dict()
    if arguments.positional.count > 1 { throw JinjaError(.failed, "dict takes one argument without name") }
    func set(_ key: Value, _ value: Value) throws {
      try machine.requireKey(key)
      try machine.step(1 + dict.count)
      dict[key] = value
    }
    if let first = arguments.positional.first {
      if case .dict(let given) = first {
        dict = given
      } else {
        for pair in try machine.elements(of: first) {
          let values = try machine.elements(of: pair)
          if values.count != 2 { throw JinjaError(.failed, "dict needs pairs of key and value") }
          try set(values[0], values[1])
        }
      }
    }
    for (name, value) in arguments.named { try set(.string(name), value) }
    try machine.charge(dict.count * 64)
    return dict
  }

  /// A time as C's `strftime` writes it, in the time zone of this machine.
  private static func time(_ seconds: Double, _ format: String) throws -> String {
    guard format.utf8.count <= 256, !format.utf8.contains(0) else {
      throw JinjaError(.unsupported, "such a format of strftime_now")
    }
    if PythonString.contains("%f", in: format) { throw JinjaError(.unsupported, "%f in strftime_now") }
    if format.isEmpty { return "" }
    var moment = time_t(seconds)
    var parts = tm()
    localtime_r(&moment, &parts)
    var buffer = [CChar](repeating: 0, count: 8192)
    let count = strftime(&buffer, buffer.count, format, &parts)
    return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
