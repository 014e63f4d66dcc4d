/// Commands of a shell, cut into words as far as documents need it: quotes, `$'…'`, comments, lines that go on, and
/// what divides commands or leads their output elsewhere.
enum ShellLine {
  /// The commands in a block of code, those behind a prompt `$` too; a pipe divides two.
  static func commands(in lines: [String]) -> [[String]] { whole(lines).flatMap(words) }

  /// Lines as a shell takes them, without prompts: those that go on are one.
  static func whole(_ lines: [String]) -> [String] {
    var found: [String] = []
    var pending = ""
    for line in lines {
      pending += line.hasPrefix("$ ") ? String(line.dropFirst(2)) : line
      if pending.hasSuffix("\\") {
        pending.removeLast()
        continue
      }
      found.append(pending)
      pending = ""
    }
    return found
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
