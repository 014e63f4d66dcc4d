/// Reads a pickle of tensors and plain values without running anything that it names.
///
/// Python's own reader calls whatever function a pickle names, which is why a checkpoint from a stranger can do anything. Here a call
/// is recognised by name or left as an inert value: only tensors, parameters and ordered dictionaries become something.
struct Unpickler {
  /// What a pickle can hold.
  indirect enum Value {
    case none
    case bool(Bool)
    case int(Int)
    case double(Double)
    case string(String)
    /// `depth` says how deep tuples are nested in this one, itself included.
    case tuple([Value], depth: Int)
    case dictionary(Dictionary)
    case global(String)
    case storage(type: String, key: String, count: Int)
    case tensor(StoredTensor)
    /// Lists, which no tensor needs, and what was made by a function that is not known here.
    case opaque
  }

  /// A dictionary, which the pickle can refer to before it is filled.
  final class Dictionary {
    fileprivate(set) var members: [(key: Value, value: Value)] = []
  }

  /// Tuples nested more deeply are refused, so that a hostile file cannot exhaust the stack.
  private static let maximumDepth = 32

  /// A tensor as a pickle describes it: a window on a storage.
  struct StoredTensor {
    /// Class of the storage without its module: `HalfStorage`.
    let type: String
    /// Name of the storage's member in the archive.
    let key: String
    /// Elements of the whole storage.
    let storageCount: Int
    /// First element.
    let offset: Int
    let shape: [Int]
    /// Elements between neighbours of each dimension.
    let strides: [Int]
    /// Elements of the tensor, counting repeated ones.
    let elements: Int
  }

  struct Failure: Error {
    let reason: String
  }

  private let bytes: UnsafeRawBufferPointer
  private var position = 0
  private var stack: [Value] = []
  private var marks: [Int] = []
  private var memo: [Int: Value] = [:]
  /// All dictionaries: a pickle may nest them without end, or put one into itself.
  private var dictionaries: [Dictionary] = []

  /// The tensors by name of a whole pickle (protocols 2 to 5): those of its dictionary, or of a `state_dict` in it.
  static func load(_ bytes: UnsafeRawBufferPointer) throws(Failure) -> [(name: String, tensor: StoredTensor)] {
    var reader = Unpickler(bytes)
    // Emptied while all are held: none takes another with it, however deep, and rings come apart.
    defer { for dictionary in reader.dictionaries { dictionary.members = [] } }
    guard case .dictionary(let top) = try reader.run() else { return [] }
    for case (.string("state_dict"), .dictionary(let inner)) in top.members {
      let found = tensors(inner)
      if !found.isEmpty { return found }
    }
    return tensors(top)
  }

  private static func tensors(_ dictionary: Dictionary) -> [(name: String, tensor: StoredTensor)] {
    dictionary.members.compactMap { key, value in
      guard case .string(let name) = key, case .tensor(let tensor) = value else { return nil }
      return (name, tensor)
    }
  }

