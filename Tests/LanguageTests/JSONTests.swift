import Foundation
import TestSupport
import Testing

@testable import Language

@Suite struct JSONTests {
  /// The value as Foundation's reader would give it.
  private func foundation(_ value: JSONValue) -> Any {
    switch value {
    case .null: NSNull()
    case .bool(let bool): bool
    case .integer(let integer): integer
    case .number(let number): number
    case .string(let bytes): String(decoding: bytes, as: UTF8.self)
    case .array(let elements): elements.map(foundation)
    case .object(let members):
      Dictionary(members.map { (String(decoding: $0.name, as: UTF8.self), foundation($0.value)) }) { $1 }
    }
  }

  private func agrees(_ text: String) throws -> Bool {
    let ours = foundation(try JSONReader.parse(Array(text.utf8)))
    let theirs = try JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed)
    return NSArray(array: [ours]).isEqual(NSArray(array: [theirs]))
  }

  @Test func agreesWithFoundation() throws {
    let texts = [
      "[]", "{}", " [ 1 , -2, 3.5e2 , 0.25] ", #"{"a":{"b":[true,false,null]},"":0}"#, #""\u00e9\ud83d\ude00\n\t\\\"\/\b\f\r""#,
      #"["é","😀"]"#, "9007199254740993", "-0.5",
    ]
    for text in texts { #expect(try agrees(text), "\(text)") }
    for name in Fixtures.bytePairNames {
      let file = Fixtures.bytePair(name).appending(path: "tokenizer_config.json")
      #expect(try agrees(String(contentsOf: file, encoding: .utf8)), "\(name)")
    }
  }

  @Test func refusesWhatIsNotJSON() throws {
    let texts = [
      "", "{", "[1", "[1,", #"{"a""#, #"{"a":"#, #"{a:1}"#, "\"abc", #""\x""#, #""\u12"#, #""\u12g4""#, #""\ud800""#, "tru",
      "nul", "1 2", "[1 2]", "\"\u{1}\"", "-", "1e", "+-1", "}", String(repeating: "[", count: 100_000),
    ]
    for text in texts {
      #expect(throws: JSONReader.Failure.self, "\(text.prefix(20))") { try JSONReader.parse(Array(text.utf8)) }
    }
    #expect(throws: JSONReader.Failure.self) { try JSONReader.parse([0x22, 0xFF, 0x22]) }
  }

  @Test func everyPrefixOfADocumentIsRefused() throws {
    let bytes = try readFile(Fixtures.bytePair("qwen2").appending(path: "tokenizer_config.json"))
    let end = try #require(bytes.lastIndex(of: UInt8(ascii: "}")))
    for count in 0...end {
      #expect(throws: JSONReader.Failure.self) { try JSONReader.parse(Array(bytes.prefix(count))) }
    }
  }

  /// One value at a time gives what the whole document holds, and the byte at which each value begins.
  @Test func visitingGivesTheSameValues() throws {
    let texts = [
      "[]", " [ 1 ,\n [2, {}] , \"x\"]", #"{"a": 1, "list": [true, {"b": [3]}, "é"], "z": {"k": 2, "list": [9]}}"#, "{}", "3",
      #"{"list": {"p": 1, "q": [2]}}"#, #"{"list": 7}"#,
    ]
    for text in texts {
      let bytes = Array(text.utf8)
      let whole = try JSONReader.parse(bytes)
      for key in [nil, "list"] {
        var container: JSONValue? = whole
        if key != nil {
          guard case .object(let members) = whole else { continue }
          container = members.last { $0.name == Array("list".utf8) }?.value
        }
        var (names, values): ([String?], [JSONValue]) = ([], [])
        let found = try JSONReader.visit(bytes, under: key) { name, value, offset in
          names.append(name)
          values.append(value)
          // What stands there reads as this value once what follows it is cut off.
          #expect((offset + 1...bytes.count).contains { (try? JSONReader.parse(Array(bytes[offset..<$0]))) == value })
        }
        switch container {
        case .array(let elements)?: #expect(found && values == elements && names.allSatisfy { $0 == nil }, "\(text)")
        case .object(let members)?:
          #expect(found && values == members.map(\.value), "\(text)")
          #expect(names == members.map { String(decoding: $0.name, as: UTF8.self) })
        default: #expect(!found && values.isEmpty, "\(text)")
        }
      }
      for count in bytes.indices where !text.hasPrefix("3") {
        #expect(throws: JSONReader.Failure.self) { try JSONReader.visit(Array(bytes[..<count])) { _, _, _ in } }
      }
    }
  }
}
