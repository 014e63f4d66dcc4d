import Foundation
import Imaging
import Testing

@Suite struct JPEGTests {
  /// What is written comes back nearly the same, colours in full resolution, and better quality is nearer and larger.
  @Test func picturesComeBack() throws {
    let pixels = (0..<40 * 30).flatMap { index in
      let (x, y) = (index % 40, index / 40)
      return [UInt8(x * 6), UInt8(y * 8), x / 4 % 2 == 0 ? 250 : 20] as [UInt8]
    }
    let picture = try RGBImage(width: 40, height: 30, pixels: pixels)
    var (sizes, errors) = ([Int](), [Double]())
    for quality in [30, 80, 100] {
      let data = try picture.jpegData(quality: quality)
      let back = try RGBImage(data: (data), name: "picture")
      #expect(back.width == 40 && back.height == 30)
      sizes.append(data.count)
      errors.append(zip(back.pixels, pixels).reduce(0) { $0 + abs(Double($1.0) - Double($1.1)) } / Double(pixels.count))
    }
    #expect(sizes == sizes.sorted() && errors == errors.sorted(by: >) && errors[2] < 1.5, "\(errors)")
    #expect(try picture.jpegData(quality: 500) == picture.jpegData(quality: 100))
  }
}
