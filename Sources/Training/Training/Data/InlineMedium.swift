import Foundation
import Language

/// Media that lie in records as text.
///
/// A path may be a data URI (`data:image/png;base64,…`), or the base64 of a JPEG, PNG, GIF or WebP file. In place of a path there may be
/// `{"bytes": …, "path": …}`, as Hugging Face's data sets have pictures: the bytes in base64 or as a list of numbers, or null where the path counts.
/// All of them become data URIs.
enum InlineMedium {
  /// What a data URI begins with that a record does not write as one.
  private static let bare = "data:;base64,"
  /// How the base64 of a picture's file begins: JPEG, PNG, GIF, WebP.
  private static let signatures = ["/9j/", "iVBORw0KGgo", "R0lGOD", "UklGR"]
  /// Shorter text is a path.
  private static let shortest = 64

  /// Whether a path is a medium itself.
  static func isInline(_ path: String) -> Bool { path.hasPrefix("data:") }

  /// What faults call it.
  static func shown(_ path: String) -> String {
    isInline(path) ? path.hasPrefix(bare) ? "the record's bytes" : "a data URI" : path
  }

  /// The bytes of a path that is a medium.
  static func medium(_ path: String) -> InsideMedium {
    InsideMedium(count: path.utf8.count / 4 * 3) {
      guard let comma = path.firstIndex(of: ","), path[..<comma].hasSuffix(";base64"),
        let data = Data(base64Encoded: String(path[path.index(after: comma)...])), !data.isEmpty
      else {
        let reason =
          path.hasPrefix(bare) ? "they are no base64" : "it is no data URI in base64; begin it with data:image/png;base64,"
        throw RecordProblem(.damagedImage, reason, path: shown(path))
      }
      return [UInt8](data)
    }
  }

  /// The path that a record's value is.
  ///
  /// - Parameter name: of the field.
  static func path(_ value: JSONValue, _ name: String) throws(RecordProblem) -> String {
    switch value {
    case .string(let bytes):
      let text = String(decoding: bytes, as: UTF8.self)
      return try isBase64(text) ? bare + text : checked(text, name)
    case .object:
      switch value["bytes"] ?? value["base64"] {
      case .string(let bytes)?:
        let text = String(decoding: bytes, as: UTF8.self)
        return isInline(text) ? text : bare + text
      case .array(let numbers)?:
        var bytes: [UInt8] = []
        bytes.reserveCapacity(numbers.count)
        for number in numbers {
          guard case .integer(let value) = number, let byte = UInt8(exactly: value) else {
            throw RecordProblem(.malformed, "\(name).bytes holds something else than numbers of 0 to 255")
          }
          bytes.append(byte)
        }
        return bare + Data(bytes).base64EncodedString()
      case nil:
        guard case .string(let path)? = value["path"] else {
          throw RecordProblem(.malformed, "\(name) is an object without bytes or path")
        }
        return try checked(String(decoding: path, as: UTF8.self), name)
      case let other?:
        throw RecordProblem(.malformed, "\(name).bytes is \(other.kind) where base64 or a list of numbers belongs")
      }
    case let other: throw RecordProblem(.malformed, "\(name) holds \(other.kind) where a path belongs")
    }
  }

  private static func isBase64(_ text: String) -> Bool {
    guard text.utf8.count >= shortest, signatures.contains(where: text.hasPrefix) else { return false }
    return text.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
        UInt8(ascii: "+"), UInt8(ascii: "/"), UInt8(ascii: "="):
        true
      default: false
      }
    }
  }

  /// A path that can be one.
  private static func checked(_ path: String, _ name: String) throws(RecordProblem) -> String {
    if path.isEmpty || path.utf8.contains(0) {
      throw RecordProblem(
        .malformed, "\(name) holds a path that is empty or has a zero byte; leave the field out for text alone")
    }
    return path
  }
}
