/// Commands of a shell, cut into words as far as documents need it: quotes, `$'…'`, comments, lines that go on, and
/// what divides commands or leads their output elsewhere.
enum ShellLine {
  /// The commands in a block of code, those behind a prompt `$` too; a pipe divides two.
  static func commands(in lines: [String]) -> [[String]] {
    var commands: [[String]] = []
    var pending = ""
    for line in lines {
      pending += line.hasPrefix("$ ") ? String(line.dropFirst(2)) : line
      if pending.hasSuffix("\\") {
        pending.removeLast()
        continue
      }
      commands += words(pending)
      pending = ""
    }
    return commands
  }

  private static func words(_ line: String) -> [[String]] {
    var commands: [[String]] = [[]]
    var word: String?
    var quote: Character?
    func end() {
      if let found = word { commands[commands.count - 1].append(found) }
      word = nil
    }
    for character in line {
      if let open = quote {
        if character == open { quote = nil } else { word = (word ?? "") + String(character) }
      } else if character == "'" || character == "\"" {
        quote = character
        word = word == "$" ? "" : word ?? ""
      } else if character == " " {
        end()
      } else if "|&;<>".contains(character) {
        end()
        commands.append([])
      } else if character == "#", word == nil {
        break
      } else {
        word = (word ?? "") + String(character)
      }
    }
    end()
    return commands.filter { !$0.isEmpty }
  }
}
