import Foundation
import Imaging
import TestSupport
import Testing
import Torch

@testable import Audio

/// Spectrograms against those of transformers' `WhisperFeatureExtractor` (5.23), of clips that both sides compute by one formula
/// (`Resources/make_mel.py`).
@Suite struct MelSpectrogramTests {
  private static func clip(_ count: Int, loudness: Double = 1) -> AudioClip {
    AudioClip(
      samples: (0..<count).map { index in
        let i = Double(index)
        let tone = 0.5 * sin(2 * Double.pi * 440 * i / 16_000 * (1 + i / 16_000))
        return Float(Double(Float(tone + 0.1 * (Double(index * 7919 % 1000) / 1000 - 0.5))) * loudness)
      }, rate: 16_000)
  }

  @Test(arguments: [("short", 16, 5921, 38), ("cut", 128, 17_600, 100), ("quiet", 40, 900, 6)])
  func bandsAreThoseOfTheFeatureExtractor(_ name: String, _ bands: Int, _ samples: Int, _ valid: Int) throws {
    let url = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Resources/mel.safetensors")
    let expected = try SafetensorsFile(url).tensor(name)
    let found = try MelSpectrogram(bands: bands, seconds: 1)(Self.clip(samples, loudness: name == "quiet" ? 1e-3 : 1))
    #expect(found.views.shape == [1, 1, bands, 100] && found.shape.width == valid && found.shape.height == bands)
    let difference = try (found.views.reshaped([bands, 100]) - expected).abs().max().item()
    #expect(difference < 1e-4, "\(difference)")
  }

  @Test func whatMakesNoSenseIsRefused() throws {
    let mel = MelSpectrogram(bands: 16, seconds: 1)
    #expect(throws: AudioError.self) { _ = try mel(Self.clip(300)) }
    #expect(throws: AudioError.self) { _ = try mel(AudioClip(samples: Self.clip(3000).samples, rate: 8000)) }
    #expect(throws: AudioError.self) { _ = try mel(AudioClip(samples: [Float](repeating: .nan, count: 3000), rate: 16_000)) }
    for wrong in [
      MelSpectrogram(bands: 0), MelSpectrogram(rate: 10), MelSpectrogram(hop: 500), MelSpectrogram(windowLength: 1),
      MelSpectrogram(seconds: 0),
    ] { #expect(throws: AudioError.self) { _ = try wrong(Self.clip(3000)) } }
  }
}
