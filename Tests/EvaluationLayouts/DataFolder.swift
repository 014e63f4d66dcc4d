import Foundation
import Imaging
import TestSupport

/// A data folder that a test makes: miniatures of the benchmarks' files, with real pictures and videos.
package struct DataFolder {
  package let scratch: Scratch
  package var url: URL { scratch.url }

  package init() throws { scratch = try Scratch() }

  package func write(_ text: String, _ path: String) throws {
    let place = url.appending(path: path)
    try FileManager.default.createDirectory(at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: place)
  }

  package func read(_ path: String) throws -> String { try String(contentsOf: url.appending(path: path), encoding: .utf8) }

  package func remove(_ path: String) throws { try FileManager.default.removeItem(at: url.appending(path: path)) }

  package func write(json: Any, _ path: String) throws { try write(Self.json(json), path) }

  package func write(lines: [[String: Any]], _ path: String) throws {
    try write(lines.map { try Self.json($0) + "\n" }.joined(), path)
  }

  package static func json(_ value: Any) throws -> String {
    String(
      decoding: try JSONSerialization.data(withJSONObject: value, options: [.sortedKeys, .withoutEscapingSlashes]), as: UTF8.self)
  }

  /// A picture of its own; a PNG whatever its name, since content tells.
  package static func picture(_ seed: Int) throws -> Data {
    var random = SplitMix(seed: UInt64(seed))
    let pixels = (0..<6 * 4 * 3).map { _ in UInt8.random(in: 0...255, using: &random) }
    return try RGBImage(width: 6, height: 4, pixels: pixels).pngData()
  }

  package func picture(_ path: String, _ seed: Int) throws {
    let place = url.appending(path: path)
    try FileManager.default.createDirectory(at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Self.picture(seed).write(to: place)
  }
}
