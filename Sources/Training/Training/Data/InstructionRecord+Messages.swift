import Language

/// Records with OpenAI's `messages` in place of `conversations`, as trainers of many kinds write them.
///
/// ```json
/// {"messages": [{"role": "user", "content": [{"type": "image", "image": "cat.jpg"}, {"type": "text", "text": "What is it?"}]},
///               {"role": "assistant", "content": "A cat."}]}
/// ```
///
/// Content is text, with tags for media that `images` and its kin list, or a list of parts: `text`; `image`, `video` and `audio` with a path, or
/// without where the medium is listed; and `image_url`, `video_url` and `audio_url`, whose `url` is a path or a data URI.
extension InstructionRecord {
  /// The conversation; media of parts are added to those that the record lists.
  static func turns(
    ofMessages messages: JSONValue, _ pictures: inout ArraySlice<String>, _ videos: inout ArraySlice<String>,
    _ sounds: inout ArraySlice<String>
  ) throws(RecordProblem) -> [Turn] {
    guard case .array(let elements) = messages else {
      throw RecordProblem(.malformed, "messages is \(messages.kind) where a list belongs")
    }
    var turns: [Turn] = []
    for (index, element) in elements.enumerated() {
      let place = "messages[\(index)]"
      let name = try element.text("role", in: place)
      // Its error names a role alone; the one below says where it stands and what belongs there.
      guard let role = try? Turn.Role(named: name) else {
        let hint = name == "system" ? "the system prompt is the template's, so leave it out" : "use user or assistant"
        throw RecordProblem(.roles, "\(place).role is \"\(name.prefix(40))\"; \(hint)")
      }
      guard case .array(let parts)? = element["content"] else {
        turns.append(Turn(role, try element.text("content", in: place)))
        continue
      }
      var text = ""
      for (number, part) in parts.enumerated() {
        let medium = try self.part(part, in: "\(place).content[\(number)]", &text)
        switch medium {
        case (.image, let path)?: pictures.append(path)
        case (.video, let path)?: videos.append(path)
        case (.audio, let path)?: sounds.append(path)
        case nil: break
        }
      }
      turns.append(Turn(role, text))
    }
    return turns
  }

  /// Adds a part's words, or its tag, to a turn; what it shows and where that is, nil for words and what is listed elsewhere.
  private static func part(
    _ part: JSONValue, in place: String, _ text: inout String
  ) throws(RecordProblem) -> (Medium, path: String)? {
    let type = try part.text("type", in: place)
    let media: [String: (medium: Medium, tag: String)] = [
      "image": (.image, imageTag), "video": (.video, videoTag), "audio": (.audio, audioTag),
    ]
    if type == "text" {
      text += try part.text("text", in: place)
      return nil
    }
    let isURL = type.hasSuffix("_url")
    guard let (medium, tag) = media[isURL ? String(type.dropLast(4)) : type] else {
      throw RecordProblem(.malformed, "\(place).type is \"\(type.prefix(40))\"; use text, image, video, audio or image_url")
    }
    // A tag stands on a line of its own, as LLaVA's data have it.
    text += "\(tag)\n"
    let name = "\(place).\(type)"
    guard let value = part[type] else {
      if isURL { throw RecordProblem(.malformed, "\(place) has no field \(type)") }
      return nil
    }
    guard isURL, case .object = value else { return (medium, try InlineMedium.path(value, name)) }
    _ = try value.text("url", in: name)
    return (medium, try InlineMedium.path(value["url"] ?? .null, name))
  }
}
