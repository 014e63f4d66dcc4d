import Basics
import CTar
import Foundation

/// A tar file whose members are read where they lie, by libarchive.
///
/// Nothing of it is ever written anywhere: names are names, and no paths. USTAR, GNU's and pax headers are understood.
struct TarFile: Sendable {
  /// What a member is.
  enum Kind: UInt32, Sendable { case file, folder, symbolicLink, hardLink, sparse, other }

  /// A member as its headers say.
  struct Member: Sendable, Equatable {
    var name: String
    /// Where its first header begins, and the bytes of its content, which are no more than the file has.
    var place, size: Int
    var kind: Kind

    /// Why its content is not read; nil where it is.
    var fault: String? {
      switch kind {
      case .file: nil
      case .symbolicLink, .hardLink:
        "it is a link, which is not followed; make the shard with tar --dereference --hard-dereference"
      case .sparse: "it is a sparse file, which is not read; make the shard without tar's --sparse"
      case .folder, .other: "it is no file"
      }
    }
  }

  /// Path of the file.
  let path: String
  /// Its bytes.
  let size: Int
  private let url: URL

  /// - Throws: `DatasetError` where it cannot be read, or is compressed.
  init(_ url: URL) throws {
    (self.url, path) = (url, url.relativePath)
    let file = try DataFile(url)
    size = file.size
    let start = try file.bytes(at: 0, count: min(6, size))
    if let found = Compressor.all.first(where: { start.starts(with: $0.magic) }) { throw found.refusal(of: path) }
  }

  /// Opens it, for one thread and a short time: a data set may have more shards than a process may hold open.
  ///
  /// - Throws: `DatasetError.changed` where it has another size than before.
  func opened() throws -> DataFile {
    let file = try DataFile(url)
    if file.size != size { throw DatasetError.changed(file: path) }
    return file
  }

  /// Goes through all members in the file's order, folders included.
  ///
  /// - Throws: `DatasetError.notShard` where it is damaged or cut short; what `body` throws.
  func scan(_ file: DataFile, _ body: (Member) throws -> Void) throws {
    var last: Member?
    do {
      let reader = try Reader(self, file, from: 0)
      while let member = try reader.next() {
        try body(member)
        last = member
      }
    } catch let problem as Reader.Problem {
      let place = last.map { ", behind its member \($0.name.prefix(100)) at byte \($0.place)" } ?? ""
      throw DatasetError.notShard(file: path, reason: "\(problem.reason)\(place); fetch it or make it again")
    }
    let tail = min(1024, size)
    if try file.bytes(at: size - tail, count: tail).contains(where: { $0 != 0 }) || tail < 1024 {
      throw DatasetError.notShard(
        file: path, reason: "it is cut short, as the blocks of zeros at its end are missing; fetch it or make it again")
    }
  }

  /// The member whose first header begins at a place.
  ///
  /// - Throws: `DatasetError.changed` where there is none any more.
  func member(at place: Int, in file: DataFile) throws -> Member { try read(at: place, in: file) { member, _ in member } }

  /// The content of a member.
  ///
  /// - Throws: `DatasetError.changed` where it is not there any more.
  func content(of member: Member, in file: DataFile) throws -> [UInt8] {
    try read(at: member.place, in: file) { found, reader in
      if found != member { throw DatasetError.changed(file: path) }
      return try reader.content(of: found)
    }
  }

  private func read<Value>(at place: Int, in file: DataFile, _ body: (Member, Reader) throws -> Value) throws -> Value {
    do {
      let reader = try Reader(self, file, from: place)
      guard let member = try reader.next(), member.place == place else { throw DatasetError.changed(file: path) }
      return try body(member, reader)
    } catch is Reader.Problem {
      throw DatasetError.changed(file: path)
    }
  }
}

extension TarFile {
  /// libarchive at work, for one thread.
  private final class Reader {
    struct Problem: Error { let reason: String }

    private let handle: OpaquePointer
    private let end: Int
    /// Open as long as it is read.
    private let file: DataFile

    init(_ tar: TarFile, _ file: DataFile, from place: Int) throws {
      guard let handle = ctar_open(file.descriptor, Int64(place), Int64(tar.size)) else {
        throw Problem(reason: tar.size == 0 ? "it is empty" : "it is no tar file")
      }
      (self.handle, self.file, end) = (handle, file, tar.size)
    }

    deinit { ctar_close(handle) }

    /// Nil behind the last member.
    func next() throws -> Member? {
      var found = ctar_member()
      switch ctar_next(handle, &found) {
      case 0: return nil
      case 1: break
      default: throw Problem(reason: String(cString: ctar_message(handle)))
      }
      let (name, place) = (String(cString: found.name), Int(found.place))
      let member = Member(
        name: name, place: place, size: max(0, Int(found.size)), kind: Kind(rawValue: UInt32(found.kind.rawValue)) ?? .other)
      if member.kind == .file, member.size > end - place {
        throw Problem(reason: "it is cut short, or damaged: its member \(name.prefix(100)) says that it has \(member.size) bytes")
      }
      return member
    }

    /// The content of the member that was gone to last.
    func content(of member: Member) throws -> [UInt8] {
      try [UInt8](unsafeUninitializedCapacity: member.size) { room, initialized in
        guard let start = room.baseAddress, member.size > 0 else { return }
        if ctar_read(handle, start, member.size) != 0 { throw Problem(reason: String(cString: ctar_message(handle))) }
        initialized = member.size
      }
    }
  }
}

extension TarFile {
  /// A way to compress a whole file, behind which nothing can be found without reading all before it.
  struct Compressor: Sendable {
    let name: String
    let magic: [UInt8]
    /// What such files are called behind `.tar`, and short.
    let ending, short: String
    /// Undoes it.
    let command: String

    static let all = [
      Compressor(name: "gzip", magic: [0x1F, 0x8B], ending: "gz", short: "tgz", command: "gunzip"),
      Compressor(name: "bzip2", magic: Array("BZh".utf8), ending: "bz2", short: "tbz2", command: "bunzip2"),
      Compressor(name: "xz", magic: [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00], ending: "xz", short: "txz", command: "unxz"),
      Compressor(name: "Zstandard", magic: [0x28, 0xB5, 0x2F, 0xFD], ending: "zst", short: "tzst", command: "unzstd"),
    ]

    func refusal(of path: String) -> DatasetError {
      .notShard(
        file: path,
        reason: "it is compressed with \(name), so its members cannot be read one by one; undo that with \(command)")
    }
  }
}