  private init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  private mutating func run() throws(Failure) -> Value {
    while true {
      let code = try byte()
      switch code {
      case UInt8(ascii: "."): return try pop()
      case 0x80: _ = try byte()
      case 0x95: _ = try take(8)
      case UInt8(ascii: "("): marks.append(stack.count)
      case UInt8(ascii: "N"): stack.append(.none)
      case 0x88: stack.append(.bool(true))
      case 0x89: stack.append(.bool(false))
      case UInt8(ascii: "K"): stack.append(.int(Int(try byte())))
      case UInt8(ascii: "M"): stack.append(.int(try integer(UInt16.self)))
      case UInt8(ascii: "J"): stack.append(.int(try integer(Int32.self)))
      case 0x8a: stack.append(.int(try long()))
      case UInt8(ascii: "G"): stack.append(.double(Double(bitPattern: try take(8).loadUnaligned(as: UInt64.self).bigEndian)))
      case UInt8(ascii: "X"): stack.append(.string(try text(try integer(UInt32.self))))
      case UInt8(ascii: "T"): stack.append(.string(try text(try integer(Int32.self))))
      case UInt8(ascii: "U"), 0x8c: stack.append(.string(try text(Int(try byte()))))
      case UInt8(ascii: "c"): stack.append(.global(try line() + "." + line()))
      case 0x93: try stackGlobal()
      case UInt8(ascii: "]"): stack.append(.opaque)
      case UInt8(ascii: "}"): stack.append(dictionary())
      case UInt8(ascii: ")"): stack.append(.tuple([], depth: 1))
      case UInt8(ascii: "t"): try pushTuple(try popToMark())
      case 0x85, 0x86, 0x87: try tuple(Int(code) - 0x84)
      case UInt8(ascii: "q"): memo[Int(try byte())] = try top()
      case UInt8(ascii: "r"): memo[try integer(UInt32.self)] = try top()
      case 0x94: memo[memo.count] = try top()
      case UInt8(ascii: "h"): stack.append(try recall(Int(try byte())))
      case UInt8(ascii: "j"): stack.append(try recall(try integer(UInt32.self)))
      case UInt8(ascii: "a"): _ = try pop()
      case UInt8(ascii: "e"): _ = try popToMark()
      case UInt8(ascii: "s"):
        let value = try pop()
        let key = try pop()
        try set([key, value])
      case UInt8(ascii: "u"):
        let members = try popToMark()
        try set(members)
      case UInt8(ascii: "0"): _ = try pop()
      case UInt8(ascii: "1"): _ = try popToMark()
      case UInt8(ascii: "2"): stack.append(try top())
      case UInt8(ascii: "b"): _ = try pop()
      case UInt8(ascii: "Q"): stack.append(try persistent(try pop()))
      case UInt8(ascii: "R"), 0x81:
        let arguments = try pop()
        stack.append(try call(try pop(), arguments))
      default: throw Failure(reason: "its pickle has unknown instruction \(code)")
      }
    }
  }

  private mutating func dictionary() -> Value {
    let made = Dictionary()
    dictionaries.append(made)
    return .dictionary(made)
  }

  /// A storage that the archive holds beside the pickle.
  private func persistent(_ value: Value) throws(Failure) -> Value {
    guard case .tuple(let parts, _) = value, parts.count >= 5, case .string("storage") = parts[0],
      case .global(let type) = parts[1],
      case .string(let key) = parts[2], case .int(let count) = parts[4], count >= 0
    else { throw Failure(reason: "its pickle refers to something that is no tensor storage") }
    return .storage(type: String(type.split(separator: ".").last ?? ""), key: key, count: count)
  }

  private mutating func call(_ function: Value, _ arguments: Value) throws(Failure) -> Value {
    guard case .global(let name) = function, case .tuple(let arguments, _) = arguments else { return .opaque }
    switch name {
    case "collections.OrderedDict": return dictionary()
    case "torch._utils._rebuild_parameter": return arguments.first ?? .opaque
    case "torch._utils._rebuild_tensor_v2":
      guard arguments.count >= 4, case .storage(let type, let key, let count) = arguments[0],
        case .int(let offset) = arguments[1],
        let shape = Self.integers(arguments[2]), let strides = Self.integers(arguments[3]), shape.count == strides.count,
        let elements = elementCount(shape), Self.fits(shape, strides, offset, count)
      else { throw Failure(reason: "its pickle describes an impossible tensor") }
      return .tensor(
        StoredTensor(
          type: type, key: key, storageCount: count, offset: offset, shape: shape, strides: strides, elements: elements))
    default: return .opaque
    }
  }

  private static func integers(_ value: Value) -> [Int]? {
    guard case .tuple(let values, _) = value else { return nil }
    var result: [Int] = []
    for case .int(let number) in values { result.append(number) }
    return result.count == values.count ? result : nil
  }

