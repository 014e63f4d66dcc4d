import Testing

@testable import Language

@Suite struct StopStringsTests {
  /// Cuts the whole text at the stop string that ends first, the longest of several ending there.
  private func cut(_ text: String, _ stops: [String]) -> (text: String, stopped: Bool) {
    let bytes = Array(text.utf8)
    for end in 0...bytes.count {
      let ending = stops.map { Array($0.utf8) }.filter { !$0.isEmpty && bytes[..<end].suffix($0.count) == $0[...] }
      if let longest = ending.map(\.count).max() {
        return (String(decoding: bytes[..<(end - longest)], as: UTF8.self), true)
      }
    }
    return (text, false)
  }

  @Test func anyDivisionGivesTheSameText() {
    var random = SeededGenerator(state: 3)
    let alphabet = ["a", "b", "c", "é", "e\u{301}", "😀", "\n"]
    func word(_ count: Int) -> String {
      (0..<count).map { _ in alphabet.randomElement(using: &random) ?? "" }.joined()
    }
    for _ in 0..<1500 {
      let stops = (0..<Int.random(in: 0..<4, using: &random)).map { _ in word(.random(in: 0..<4, using: &random)) }
      let pieces = (0..<Int.random(in: 0..<8, using: &random)).map { _ in word(.random(in: 0..<4, using: &random)) }
      let expected = cut(pieces.joined(), stops)
      var watcher = StopStrings(stops)
      var text = ""
      var stopped = false
      for piece in pieces {
        let output = watcher.append(piece)
        text += output.text
        stopped = output.stopped
        #expect(stopped == watcher.hasStopped)
        #expect(expected.text.utf8.starts(with: text.utf8))
      }
      text += watcher.finish()
      #expect(same(text, expected.text) && stopped == expected.stopped, "\(pieces) \(stops)")
    }
  }

  @Test func holdsBackOnlyWhatCouldBecomeAStop() {
    var watcher = StopStrings(["</s>", "###"])
    #expect(watcher.append("one <") == .init(text: "one ", stopped: false))
    #expect(watcher.append("b> ##") == .init(text: "<b> ", stopped: false))
    #expect(watcher.append(" </") == .init(text: "## ", stopped: false))
    #expect(watcher.append("s> more") == .init(text: "", stopped: true))
    #expect(watcher.append("more") == .init(text: "", stopped: true))
    #expect(watcher.finish() == "")
    var none = StopStrings([])
    #expect(none.append("text") == .init(text: "text", stopped: false))
  }
}
