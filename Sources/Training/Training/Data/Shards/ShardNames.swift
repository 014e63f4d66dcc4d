import Basics
import Foundation

/// The tar files that the path of a data set names: one, all of a folder, or those of a pattern such as `shard-{0000..0009}.tar`.
///
/// Braces are those of shells and of WebDataset: `{3..12}` counts, with as many digits as the longer end where one begins with 0, `{a,b}` lists,
/// and several of them make all combinations.
enum ShardNames {
  /// Most shards that one pattern may name.
  static let most = 100_000

  /// The shards; nil where the path names a file of another kind.
  ///
  /// - Throws: `DatasetError` for a folder without shards, a pattern that is none, or compressed shards.
  static func shards(of path: String) throws -> [URL]? {
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) {
      if isFolder.boolValue { return try shards(inFolder: path) }
      return try isShard(path, of: path) ? [URL(fileURLWithPath: path)] : nil
    }
    guard path.contains("{") else { return try isShard(path, of: path) ? [URL(fileURLWithPath: path)] : nil }
    let names: [String]
    do {
      names = try expanded(path[...])
    } catch {
      throw DatasetError.setting(name: path, reason: "\(error.reason); write shard-{0000..0009}.tar or shard-{a,b}.tar")
    }
    if try !names.allSatisfy({ try isShard($0, of: path) }) {
      throw DatasetError.setting(name: path, reason: "names files that do not end in .tar; braces are for tar shards alone")
    }
    return names.map { URL(fileURLWithPath: $0) }
  }

  private static func shards(inFolder path: String) throws -> [URL] {
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: path)
    } catch {
      throw DatasetError.unreadable(path: path, reason: systemReason(error))
    }
    let folder = URL(fileURLWithPath: path, isDirectory: true)
    let found = try names.filter { try !$0.hasPrefix(".") && isShard($0, of: folder.appending(path: $0).relativePath) }
    if found.isEmpty { throw DatasetError.unreadable(path: path, reason: "it is a folder, and no .tar file is in it") }
    // By bytes, so that the order is the same on every machine.
    return found.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }.map { folder.appending(path: $0) }
  }

  /// Whether a name is a tar file's.
  ///
  /// - Throws: `DatasetError.notShard` where it is a compressed one's.
  private static func isShard(_ name: String, of path: String) throws -> Bool {
    let lower = name.lowercased()
    let compressor = TarFile.Compressor.all.first { lower.hasSuffix(".tar.\($0.ending)") || lower.hasSuffix(".\($0.short)") }
    if let compressor { throw compressor.refusal(of: path) }
    return lower.hasSuffix(".tar")
  }

  /// Why a pattern is none.
  struct Problem: Error { let reason: String }

  /// All names of a pattern, in its order.
  static func expanded(_ pattern: Substring) throws(Problem) -> [String] {
    guard let open = pattern.firstIndex(of: "{") else {
      if pattern.contains("}") { throw Problem(reason: "has a } without a {") }
      return [String(pattern)]
    }
    let head = pattern[..<open]
    if head.contains("}") { throw Problem(reason: "has a } without a {") }
    let inside = pattern[pattern.index(after: open)...]
    guard let close = inside.firstIndex(of: "}") else { throw Problem(reason: "has a { without a }") }
    let own = try choices(inside[..<close])
    let tails = try expanded(inside[inside.index(after: close)...])
    let (count, overflow) = own.count.multipliedReportingOverflow(by: tails.count)
    if overflow || count > most { throw Problem(reason: "names more than \(most) shards") }
    return own.flatMap { choice in tails.map { String(head) + choice + $0 } }
  }

  private static func choices(_ text: Substring) throws(Problem) -> [String] {
    if text.contains("{") { throw Problem(reason: "has braces within braces") }
    let list = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    if list.count > 1 { return list }
    guard let dots = text.range(of: ".."), let from = number(text[..<dots.lowerBound]), let to = number(text[dots.upperBound...])
    else { throw Problem(reason: "has {\(text.prefix(40))}, which is neither a range nor a list") }
    // Both have at most nine digits.
    if abs(from.value - to.value) >= most { throw Problem(reason: "names more than \(most) shards") }
    let digits = from.isPadded || to.isPadded ? max(from.digits, to.digits) : 0
    return stride(from: from.value, through: to.value, by: from.value <= to.value ? 1 : -1).map { value in
      let text = String(value)
      return String(repeating: "0", count: max(0, digits - text.count)) + text
    }
  }

  private static func number(_ text: Substring) -> (value: Int, digits: Int, isPadded: Bool)? {
    guard (1...9).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let value = Int(text) else {
      return nil
    }
    return (value, text.utf8.count, text.utf8.count > 1 && text.hasPrefix("0"))
  }
}