  /// True where every element of a possible shape lies within the storage.
  private static func fits(_ shape: [Int], _ strides: [Int], _ offset: Int, _ count: Int) -> Bool {
    guard offset >= 0, offset <= count, strides.allSatisfy({ $0 >= 0 }) else { return false }
    if shape.contains(0) { return true }
    var last = offset
    for (size, stride) in zip(shape, strides) {
      let (reach, overflow) = (size - 1).multipliedReportingOverflow(by: stride)
      guard !overflow, reach <= count - last else { return false }
      last += reach
    }
    return last < count
  }
}

extension Unpickler {
  private mutating func take(_ count: Int) throws(Failure) -> UnsafeRawBufferPointer {
    guard count >= 0, count <= bytes.count - position else { throw Failure(reason: "its pickle ends early") }
    defer { position += count }
    return UnsafeRawBufferPointer(rebasing: bytes[position..<position + count])
  }

  private mutating func byte() throws(Failure) -> UInt8 { try take(1)[0] }

  private mutating func integer<T: FixedWidthInteger>(_ type: T.Type) throws(Failure) -> Int {
    Int(truncatingIfNeeded: try take(MemoryLayout<T>.size).loadUnaligned(as: T.self).littleEndian)
  }

  /// A signed integer of up to eight bytes.
  private mutating func long() throws(Failure) -> Int {
    let digits = try take(Int(try byte()))
    guard digits.count <= 8 else { throw Failure(reason: "its pickle holds a number of over 64 bits") }
    var value = (digits.last ?? 0) & 0x80 == 0 ? 0 : -1
    for digit in digits.reversed() { value = value << 8 | Int(digit) }
    return value
  }

  private mutating func text(_ count: Int) throws(Failure) -> String { String(decoding: try take(count), as: UTF8.self) }

  private mutating func line() throws(Failure) -> String {
    guard let end = bytes[position...].firstIndex(of: UInt8(ascii: "\n")) else { throw Failure(reason: "its pickle ends early") }
    defer { position = end + 1 }
    return String(decoding: bytes[position..<end], as: UTF8.self)
  }

  private mutating func pop() throws(Failure) -> Value {
    guard stack.count > (marks.last ?? 0), let value = stack.popLast() else { throw Failure(reason: "its pickle is damaged") }
    return value
  }

  private func top() throws(Failure) -> Value {
    guard let value = stack.last else { throw Failure(reason: "its pickle is damaged") }
    return value
  }

  private func recall(_ key: Int) throws(Failure) -> Value {
    guard let value = memo[key] else { throw Failure(reason: "its pickle is damaged") }
    return value
  }

  private mutating func popToMark() throws(Failure) -> [Value] {
    guard let mark = marks.popLast(), mark <= stack.count else { throw Failure(reason: "its pickle is damaged") }
    defer { stack.removeSubrange(mark...) }
    return Array(stack[mark...])
  }

  private mutating func tuple(_ count: Int) throws(Failure) {
    guard stack.count - (marks.last ?? 0) >= count else { throw Failure(reason: "its pickle is damaged") }
    let values = Array(stack.suffix(count))
    stack.removeLast(count)
    try pushTuple(values)
  }

  private mutating func pushTuple(_ values: [Value]) throws(Failure) {
    var depth = 1
    for case .tuple(_, let inner) in values { depth = max(depth, inner + 1) }
    if depth > Self.maximumDepth { throw Failure(reason: "its pickle is nested too deeply") }
    stack.append(.tuple(values, depth: depth))
  }

  private mutating func stackGlobal() throws(Failure) {
    guard case .string(let name) = try pop(), case .string(let module) = try pop() else {
      throw Failure(reason: "its pickle is damaged")
    }
    stack.append(.global(module + "." + name))
  }

  private func set(_ values: [Value]) throws(Failure) {
    guard values.count % 2 == 0 else { throw Failure(reason: "its pickle is damaged") }
    guard case .dictionary(let dictionary) = try top() else { return }
    for index in stride(from: 0, to: values.count, by: 2) {
      dictionary.members.append((values[index], values[index + 1]))
    }
  }
}
