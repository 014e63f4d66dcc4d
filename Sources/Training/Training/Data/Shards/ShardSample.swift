import Basics
import Language

/// What a member of a shard is for, by its name, as WebDataset reads names: what stands before the first point of the last component names
/// the sample, what follows says what of it the member is.
struct ShardMemberName: Sendable, Equatable {
  enum Role: Sendable, Equatable {
    /// A record of the instruction format, or facts about the sample that are of no use here.
    case record
    /// Words that go with the sample's pictures.
    case caption
    case medium(Medium)
  }

  /// Names the sample, folders included.
  let stem: String
  /// What follows the point, in small letters.
  let ending: String
  let role: Role

  private static let media: [Medium: Set<String>] = [
    .image: ["jpg", "jpeg", "png", "webp", "gif"], .video: ["mp4", "m4v", "mov", "webm", "mkv", "avi", "mpg", "mpeg", "ogv"],
    .audio: ["wav", "mp3", "flac", "ogg", "opus", "m4a"],
  ]

  /// The longest name, which is that of files too.
  private static let longest = 4096

  /// Nil for names without a stem, and members that are for nothing here.
  init?(_ name: String) {
    if name.utf8.count > Self.longest { return nil }
    let start = name.lastIndex(of: "/").map(name.index(after:)) ?? name.startIndex
    guard let point = name[start...].firstIndex(of: "."), point > start else { return nil }
    stem = String(name[..<point])
    ending = name[name.index(after: point)...].lowercased()
    let last = ending.split(separator: ".").last.map(String.init) ?? ""
    switch last {
    case "json": role = .record
    case "txt": role = .caption
    default:
      guard let medium = Self.media.first(where: { $0.value.contains(last) })?.key else { return nil }
      role = .medium(medium)
    }
  }
}

/// The members of a shard that make one sample, in the shard's order.
struct ShardSample {
  struct Part {
    let name: ShardMemberName
    let member: TarFile.Member
  }

  /// More are no sample.
  static let mostParts = 256

  let stem: String
  let parts: [Part]

  /// The record that the members make.
  ///
  /// 1. A `.json` with `conversations` or `messages` is the record. Its paths name members of the sample: by the whole name, by its last component, or
  ///    by what follows the stem. Without paths its media are all the sample has.
  /// 2. Else a `.txt` is a caption: a question of nothing but the tags of the sample's media, and the words as the answer.
  ///
  /// - Parameter content: of a member that is a file.
  /// - Throws: `RecordProblem` for a sample that is none; what `content` throws.
  func record(_ content: (TarFile.Member) throws -> [UInt8]) throws -> InstructionRecord {
    if parts.count > Self.mostParts { throw RecordProblem(.malformed, "it has more than \(Self.mostParts) members") }
    var names: Set<String> = []
    for part in parts where !names.insert(part.member.name).inserted {
      throw RecordProblem(.malformed, "its shard has two members of this name", path: part.member.name)
    }
    func text(_ part: Part) throws -> [UInt8] {
      let member = part.member
      if let fault = member.fault { throw RecordProblem(.malformed, fault, path: member.name) }
      if member.size > RecordScanner.maximumLength {
        throw RecordProblem(
          .malformed, "it has \(member.size) bytes, more than the \(RecordScanner.maximumLength) of the longest record",
          path: member.name)
      }
      return try content(member)
    }
    let media = parts.compactMap { part -> (medium: Medium, path: String)? in
      if case .medium(let medium) = part.name.role { (medium, part.member.name) } else { nil }
    }
    let records = parts.filter { $0.name.role == .record }
    let captions = parts.filter { $0.name.role == .caption }
    let caption = captions.first { $0.name.ending == "txt" } ?? captions.first
    if let part = records.first(where: { $0.name.ending == "json" }) ?? records.first {
      let value = try RecordFile.value(of: text(part))
      if value["conversations"] != nil || value["messages"] != nil || caption == nil {
        var record = try InstructionRecord(value, beside: media)
        record.id = record.id ?? stem
        record.images = record.images.map { path in
          InlineMedium.isInline(path) ? path : self.part(named: path)?.member.name ?? path
        }
        return record
      }
    }
    guard let caption else {
      throw RecordProblem(.malformed, "there is no \(stem).json with its record beside it, and no \(stem).txt with a caption")
    }
    return try InstructionRecord(caption: String(decoding: text(caption), as: UTF8.self), of: media, id: stem)
  }

  /// The member that a record's path names.
  func part(named path: String) -> Part? {
    func last(_ path: String) -> Substring { path[(path.lastIndex(of: "/").map(path.index(after:)) ?? path.startIndex)...] }
    return parts.first { $0.member.name == path } ?? parts.first { last($0.member.name) == last(path) }
      ?? parts.first { $0.name.ending == path.lowercased() }
  }
}
