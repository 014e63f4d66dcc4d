import Foundation
import TestSupport
import Testing
import Torch

@testable import Imaging

/// The golden pictures: what the original LLaVA makes of each file, step by step.
@Suite struct FixtureTests {
  private static let folder = Fixtures.url("images")

  private struct Index: Decodable {
    struct File: Decodable {}
    struct Tensor: Decodable {}
    let files: [String: File]
    let tensors: [String: [String: Tensor]]
  }

  private let index: Index
  private let files: [Golden]
  private let golden: [(key: String, file: Golden)]
  private let configured: ImagePreprocessor

  init() throws {
    let index = try JSONDecoder().decode(Index.self, from: Data(contentsOf: Self.folder.appendingPathComponent("index.json")))
    let tensors = try index.tensors.map { name, keys in
      (keys: keys.keys.sorted(), file: try Golden(Self.folder.appendingPathComponent(name)))
    }
    files = tensors.map(\.file)
    golden = tensors.flatMap { keys, file in keys.map { ($0, file) } }
    self.index = index
    configured = try ImagePreprocessor(
      contentsOf: Self.folder.appendingPathComponent("preprocessor_config.json"), aspect: .pad)
  }

  /// Keys `section/…/file` with their parts after the section.
  private func cases(_ section: String) -> [(key: String, parts: [String], golden: Golden)] {
    golden.compactMap { key, file in
      let parts = key.split(separator: "/").map(String.init)
      return parts.first == section ? (key, Array(parts.dropFirst()), file) : nil
    }
  }

  /// The decoded picture as the reference saw it, so that later steps are tested apart from decoding.
  private func decoded(_ name: String) throws -> RGBImage {
    let key = "decoded_rgb_u8/\(name)"
    if let file = files.first(where: { $0.entries[key] != nil }) { return try file.image(key) }
    return try RGBImage(contentsOf: Self.folder.appendingPathComponent(name))
  }

  private func preprocessor(size: String, aspect: String) throws -> ImagePreprocessor {
    ImagePreprocessor(
      imageSize: try #require(Int(size)), aspect: aspect == "pad" ? .pad : .square, mean: configured.mean, std: configured.std)
  }

  @Test func decodedPicturesEqualTheReference() throws {
    #expect(!cases("decoded_rgb_u8").isEmpty)
    for (key, parts, golden) in cases("decoded_rgb_u8") {
      let image = try RGBImage(contentsOf: Self.folder.appendingPathComponent(parts[0]))
      let worst = difference(image, try golden.image(key))
      #expect(worst == 0, "\(key): off by \(worst.map(String.init) ?? "size")")
    }
  }

  @Test func everyFileDecodes() throws {
    for name in try Fixtures.some(index.files.keys) {
      #expect(throws: Never.self) { try RGBImage(contentsOf: Self.folder.appendingPathComponent(name)) }
    }
  }

  @Test func paddedPicturesEqualTheReference() throws {
    #expect(!cases("padded_u8").isEmpty)
    for (key, parts, golden) in cases("padded_u8") {
      let padded = try decoded(parts[0]).paddedToSquare(with: configured.padColor)
      #expect(try padded == golden.image(key), "\(key)")
    }
  }

  @Test func resizedPicturesEqualTheReference() throws {
    #expect(!cases("resized_u8").isEmpty)
    for (key, parts, golden) in cases("resized_u8") {
      let resized = try preprocessor(size: parts[0], aspect: parts[1]).resizedPixels(decoded(parts[2]))
      let worst = difference(resized.planes, try golden.bytes(key))
      #expect(worst == 0, "\(key): off by \(worst.map(String.init) ?? "size")")
    }
  }

  @Test func normalizedPicturesEqualTheReference() throws {
    #expect(!cases("pixel_values").isEmpty)
    for (key, parts, golden) in cases("pixel_values") {
      let values = try preprocessor(size: parts[0], aspect: parts[1])(decoded(parts[2]))
      #expect(values.shape == golden.entries[key]?.shape, "\(key)")
      let worst = try zip(values.array(Float.self), golden.floats(key)).map { abs($0 - $1) }.max() ?? .infinity
      #expect(worst <= 1e-6, "\(key): off by \(worst)")
    }
  }

  @Test func configurationIsRead() throws {
    #expect(configured.imageSize > 0)
    #expect(configured.aspect == .pad)
    #expect(abs(configured.rescaleFactor - 1.0 / 255) < 1e-12)
  }
}
