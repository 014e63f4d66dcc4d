import Basics
import Foundation
import Testing

/// Hashes that files hold for good.
@Suite struct StableHashTests {
  /// Published values of FNV-1a.
  @Test func bytesAreHashedAsFNVSays() {
    for (text, expected) in [
      ("", 0xcbf2_9ce4_8422_2325), ("a", 0xaf63_dc4c_8601_ec8c), ("foobar", 0x8594_4171_f739_67e8),
    ] as [(String, UInt64)] {
      #expect(StableHash(text.utf8).value == expected)
      var pieces = StableHash()
      for byte in text.utf8 { pieces.add([byte]) }
      #expect(pieces.value == expected)
    }
  }

  /// Worked out by a Python program from the definitions.
  @Test func numbersAndBlocksStayWhatTheyAre() throws {
    var numbers = StableHash()
    for number in [-1, 7] { numbers.add(number) }
    #expect(numbers.value == 0x1b1d_031b_489b_537a)
    for (count, expected) in [
      (0, 0xaf63_bd49_fd1c_5dbb), (1, 0x22cd_3ab8_014a_edc3), (7, 0x0af5_7065_2711_a734), (8, 0x9d98_2f69_3f35_521d),
      (9, 0xfeeb_83d1_90c2_c976), (16, 0x59b5_debb_ab53_4c25), (23, 0x5ea1_fac5_2a20_340b),
    ] as [(UInt8, UInt64)] {
      var hash = StableHash()
      hash.addBlock(Data((0..<count).map { $0 + 1 }))
      #expect(hash.value == expected, "\(count) bytes")
    }
    var json = StableHash()
    try json.addBlock(json: Example())
    #expect(json.value == 0x4bcc_2944_556a_dd11)
    var text = StableHash()
    text.addBlock(#"{"a":[1,2.5],"b":"x/y"}"#)
    #expect(text.value == json.value)
  }

  private struct Example: Encodable {
    var b = "x/y"
    var a = [1, 2.5]
  }

  @Test func textHasAllItsDigits() {
    var hash = StableHash()
    hash.addBlock(Data(1...7))
    #expect(hash.text == "0af570652711a734")
  }

  @Test func blocksDoNotRunIntoEachOther() {
    func hash(_ texts: [String]) -> UInt64 {
      var hash = StableHash()
      for text in texts { hash.addBlock(text) }
      return hash.value
    }
    #expect(Set([["ab", "c"], ["a", "bc"], ["abc"], ["abc", ""], ["", "abc"]].map(hash)).count == 5)
  }
}
