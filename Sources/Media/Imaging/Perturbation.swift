import Basics
import Foundation

/// A change of a picture that people see through: what robustness is measured with.
public enum Perturbation: Sendable, Hashable, Codable {
  /// Normal noise on every sample, of this deviation where samples are 0 to 1.
  case noise(Double)
  /// Gaussian blur of this deviation, in pixels.
  case blur(Double)
  /// Encoded as JPEG of this quality, 1 to 100, and decoded again.
  case jpeg(Int)
  /// Turned by so many degrees, clockwise, about its middle; corners that come in are black, those that leave are lost.
  case rotation(Double)

  /// The kinds, as they are spelled.
  public static let kinds = ["noise", "blur", "jpeg", "rotation"]

  /// The perturbation of a spelling such as `noise=0.1`, `blur=2`, `jpeg=10`, `rotation=15`; nil where it is none.
  public init?(_ text: String) {
    let parts = text.split(separator: "=", omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 2, let value = Double(parts[1]), value.isFinite else { return nil }
    switch parts[0] {
    case "noise" where value > 0 && value <= 10: self = .noise(value)
    case "blur" where value > 0 && value <= 100: self = .blur(value)
    case "jpeg" where (1...100).contains(value) && value == value.rounded(): self = .jpeg(Int(value))
    case "rotation" where abs(value) <= 360: self = .rotation(value)
    default: return nil
    }
  }

  /// What values may be, for people.
  public static let allowed = "noise=0...10, blur=0...100, jpeg=1...100, or rotation=-360...360"

  /// The changed picture.
  ///
  /// - Parameter seed: where noise starts.
  /// - Throws: ``ImagingError`` where a picture cannot be encoded.
  public func callAsFunction(_ image: RGBImage, seed: UInt64 = 0) throws -> RGBImage {
    switch self {
    case .noise(let deviation): return image.withNoise(deviation, seed: seed)
    case .blur(let deviation): return image.blurred(deviation)
    case .jpeg(let quality): return try RGBImage(data: image.jpegData(quality: quality), name: "the picture")
    case .rotation(let degrees): return image.turned(degrees)
    }
  }
}

extension Perturbation: CustomStringConvertible {
  /// Its spelling.
  public var description: String {
    switch self {
    case .noise(let value): String(format: "noise=%g", value)
    case .blur(let value): String(format: "blur=%g", value)
    case .jpeg(let quality): "jpeg=\(quality)"
    case .rotation(let value): String(format: "rotation=%g", value)
    }
  }
}

extension RGBImage {
  fileprivate func withNoise(_ deviation: Double, seed: UInt64) -> RGBImage {
    var random = SplitMix64(seed: seed)
    func uniform() -> Double { (Double(random.next() >> 11) + 0.5) * 0x1p-53 }
    var noisy = pixels
    // Box and Muller: two normal numbers of two uniform ones.
    for place in stride(from: 0, to: noisy.count, by: 2) {
      let (radius, angle) = ((-2 * log(uniform())).squareRoot() * deviation * 255, 2 * Double.pi * uniform())
      noisy[place] = Self.level(Double(noisy[place]) + radius * cos(angle))
      if place + 1 < noisy.count { noisy[place + 1] = Self.level(Double(noisy[place + 1]) + radius * sin(angle)) }
    }
    return RGBImage(uncheckedWidth: width, height: height, pixels: noisy)
  }

  /// Rows, then columns, by a kernel that reaches three deviations; at edges the last pixel goes on.
  fileprivate func blurred(_ deviation: Double) -> RGBImage {
    let reach = max(1, Int((3 * deviation).rounded(.up)))
    let raw = (-reach...reach).map { exp(-0.5 * pow(Double($0) / deviation, 2)) }
    let kernel = raw.map { $0 / raw.reduce(0, +) }
    var source = pixels.map(Double.init)
    for (count, step, lines) in [(width, 3, height), (height, 3 * width, width)] {
      var target = source
      for line in 0..<lines {
        let start = step == 3 ? line * 3 * width : line * 3
        for channel in 0..<3 {
          for place in 0..<count {
            var sum = 0.0
            for (index, weight) in kernel.enumerated() {
              let from = min(count - 1, max(0, place + index - reach))
              sum += weight * source[start + from * step + channel]
            }
            target[start + place * step + channel] = sum
          }
        }
      }
      source = target
    }
    return RGBImage(uncheckedWidth: width, height: height, pixels: source.map(Self.level))
  }

  /// Each new pixel is mixed of the four that lie around where it comes from.
  fileprivate func turned(_ degrees: Double) -> RGBImage {
    let angle = degrees * .pi / 180
    let (cosine, sine) = (cos(angle), sin(angle))
    let (middleX, middleY) = (Double(width - 1) / 2, Double(height - 1) / 2)
    var turned = [UInt8](repeating: 0, count: pixels.count)
    func sample(_ x: Int, _ y: Int, _ channel: Int) -> Double {
      x < 0 || y < 0 || x >= width || y >= height ? 0 : Double(pixels[3 * (y * width + x) + channel])
    }
    for y in 0..<height {
      for x in 0..<width {
        let (dx, dy) = (Double(x) - middleX, Double(y) - middleY)
        let (fromX, fromY) = (cosine * dx + sine * dy + middleX, cosine * dy - sine * dx + middleY)
        let (left, top) = (fromX.rounded(.down), fromY.rounded(.down))
        let (right, below) = (fromX - left, fromY - top)
        for channel in 0..<3 {
          func row(_ y: Int) -> Double {
            sample(Int(left), y, channel) * (1 - right) + sample(Int(left) + 1, y, channel) * right
          }
          turned[3 * (y * width + x) + channel] = Self.level(row(Int(top)) * (1 - below) + row(Int(top) + 1) * below)
        }
      }
    }
    return RGBImage(uncheckedWidth: width, height: height, pixels: turned)
  }

  private static func level(_ value: Double) -> UInt8 { UInt8(min(255, max(0, value.rounded()))) }
}
