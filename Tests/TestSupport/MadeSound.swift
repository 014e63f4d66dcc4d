import Foundation

/// Sound that is worked out, not recorded.
public enum MadeSound {
  /// A WAV of one channel, 16 bits, 16 kHz, of so many samples.
  public static func wav(_ count: Int, step: Int = 7) -> Data {
    func little(_ value: Int, _ bytes: Int) -> [UInt8] { (0..<bytes).map { UInt8(value >> (8 * $0) & 0xff) } }
    let head =
      Array("RIFF".utf8) + little(36 + 2 * count, 4) + Array("WAVEfmt ".utf8) + little(16, 4) + little(1, 2) + little(1, 2)
      + little(16_000, 4) + little(32_000, 4) + little(2, 2) + little(16, 2) + Array("data".utf8) + little(2 * count, 4)
    return Data(head + (0..<count).flatMap { little($0 * $0 / step & 0x3fff, 2) })
  }
}
