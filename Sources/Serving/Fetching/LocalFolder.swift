import Foundation

/// A folder whose pictures and videos may be asked for by `file:` address, and nothing outside of it.
public struct LocalFolder: Sendable {
  /// The folder's real path, without links.
  private let path: String

  /// A folder.
  ///
  /// - Throws: `FetchError` where it is none.
  public init(_ folder: URL) throws(FetchError) {
    guard let real = realpath(folder.path, nil) else { throw .unsupported("\(folder.path) cannot be opened") }
    defer { free(real) }
    var status = stat()
    guard stat(real, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { throw .unsupported("\(folder.path) is no folder") }
    path = String(cString: real)
  }

  /// The bytes of a file.
  ///
  /// Every folder on the way is opened from the one before, and links are not followed, so nothing that is changed meanwhile leads out.
  ///
  /// - Throws: `FetchError`.
  func bytes(_ address: String, _ kind: FetchedKind) throws(FetchError) -> [UInt8] {
    let names = try names(address)
    var folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    let absent = FetchError.unsupported("there is no such \(kind.noun) in the folder that the server allows")
    if folder < 0 { throw absent }
    defer { close(folder) }
    for name in names.dropLast() {
      let next = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
      if next < 0 { throw absent }
      close(folder)
      folder = next
    }
    guard let name = names.last else { throw absent }
    // A pipe would make the call wait without O_NONBLOCK.
    let file = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
    if file < 0 { throw absent }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw .unsupported("the address names something that is no regular file")
    }
    if status.st_size > kind.limit { throw kind.tooLarge(.refused) }
    var bytes: [UInt8] = []
    var room = [UInt8](repeating: 0, count: 1 << 16)
    while bytes.count <= kind.limit {
      let count = read(file, &room, room.count)
      if count == 0 { return bytes }
      if count > 0 { bytes += room[..<count] } else if errno != EINTR { throw absent }
    }
    throw kind.tooLarge(.refused)
  }

  /// The names on the way from the folder to the file.
  private func names(_ address: String) throws(FetchError) -> [String] {
    guard address.hasPrefix("file:///"), !address.contains("%"), !address.contains("\\"), !address.contains("?"),
      !address.contains("#"),
      address.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F })
    else { throw .unsupported("the address is not file:/// and a plain path; percent signs are not understood") }
    let full = String(address.dropFirst("file://".count))
    let base = path == "/" ? "/" : path + "/"
    guard full.utf8.starts(with: base.utf8) else {
      throw .unsupported("the address lies outside of the folder that the server allows")
    }
    let names = full.dropFirst(base.count).split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    guard !names.isEmpty, names.allSatisfy({ !$0.isEmpty && $0 != "." && $0 != ".." }) else {
      throw .unsupported("the address has empty names, \".\" or \"..\" in its path")
    }
    return names
  }
}
