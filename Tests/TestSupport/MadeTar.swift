import Foundation

/// A tar file that a test writes block by block, so that any of them can be wrong.
public struct MadeTar {
  /// How a name is written that has no room in a header.
  public enum LongNames: CaseIterable, Sendable { case gnu, pax }

  /// What has been written.
  public private(set) var bytes: [UInt8] = []

  /// An empty one.
  public init() {}

  /// One of files.
  public init(_ members: [(name: String, content: [UInt8])], _ long: LongNames = .gnu) {
    for member in members { add(member.name, member.content, long) }
  }

  /// Adds a file.
  public mutating func add(_ name: String, _ content: [UInt8], _ long: LongNames = .gnu) {
    if name.utf8.count > 100 {
      switch long {
      case .gnu: add(header: "././@LongLink", type: "L", Array(name.utf8) + [0])
      case .pax: add(header: "long", type: "x", Self.record("path", name))
      }
    }
    add(header: name, content)
  }

  /// Adds a header and what follows it.
  ///
  /// - Parameters:
  ///   - size: what the header says in place of the number of bytes: up to 12 bytes, as they are.
  ///   - checksum: added to the right one.
  public mutating func add(
    header name: String, type: Character = "0", _ content: [UInt8] = [], size: [UInt8]? = nil, link: String = "",
    checksum: Int = 0
  ) {
    var header = [UInt8](repeating: 0, count: 512)
    func put(_ bytes: some Collection<UInt8>, at place: Int, most: Int) {
      for (offset, byte) in bytes.prefix(most).enumerated() { header[place + offset] = byte }
    }
    func octal(_ number: Int, digits: Int) -> [UInt8] {
      let text = String(number, radix: 8)
      return Array((String(repeating: "0", count: max(0, digits - text.count)) + text).utf8)
    }
    put(name.utf8, at: 0, most: 100)
    for (place, width) in [(100, 7), (108, 7), (116, 7), (136, 11)] { put(octal(0, digits: width), at: place, most: width) }
    put(size ?? octal(content.count, digits: 11), at: 124, most: 12)
    put(String(type).utf8, at: 156, most: 1)
    put(link.utf8, at: 157, most: 100)
    put("ustar\u{0}00".utf8, at: 257, most: 8)
    put([UInt8](repeating: 0x20, count: 8), at: 148, most: 8)
    put(octal(header.reduce(checksum) { $0 + Int($1) }, digits: 6) + [0, 0x20], at: 148, most: 8)
    bytes += header + content
    bytes += [UInt8](repeating: 0, count: (512 - content.count % 512) % 512)
  }

  /// A field of a pax header, with its own length in front.
  public static func record(_ key: String, _ value: String) -> [UInt8] {
    let rest = " \(key)=\(value)\n"
    var count = rest.utf8.count + 1
    while "\(count)".count + rest.utf8.count != count { count += 1 }
    return Array("\(count)\(rest)".utf8)
  }

  /// The file with the two blocks of zeros at its end.
  public var data: Data { Data(bytes + [UInt8](repeating: 0, count: 1024)) }
}
