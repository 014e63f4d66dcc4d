import Foundation
import Imaging

/// A video of JPEG pictures in an AVI file: larger than what encoders make, and written without one.
///
///     var video = try MotionJPEG(width: 80, height: 80, fps: 2)
///     for frame in frames { try video.append(frame) }
///     try video.data().write(to: url)
public struct MotionJPEG {
  private let width: Int, height: Int, quality: Int
  /// Frames of a thousand seconds.
  private let rate: Int
  /// The frames' chunks, each of an even length.
  private var chunks = Data()
  /// Where each chunk begins, and how many bytes its picture has.
  private var index: [(place: Int, count: Int)] = []

  /// Places in the file are numbers of 32 bits; players take them for signed ones.
  private static let most = Int(Int32.max)

  /// A video without frames.
  ///
  /// - Parameters:
  ///   - width: of all frames.
  ///   - height: of all frames.
  ///   - fps: frames of a second, above 0 and 1000 at most; thousandths are kept.
  ///   - quality: of the pictures, 1...100.
  /// - Throws: `VideoError.sampling`.
  public init(width: Int, height: Int, fps: Double, quality: Int = 95) throws {
    if let fault = FrameSampling(fps: fps).fault { throw VideoError.sampling(reason: fault) }
    (self.width, self.height, self.quality) = (width, height, quality)
    rate = max(1, Int((fps * 1000).rounded()))
  }

  /// Adds a frame at the end.
  ///
  /// - Throws: `VideoError.sampling` for a frame of another size, `VideoError.tooManyBytes`; `ImagingError`.
  public mutating func append(_ frame: RGBImage) throws {
    guard frame.width == width, frame.height == height else {
      throw VideoError.sampling(
        reason: "a frame has \(frame.width)x\(frame.height) pixels where the video has \(width)x\(height)")
    }
    let picture = try frame.jpegData(quality: quality)
    // Beside each chunk there is an entry of the index.
    let total = chunks.count + picture.count + 1024 + 16 * (index.count + 2)
    if total > Self.most { throw VideoError.tooManyBytes(file: "the video", found: total, limit: Self.most) }
    index.append((chunks.count, picture.count))
    chunks += Self.chunk("00dc", picture)
  }

  /// The file.
  public func data() -> Data {
    let largest = index.map(\.count).max() ?? 0
    let header = Self.chunk(
      "avih",
      Self.numbers(
        1_000_000_000 / rate, 0, 0, 0x10, index.count, 0, 1, largest, width, height, 0, 0, 0, 0))
    let stream =
      Data("vidsMJPG".utf8)
      + Self.numbers(0, 0, 0, 1000, rate, 0, index.count, largest, 0xffff_ffff, 0, 0, width | height << 16)
    let format = Self.numbers(40, width, height, 1 | 24 << 16) + Data("MJPG".utf8) + Self.numbers(width * height * 3, 0, 0, 0, 0)
    let streams = Self.list("strl", Self.chunk("strh", stream) + Self.chunk("strf", format))
    // Places count from the list's name on.
    let entries = index.reduce(into: Data()) { data, entry in
      data += Data("00dc".utf8) + Self.numbers(0x10, entry.place + 4, entry.count)
    }
    let content = Self.list("hdrl", header + streams) + Self.list("movi", chunks) + Self.chunk("idx1", entries)
    return Self.chunk("RIFF", Data("AVI ".utf8) + content)
  }

  private static func list(_ name: String, _ content: Data) -> Data { chunk("LIST", Data(name.utf8) + content) }

  private static func chunk(_ name: String, _ content: Data) -> Data {
    Data(name.utf8) + numbers(content.count) + content + Data(count: content.count % 2)
  }

  private static func numbers(_ values: Int...) -> Data {
    values.reduce(into: Data()) { data, value in
      withUnsafeBytes(of: UInt32(truncatingIfNeeded: value).littleEndian) { data += $0 }
    }
  }
}
