import Foundation

/// A file of a repository, as the hub lists it.
public struct ListedFile: Codable, Equatable, Sendable {
  /// Bytes.
  public let size: Int
  /// The git hash of the file, or of the pointer that stands for it.
  public let blobID: String
  /// SHA-256 of the bytes, where they lie outside of git.
  public let sha256: String?
  /// Bytes outside of git; the same as `size`.
  let lfsSize: Int?
  /// Name in the hub's newer storage; kept for other programs.
  let xetHash: String?

  private enum CodingKeys: String, CodingKey {
    case size, blobID = "blob_id", sha256 = "lfs_sha256", lfsSize = "lfs_size", xetHash = "xet_hash"
  }

  /// Sizes that files have; sums of them do not overflow.
  package static let sizes = 0...(1 << 42)

  /// A file; `sha256` where it lies outside of git.
  public init(size: Int, blobID: String, sha256: String? = nil, xetHash: String? = nil) {
    (self.size, self.blobID, self.sha256, self.xetHash) = (size, blobID, sha256, xetHash)
    lfsSize = sha256 == nil ? nil : size
  }
}

/// All files of one commit by their paths; it never changes, so it is kept beside the snapshots as `trees/<commit>.json`.
public struct RepositoryListing: Codable, Equatable, Sendable {
  /// The files.
  public let files: [String: ListedFile]
  private let version: Int

  private enum CodingKeys: String, CodingKey {
    case files, version = "format_version"
  }

  /// The version that `huggingface_hub` writes and that is understood.
  private static let knownVersion = 1

  /// A listing.
  ///
  /// - Throws: `HubError` with `.hostileName` for a path that leads out of the folder, about `subject`.
  public init(_ files: [String: ListedFile], of subject: String) throws(HubError) {
    if let name = files.keys.sorted().first(where: { !Self.isInside($0) }) { throw HubError(subject, .hostileName(name)) }
    (self.files, version) = (files, Self.knownVersion)
  }

  /// Reads a listing that another program may have written; nil for one that is not understood, which is fetched again then.
  init?(_ data: Data, of subject: String) {
    guard let found = try? JSONDecoder().decode(Self.self, from: data), found.version == Self.knownVersion,
      found.files.values.allSatisfy({ ListedFile.sizes.contains($0.size) }), let checked = try? Self(found.files, of: subject)
    else { return nil }
    self = checked
  }

  /// Whether a path stays inside of the folder that it is put into, whatever the system.
  static func isInside(_ path: String) -> Bool {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    return path.utf8.count <= 1024 && !path.contains("\\")
      && path.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
      && parts.allSatisfy { part in
        // "C:x" is a path of its own on other systems, which share the cache.
        !part.isEmpty && part != "." && part != ".." && part.utf8.count <= 255 && part.dropFirst().first != ":"
      }
  }
}
