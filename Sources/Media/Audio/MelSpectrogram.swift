import Foundation
import Imaging
import Torch

/// From sound to what Whisper's encoders take: logarithms of energies in bands of the mel scale (`WhisperFeatureExtractor` of transformers).
///
/// 1. The clip is cut or filled with silence to ``seconds``; both ends are mirrored by half a window.
/// 2. Frames of ``windowLength`` samples, one every ``hop``, under a periodic Hann window; energies of their discrete Fourier transform,
///    the last frame left out.
/// 3. Bands: triangles between ``bands`` + 2 points that are even on Slaney's mel scale from 0 to 8000 Hz, each of area 1.
/// 4. x = log10(max(energy, 10⁻¹⁰)), no less than its largest value - 8, then (x + 4) / 4.
public struct MelSpectrogram: Sendable, Hashable, Codable {
  /// Bands of the mel scale.
  public var bands: Int
  /// Samples of a second.
  public var rate: Int
  /// Samples from one frame to the next.
  public var hop: Int
  /// Samples of a frame.
  public var windowLength: Int
  /// Seconds of every spectrogram.
  public var seconds: Int

  /// Whisper's numbers, of version 3 for 128 bands.
  public init(bands: Int = 128, rate: Int = 16_000, hop: Int = 160, windowLength: Int = 400, seconds: Int = 30) {
    (self.bands, self.rate, self.hop, self.windowLength, self.seconds) = (bands, rate, hop, windowLength, seconds)
  }

  /// What is wrong with the numbers, and the name that WhisperFeatureExtractor has for it; nil for nothing.
  public var fault: (field: String, reason: String)? {
    func wrong(_ field: String, _ value: Int, _ allowed: ClosedRange<Int>) -> (String, String)? {
      allowed.contains(value) ? nil : (field, "\(value) is not in \(allowed.lowerBound)...\(allowed.upperBound)")
    }
    return wrong("feature_size", bands, 1...1024) ?? wrong("sampling_rate", rate, 1000...192_000)
      ?? wrong("n_fft", windowLength, 2...8192) ?? wrong("hop_length", hop, 1...windowLength)
      ?? wrong("chunk_length", seconds, 1...600)
  }

  /// Frames of every spectrogram.
  public var frames: Int { seconds * rate / hop }

  /// Frames that have sound, of a clip of so many samples.
  public func frames(of samples: Int) -> Int { (min(samples, seconds * rate) + hop - 1) / hop }

  /// The spectrogram of a clip as an encoder takes it: one view of one channel, [1, 1, bands, frames]; its width is that of the frames that
  /// have sound.
  ///
  /// - Parameter name: what errors call the clip.
  /// - Throws: ``AudioError`` for another rate, or too short a clip; `TorchError`.
  public func callAsFunction(_ clip: AudioClip, name: String = "the sound") throws -> PicturePixels {
    if let fault { throw AudioError.setting(reason: "\(fault.field) \(fault.reason)") }
    if clip.rate != rate { throw AudioError.setting(reason: "\(name) has \(clip.rate) samples a second, expected \(rate)") }
    let valid = frames(of: clip.samples.count)
    // An encoder makes one token of four frames.
    if valid < 4 { throw AudioError.tooShort(name: name, seconds: clip.seconds) }
    guard clip.samples.allSatisfy(\.isFinite) else { throw AudioError.damaged(file: name, reason: "a sample is no number") }
    let energies = try energies(clip.samples)
    let floor = try energies.max() - 8
    let rest = try Tensor.full([bands, frames - energies.size(1)], -10, .float64)
    let all = try (concatenate([energies, rest], 1) - floor).clamped(0) + floor
    return try PicturePixels(
      views: ((all + 4) * 0.25).to(.float32).reshaped([1, 1, bands, frames]), height: bands, width: valid)
  }

  /// Logarithms of the energies of the frames that have sound, [bands, frames] float64.
  private func energies(_ samples: [Float]) throws -> Tensor {
    let (half, total) = (windowLength / 2, seconds * rate)
    let given = min(samples.count, total)
    // Later frames see nothing but silence.
    let count = min(frames, (given + half + hop - 1) / hop + 1)
    let length = (count - 1) * hop + windowLength
    var padded = [Float](repeating: 0, count: length)
    for index in 0..<length {
      // Mirrored at both ends of the whole, which silence fills.
      var place = abs(index - half)
      if place >= total { place = 2 * (total - 1) - place }
      if place < given, place >= 0 { padded[index] = samples[place] }
    }
    let places = try Tensor.arange(0, count).unsqueezed(1) * Double(hop) + Tensor.arange(0, windowLength).unsqueezed(0)
    let rows = try Tensor(padded).to(.float64).rows(places.to(.int64).reshaped([-1])).reshaped([count, windowLength])
    let bins = windowLength / 2 + 1
    let turn = 2 * Double.pi / Double(windowLength)
    var (cosines, sines) = ([Double](), [Double]())
    cosines.reserveCapacity(windowLength * bins)
    sines.reserveCapacity(windowLength * bins)
    for sample in 0..<windowLength {
      let window = 0.5 - 0.5 * cos(turn * Double(sample))
      for bin in 0..<bins {
        let angle = turn * Double(sample * bin % windowLength)
        cosines.append(window * cos(angle))
        sines.append(window * sin(angle))
      }
    }
    let (real, imaginary) = (
      try rows.matmul(Tensor(cosines, [windowLength, bins])), try rows.matmul(Tensor(sines, [windowLength, bins]))
    )
    let mel = try (real * real + imaginary * imaginary).matmul(Tensor(filters(bins), [bins, bands]))
    return try mel.clamped(1e-10).log().transposed(0, 1) * (1 / log(10))
  }

  /// Weights of each bin in each band, bin after bin.
  func filters(_ bins: Int) -> [Double] {
    let (low, high) = (Self.mel(0), Self.mel(8000))
    let edges = (0..<bands + 2).map { Self.hertz(low + (high - low) * Double($0) / Double(bands + 1)) }
    let step = Double(rate) / 2 / Double(max(1, bins - 1))
    return (0..<bins).flatMap { bin in
      (0..<bands).map { band in
        let (start, peak, end, place) = (edges[band], edges[band + 1], edges[band + 2], step * Double(bin))
        return max(0, min((place - start) / (peak - start), (end - place) / (end - peak))) * 2 / (end - start)
      }
    }
  }

  /// Slaney's mel scale: even up to 1000 Hz, and 27 steps for each factor of 6.4 from there on.
  static func mel(_ hertz: Double) -> Double {
    hertz < 1000 ? 3 * hertz / 200 : 15 + log(hertz / 1000) * 27 / log(6.4)
  }

  static func hertz(_ mel: Double) -> Double {
    mel < 15 ? 200 * mel / 3 : 1000 * exp(log(6.4) / 27 * (mel - 15))
  }
}
