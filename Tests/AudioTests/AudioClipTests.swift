import Foundation
import MadeVideos
import TestSupport
import Testing

@testable import Audio

/// Sound of files.
@Suite struct AudioClipTests {
  /// A WAV of 16-bit samples, channels interleaved.
  static func wav(_ samples: [Int16], channels: Int = 1, rate: Int) -> Data {
    func little(_ value: Int, _ bytes: Int) -> [UInt8] { (0..<bytes).map { UInt8(value >> (8 * $0) & 0xff) } }
    let size = 2 * samples.count
    let head =
      Array("RIFF".utf8) + little(36 + size, 4) + Array("WAVEfmt ".utf8) + little(16, 4) + little(1, 2) + little(channels, 2)
      + little(rate, 4) + little(2 * channels * rate, 4) + little(2 * channels, 2) + little(16, 2) + Array("data".utf8)
      + little(size, 4)
    return Data(head + samples.flatMap { little(Int(UInt16(bitPattern: $0)), 2) })
  }

  private func read(_ data: Data, rate: Int = 16_000, seconds: Double = 30) throws -> AudioClip {
    let scratch = try Scratch()
    let url = scratch.url.appending(path: "a.wav")
    try data.write(to: url)
    return try AudioClip(contentsOf: url, rate: rate, seconds: seconds)
  }

  @Test func samplesAreThoseOfTheFile() throws {
    let samples = (0..<5000).map { Int16(truncatingIfNeeded: $0 * 7919) }
    let clip = try read(Self.wav(samples, rate: 16_000))
    #expect(clip.rate == 16_000 && clip.samples == samples.map { Float($0) / 32_768 })
    #expect(try read(Self.wav(samples, rate: 16_000), seconds: 0.1).samples == Array(clip.samples.prefix(1600)))
  }

  /// Two channels are mixed, and another rate is brought to the wanted one: a tone stays that tone.
  @Test(arguments: [8000, 44_100, 48_000]) func otherRatesAndChannels(_ rate: Int) throws {
    func tone(_ place: Int, of rate: Int) -> Double { 0.5 * sin(2 * Double.pi * 300 * Double(place) / Double(rate)) }
    let samples = (0..<rate).flatMap { place -> [Int16] in
      let value = Int16(32_767 * tone(place, of: rate))
      return [value, value]
    }
    let clip = try read(Self.wav(samples, channels: 2, rate: rate))
    #expect(abs(clip.samples.count - 16_000) < 40 && abs(clip.seconds - 1) < 0.01)
    // Filters need some room at both ends.
    let differences = (200..<15_800).map { abs(Double(clip.samples[$0]) - tone($0, of: 16_000)) }
    #expect(differences.max() ?? 1 < 0.01)
  }

  @Test func whatIsNoSoundIsRefused() throws {
    let scratch = try Scratch()
    func refusal(_ name: String, _ data: Data?) throws -> String {
      let url = scratch.url.appending(path: name)
      if let data { try data.write(to: url) }
      do { _ = try AudioClip(contentsOf: url, rate: 16_000, seconds: 30) } catch { return "\(error)" }
      return ""
    }
    let whole = Self.wav((0..<5000).map { Int16(truncatingIfNeeded: $0 * 31) }, rate: 16_000)
    let film = scratch.url.appending(path: "film.mp4")
    try MadeVideo(frames: 4, fps: 4).write(to: film)
    for (name, data, words) in [
      ("none.wav", nil, "No such file"), ("empty.wav", Data(), "no sound"), ("text.wav", Data("hello".utf8), "not sound"),
      ("cut.wav", whole.prefix(3000), "truncated or damaged"), ("silent.wav", Self.wav([], rate: 16_000), "silent.wav"),
      ("rate.wav", Self.wav([1, 2, 3], rate: 0), "rate.wav"), ("film.mp4", nil, "it has no sound"),
    ] as [(String, Data?, String)] {
      let found = try refusal(name, data)
      #expect(found.contains(name) && found.contains(words) && !found.contains("\n"), "\(name): \(found)")
    }
    #expect(throws: AudioError.self) { _ = try AudioClip(contentsOf: film, rate: 0, seconds: 1) }
  }
}
