import Basics
import Foundation
import Language

/// One record of LLaVA's instruction format: pictures, videos or sound, and a conversation about them.
///
/// ```json
/// {"id": "000000033471", "image": "coco/train2017/000000033471.jpg",
///  "conversations": [{"from": "human", "value": "<image>\nWhat is it?"}, {"from": "gpt", "value": "A bus."}]}
/// ```
///
/// Or of OpenAI's `messages`, whose content is text or a list of parts (`InstructionRecord+Messages.swift`).
public struct InstructionRecord: Sendable, Equatable {
  /// The record's name; numbers are taken for text.
  public var id: String?
  /// Paths of its pictures, videos and sounds as written, in the order of their tags.
  ///
  /// There are none, one (`image`, `video` or `audio` is a string) or several (a list). Of a medium that lies in the record it is a data URI, of
  /// one in the record's shard the member's name.
  public var images: [String]
  /// What each of them is; as many as there are paths.
  public var media: [Medium]
  /// The conversation, not yet checked for order; the tag of videos and sounds is `<image>` too.
  public var turns: [Turn]

  /// A record.
  public init(id: String? = nil, images: [String] = [], media: [Medium]? = nil, turns: [Turn]) {
    self.id = id
    self.images = images
    self.media = media ?? images.map { _ in .image }
    self.turns = turns
  }

  /// Paths of its pictures alone.
  public var pictures: [String] { zip(images, media).compactMap { $1 == .image ? $0 : nil } }

  /// The sampler's length of a sample: words between whitespace, summed over all turns, as LLaVA counts them.
  public var words: Int { turns.reduce(0) { $0 + $1.text.wordCount } }

  /// - Parameter beside: what lies beside a record that names no media itself.
  init(_ value: JSONValue, beside: [(medium: Medium, path: String)] = []) throws(RecordProblem) {
    let id = Self.id(value)
    var pictures = try Self.paths(value, "image", or: "images")[...]
    var videos = try Self.paths(value, "video", or: "videos")[...]
    var sounds = try Self.paths(value, "audio", or: "audios")[...]
    var turns: [Turn] = []
    if value["conversations"] == nil, let messages = value["messages"] {
      turns = try Self.turns(ofMessages: messages, &pictures, &videos, &sounds)
    } else {
      turns = try Self.turns(ofConversations: value)
    }
    if pictures.isEmpty, videos.isEmpty, sounds.isEmpty {
      (pictures, videos, sounds) = (beside.paths(.image), beside.paths(.video), beside.paths(.audio))
    }
    try self.init(id: id, pictures, videos, sounds, turns)
  }

  /// A caption: its question has nothing but the tags of what it is about.
  init(caption: String, of beside: [(medium: Medium, path: String)], id: String) throws(RecordProblem) {
    if beside.isEmpty { throw RecordProblem(.malformed, "its caption has no picture beside it") }
    let caption = caption.trimmingCharacters(in: .whitespacesAndNewlines)
    if caption.isEmpty { throw RecordProblem(.malformed, "its caption is empty") }
    let tags = beside.map { $0.medium == .video ? videoTag : $0.medium == .audio ? audioTag : imageTag }
    try self.init(
      id: id, beside.paths(.image), beside.paths(.video), beside.paths(.audio),
      [Turn(.user, tags.joined(separator: "\n")), Turn(.assistant, caption)])
  }

  /// A record of media that are listed by kind, and turns with their tags.
  private init(
    id: String?, _ pictures: ArraySlice<String>, _ videos: ArraySlice<String>, _ sounds: ArraySlice<String>, _ turns: [Turn]
  ) throws(RecordProblem) {
    if !videos.isEmpty, !sounds.isEmpty {
      throw RecordProblem(.malformed, "it has both video and audio, which no model takes together")
    }
    self.id = id
    var (pictures, videos, sounds) = (pictures, videos, sounds)
    let tags = MediaTags(turns.map(\.text), images: pictures.count, videos: videos.count, audio: sounds.count)
    self.turns = zip(turns, tags.texts).map { Turn($0.role, $1) }
    media = tags.media
    images = tags.media.compactMap { medium in
      switch medium {
      case .image: pictures.popFirst()
      case .video: videos.popFirst()
      case .audio: sounds.popFirst()
      }
    }
  }

  private static func turns(ofConversations value: JSONValue) throws(RecordProblem) -> [Turn] {
    guard let conversations = value["conversations"] else {
      throw RecordProblem(.malformed, "it has no field conversations, nor messages")
    }
    guard case .array(let elements) = conversations else {
      throw RecordProblem(.malformed, "conversations is \(conversations.kind) where a list belongs")
    }
    var turns: [Turn] = []
    for (index, element) in elements.enumerated() {
      let place = "conversations[\(index)]"
      let name = try element.text("from", in: place)
      // Its error names a role alone; the one below says where it stands and what belongs there.
      guard let role = try? Turn.Role(named: name) else {
        throw RecordProblem(.roles, "\(place).from is \"\(name.prefix(40))\"; use human or gpt")
      }
      turns.append(Turn(role, try element.text("value", in: place)))
    }
    return turns
  }

  /// The name of a record, whatever else is wrong with it.
  static func id(_ value: JSONValue) -> String? {
    switch value["id"] {
    case .string(let bytes): String(decoding: bytes, as: UTF8.self)
    case .integer(let number): String(number)
    default: nil
    }
  }

  private static func paths(_ value: JSONValue, _ usual: String, or other: String) throws(RecordProblem) -> [String] {
    let name = value[usual] == nil ? other : usual
    let elements: [JSONValue]
    switch value[name] {
    case nil: return []
    case .string(let bytes): elements = [.string(bytes)]
    case .array(let list): elements = list
    case let object? where object.isObject: elements = [object]
    case let other?: throw RecordProblem(.malformed, "\(name) is \(other.kind) where a path or a list of paths belongs")
    }
    var paths: [String] = []
    for element in elements { paths.append(try InlineMedium.path(element, name)) }
    return paths
  }
}

extension JSONValue {
  fileprivate var isObject: Bool { if case .object = self { true } else { false } }

  /// A member of an object; nil where it is absent or null.
  subscript(name: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    guard let found = members.last(where: { $0.name.elementsEqual(name.utf8) })?.value, found != .null else { return nil }
    return found
  }

  func text(_ name: String, in place: String) throws(RecordProblem) -> String {
    guard let value = self[name] else { throw RecordProblem(.malformed, "\(place) has no field \(name)") }
    guard case .string(let bytes) = value else {
      throw RecordProblem(.malformed, "\(place).\(name) is \(value.kind) where text belongs")
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

extension [(medium: Medium, path: String)] {
  fileprivate func paths(_ medium: Medium) -> ArraySlice<String> { filter { $0.medium == medium }.map(\.path)[...] }
}

extension String {
  /// Words between whitespace, as Python's `split` finds them.
  fileprivate var wordCount: Int {
    var count = 0
    var isInWord = false
    for scalar in unicodeScalars {
      let isSpace = scalar.isPythonWhitespace
      if !isSpace, !isInWord { count += 1 }
      isInWord = !isSpace
    }
    return count
  }
}
