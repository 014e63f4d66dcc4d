import Basics
import Foundation

/// Tar files in WebDataset's layout: members with the same stem make one sample, wherever in their shard they lie.
///
/// Opening goes through the headers of all shards once and reads the texts; it keeps 16 bytes for each member that is used and 16 for each
/// sample. Samples are then read by random access, and no shard stays open.
struct TarShards: RecordSource {
  private struct Part {
    var place: UInt64
    /// No more than can be told; the header says it exactly.
    var size: UInt32
  }

  private struct Entry {
    var first: UInt32, shard: UInt32
    var parts: UInt16
    /// Negative where the sample has no image.
    var words: Int32
  }

  let path: String
  let fingerprint: UInt64
  var count: Int { entries.count }

  private let shards: [TarFile]
  private let entries: [Entry]
  private let parts: [Part]
  /// Where paths begin that name no member; nil where there are none such.
  private let imageFolder: URL?

  /// - Parameters:
  ///   - path: what errors call all shards together.
  ///   - images: the folder of media that are not in the shards; nil for none.
  ///   - limit: takes the first so many samples alone.
  ///   - progress: is called with the share of the shards that has been read.
  /// - Throws: `DatasetError` where a shard cannot be read, is damaged or cut short, or no shard has a sample.
  init(_ urls: [URL], path: String, images: URL?, limit: Int?, progress: (Double) -> Void) throws {
    if let images { try RecordFile.requireFolder(images) }
    (self.path, imageFolder) = (path, images)
    var (shards, entries, parts) = ([TarFile](), [Entry](), [Part]())
    var hash = StableHash()
    for (number, url) in urls.enumerated() {
      let tar = try TarFile(url)
      let file = try tar.opened()
      for sample in try Self.samples(of: tar, file, progress: { progress((Double(number) + $0) / Double(urls.count)) }) {
        // A sample that cannot be used has a place in the order all the same, as one word of text; it is skipped there.
        var words = -1
        do {
          let record = try sample.record { try tar.content(of: $0, in: file) }
          words = max(1, record.words) * (record.images.isEmpty ? -1 : 1)
        } catch is RecordProblem {}
        entries.append(
          Entry(
            first: UInt32(clamping: parts.count), shard: UInt32(clamping: number), parts: UInt16(clamping: sample.parts.count),
            words: Int32(clamping: words)))
        for part in sample.parts {
          parts.append(Part(place: UInt64(part.member.place), size: UInt32(clamping: part.member.size)))
          for fact in [part.member.place, part.member.size] { hash.add(fact) }
        }
        hash.add(words)
        if parts.count > UInt32.max {
          throw DatasetError.notShard(file: path, reason: "they have more than \(UInt32.max) members")
        }
      }
      shards.append(tar)
      progress(Double(number + 1) / Double(urls.count))
    }
    if entries.isEmpty {
      throw DatasetError.notShard(
        file: path, reason: "there is no sample in it; its members have to be 0001.jpg with 0001.json or 0001.txt, and so on")
    }
    self.entries = limit.map { Array(entries.prefix($0)) } ?? entries
    (self.shards, self.parts, fingerprint) = (shards, parts, hash.value)
  }

  /// All samples of a shard, by their first members.
  private static func samples(of tar: TarFile, _ file: DataFile, progress: (Double) -> Void) throws -> [ShardSample] {
    var order: [String: Int] = [:]
    var found: [[ShardSample.Part]] = []
    var members = 0
    try tar.scan(file) { member in
      members += 1
      if members % 1024 == 0 { progress(Double(member.place) / Double(tar.size)) }
      guard member.kind != .folder, let name = ShardMemberName(member.name) else { return }
      let place = order[name.stem] ?? found.count
      if place == found.count {
        order[name.stem] = place
        found.append([])
      }
      // One more than a sample may have tells that there are too many.
      if found[place].count <= ShardSample.mostParts { found[place].append(ShardSample.Part(name: name, member: member)) }
    }
    return found.compactMap { parts in parts.first.map { ShardSample(stem: $0.name.stem, parts: parts) } }
  }

  func length(at record: Int) -> Int { Int(entries[record].words) }

  func record(at record: Int, index: Int) throws -> InstructionRecord {
    let (tar, file) = try opened(record)
    let sample = try sample(record, tar, file)
    do {
      return try sample.record { try tar.content(of: $0, in: file) }
    } catch let problem as RecordProblem {
      throw problem.fault(index: index, id: sample.stem)
    }
  }

  func place(of path: String, at record: Int) throws -> MediumPlace {
    let (tar, file) = try opened(record)
    if let member = try sample(record, tar, file).parts.first(where: { $0.member.name == path })?.member {
      if let fault = member.fault { return .absent(reason: fault) }
      return .inside(InsideMedium(count: member.size) { try tar.content(of: member, in: tar.opened()) })
    }
    if let imageFolder {
      return .file(path.hasPrefix("/") ? URL(fileURLWithPath: path) : imageFolder.appendingPathComponent(path))
    }
    return .absent(reason: "no member of \(tar.path) with the stem of its record has this name")
  }

  private func opened(_ record: Int) throws -> (TarFile, DataFile) {
    let tar = shards[Int(entries[record].shard)]
    return (tar, try tar.opened())
  }

  /// A sample's members, by their headers.
  private func sample(_ record: Int, _ tar: TarFile, _ file: DataFile) throws -> ShardSample {
    let entry = entries[record]
    let found = try parts[Int(entry.first)..<Int(entry.first) + Int(entry.parts)].map { part in
      let member = try tar.member(at: Int(part.place), in: file)
      guard UInt32(clamping: member.size) == part.size, let name = ShardMemberName(member.name) else {
        throw DatasetError.changed(file: tar.path)
      }
      return ShardSample.Part(name: name, member: member)
    }
    guard let stem = found.first?.name.stem else { throw DatasetError.changed(file: tar.path) }
    return ShardSample(stem: stem, parts: found)
  }
}
