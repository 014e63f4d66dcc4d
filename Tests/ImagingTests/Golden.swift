import Foundation
import TestSupport
import Testing

@testable import Imaging

/// Where test data lie.
enum Folder {
  private static let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()

  /// Pictures made for these tests, by `make.py`.
  static let resources = tests.appendingPathComponent("Resources")
}

/// A safetensors file of golden arrays.
///
/// Parsed here so that the tests of pixels need no tensor library.
struct Golden {
  struct Entry {
    let shape: [Int]
    let data: Data
  }

  let entries: [String: Entry]

  init(_ url: URL) throws {
    let file = try Data(contentsOf: url)
    let headerCount = file.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
    let start = 8 + headerCount
    let header = try JSONSerialization.jsonObject(with: file[8..<start]) as? [String: [String: Any]] ?? [:]
    entries = try header.filter { $0.key != "__metadata__" }.mapValues { fields in
      let offsets = try #require(fields["data_offsets"] as? [Int])
      return Entry(
        shape: try #require(fields["shape"] as? [Int]), data: Data(file[(start + offsets[0])..<(start + offsets[1])]))
    }
  }

  func bytes(_ key: String) throws -> [UInt8] { [UInt8](try #require(entries[key], "\(key)").data) }

  func floats(_ key: String) throws -> [Float] {
    try #require(entries[key], "\(key)").data.withUnsafeBytes { raw in
      (0..<(raw.count / 4)).map { raw.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
    }
  }

  /// A [height, width, 3] array as a picture.
  func image(_ key: String) throws -> RGBImage {
    let entry = try #require(entries[key], "\(key)")
    return try RGBImage(width: entry.shape[1], height: entry.shape[0], pixels: [UInt8](entry.data))
  }
}

/// The largest difference between samples, or nothing where the sizes differ.
func difference(_ a: RGBImage, _ b: RGBImage) -> Int? {
  a.width == b.width && a.height == b.height ? difference(a.pixels, b.pixels) : nil
}

func difference(_ a: [UInt8], _ b: [UInt8]) -> Int? {
  a.count == b.count ? zip(a, b).map { abs(Int($0) - Int($1)) }.max() ?? 0 : nil
}

extension RGBImage {
  /// The samples as [3, height, width].
  var planes: [UInt8] {
    (0..<3).flatMap { channel in stride(from: channel, to: pixels.count, by: 3).map { pixels[$0] } }
  }
}

func noise(width: Int, height: Int, seed: UInt64) throws -> RGBImage {
  var random = SplitMix(seed: seed)
  return try RGBImage(
    width: width, height: height, pixels: (0..<(3 * width * height)).map { _ in UInt8.random(in: 0...255, using: &random) })
}
