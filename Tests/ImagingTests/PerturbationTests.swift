import Foundation
import Imaging
import Testing

/// Changes of pictures, by what is known of each.
@Suite struct PerturbationTests {
  private func picture(_ width: Int, _ height: Int) throws -> RGBImage {
    try RGBImage(
      width: width, height: height,
      pixels: (0..<3 * width * height).map { UInt8(truncatingIfNeeded: $0 * 37 + $0 / 11 * 101) })
  }

  @Test func spellingsAreReadAndWritten() throws {
    for text in ["noise=0.1", "blur=2", "jpeg=10", "rotation=-15"] {
      #expect("\(try #require(Perturbation(text)))" == text)
    }
    for text in ["noise=0", "noise=nan", "noise", "blur=-1", "jpeg=0", "jpeg=10.5", "rotation=400", "fog=1", "noise=1=2", ""] {
      #expect(Perturbation(text) == nil, "\(text)")
    }
  }

  /// By a quarter turn each pixel goes to one place.
  @Test(arguments: [(7, 7), (8, 8)]) func quarterTurnsAreExact(_ width: Int, _ height: Int) throws {
    let picture = try picture(width, height)
    func pixel(_ image: RGBImage, _ x: Int, _ y: Int) -> [UInt8] {
      Array(image.pixels[3 * (y * width + x)..<3 * (y * width + x) + 3])
    }
    let turned = try Perturbation.rotation(90)(picture)
    for y in 0..<height {
      for x in 0..<width { #expect(pixel(turned, width - 1 - y, x) == pixel(picture, x, y)) }
    }
    #expect(try Perturbation.rotation(0)(picture) == picture && Perturbation.rotation(360)(picture) == picture)
    #expect(try Perturbation.rotation(-90)(turned) == picture)
    let half = try Perturbation.rotation(180)(picture)
    for y in 0..<height {
      for x in 0..<width { #expect(pixel(half, width - 1 - x, height - 1 - y) == pixel(picture, x, y)) }
    }
  }

  /// A point becomes a bell, of which rows and columns are alike; what is even stays.
  @Test func blurIsGaussian() throws {
    let side = 21
    var pixels = [UInt8](repeating: 0, count: 3 * side * side)
    let middle = 3 * (10 * side + 10)
    for channel in 0..<3 { pixels[middle + channel] = 255 }
    let blurred = try Perturbation.blur(1.5)(RGBImage(width: side, height: side, pixels: pixels))
    let weights = (-5...5).map { exp(-0.5 * pow(Double($0) / 1.5, 2)) }
    let total = weights.reduce(0, +)
    for dy in -5...5 {
      for dx in -5...5 {
        let expected = 255 * weights[dx + 5] * weights[dy + 5] / total / total
        let found = Double(blurred.pixels[3 * ((10 + dy) * side + 10 + dx)])
        #expect(abs(found - expected) <= 0.5 + 1e-9, "\(dx), \(dy)")
      }
    }
    let even = try RGBImage(width: 9, height: 4, pixels: Array(repeating: 77, count: 108))
    #expect(try Perturbation.blur(3)(even) == even)
  }

  @Test func noiseHasItsDeviation() throws {
    let (side, level) = (120, 128)
    let gray = try RGBImage(width: side, height: side, pixels: Array(repeating: UInt8(level), count: 3 * side * side))
    let noisy = try Perturbation.noise(0.1)(gray, seed: 5)
    let errors = noisy.pixels.map { Double($0) - Double(level) }
    let mean = errors.reduce(0, +) / Double(errors.count)
    let deviation = (errors.map { $0 * $0 }.reduce(0, +) / Double(errors.count)).squareRoot()
    #expect(abs(mean) < 0.5 && abs(deviation - 25.5) < 0.5, "\(mean), \(deviation)")
    #expect(try noisy == Perturbation.noise(0.1)(gray, seed: 5) && noisy != Perturbation.noise(0.1)(gray, seed: 6))
  }

  @Test func compressionIsThatOfAFile() throws {
    let picture = try picture(40, 30)
    #expect(try Perturbation.jpeg(10)(picture) == RGBImage(data: picture.jpegData(quality: 10), name: "file"))
  }
}
