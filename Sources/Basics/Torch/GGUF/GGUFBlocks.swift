/// The kinds of blocks that are read, and how their bytes become numbers in float32.
///
/// The formats are those of ggml's `block_q…` structures. Each number is computed with the operations of its `dequantize_row_q…`, in
/// the same order and without fused ones, so results are the same to the bit.
enum GGUFBlocks: String, CaseIterable {
  /// 32 signed bytes with a scale.
  case q8_0 = "Q8_0"
  /// 256 numbers of 6 bits; 16 numbers share a scale of 8 bits, which multiplies the block's own.
  case q6_K = "Q6_K"
  /// 256 numbers of 5 bits; 32 numbers share a scale and an offset of 6 bits each, which multiply the block's own.
  case q5_K = "Q5_K"
  /// 32 numbers of 5 bits with a scale and an offset.
  case q5_1 = "Q5_1"
  /// 32 numbers of 5 bits around 16 with a scale.
  case q5_0 = "Q5_0"
  /// 256 numbers of 4 bits; 32 numbers share a scale and an offset of 6 bits each, which multiply the block's own.
  case q4_K = "Q4_K"
  /// 32 numbers of 4 bits with a scale and an offset.
  case q4_1 = "Q4_1"
  /// 32 numbers of 4 bits around 8 with a scale.
  case q4_0 = "Q4_0"
  /// 256 numbers of 3 bits; 16 numbers share a scale of 6 bits, which multiplies the block's own.
  case q3_K = "Q3_K"
  /// 256 numbers of 2 bits; 16 numbers share a scale and an offset of 4 bits each, which multiply the block's own.
  case q2_K = "Q2_K"

  /// Writes the numbers of whole blocks.
  ///
  /// - Parameters:
  ///   - blocks: their number.
  ///   - bytes: where they begin; there must be as many.
  ///   - numbers: room for all numbers, in order.
  func dequantize(_ blocks: Int, at bytes: UnsafePointer<UInt8>, into numbers: UnsafeMutablePointer<Float>) {
    switch self {
    case .q8_0: for index in 0..<blocks { Self.q8_0(bytes + 34 * index, numbers + 32 * index) }
    case .q6_K: for index in 0..<blocks { Self.q6_K(bytes + 210 * index, numbers + 256 * index) }
    case .q5_K: for index in 0..<blocks { Self.q5_K(bytes + 176 * index, numbers + 256 * index) }
    case .q5_1: for index in 0..<blocks { Self.q5_1(bytes + 24 * index, numbers + 32 * index) }
    case .q5_0: for index in 0..<blocks { Self.q5_0(bytes + 22 * index, numbers + 32 * index) }
    case .q4_K: for index in 0..<blocks { Self.q4_K(bytes + 144 * index, numbers + 256 * index) }
    case .q4_1: for index in 0..<blocks { Self.q4_1(bytes + 20 * index, numbers + 32 * index) }
    case .q4_0: for index in 0..<blocks { Self.q4_0(bytes + 18 * index, numbers + 32 * index) }
    case .q3_K: for index in 0..<blocks { Self.q3_K(bytes + 110 * index, numbers + 256 * index) }
    case .q2_K: for index in 0..<blocks { Self.q2_K(bytes + 84 * index, numbers + 256 * index) }
    }
  }

  private static func q8_0(_ block: UnsafePointer<UInt8>, _ out: UnsafeMutablePointer<Float>) {
    let scale = half(block)
    for index in 0..<32 { out[index] = Float(Int8(bitPattern: block[2 + index])) * scale }
  }

  private static func q4_0(_ block: UnsafePointer<UInt8>, _ out: UnsafeMutablePointer<Float>) {
    let scale = half(block)
    for index in 0..<16 {
      let pair = block[2 + index]
      out[index] = scale * Float(Int32(pair & 15) - 8)
      out[index + 16] = scale * Float(Int32(pair >> 4) - 8)
    }
  }

  private static func q4_1(_ block: UnsafePointer<UInt8>, _ out: UnsafeMutablePointer<Float>) {
    let (scale, offset) = (half(block), half(block + 2))
    for index in 0..<16 {
      let pair = block[4 + index]
      out[index] = scale * Float(pair & 15) + offset
      out[index + 16] = scale * Float(pair >> 4) + offset
    }
  }

  private static func q5_0(_ block: UnsafePointer<UInt8>, _ out: UnsafeMutablePointer<Float>) {
    let scale = half(block)
    for index in 0..<32 { out[index] = scale * Float(Int32(fiveBits(block + 2, index)) - 16) }
  }

  private static func q5_1(_ block: UnsafePointer<UInt8>, _ out: UnsafeMutablePointer<Float>) {
    let (scale, offset) = (half(block), half(block + 2))
    for index in 0..<32 { out[index] = scale * Float(fiveBits(block + 4, index)) + offset }
  }

  /// A number's fifth bit is one of the 32 of the first four bytes; its other bits are half of one of the 16 bytes after them.
  private static func fiveBits(_ bytes: UnsafePointer<UInt8>, _ index: Int) -> UInt8 {
    let high = bytes[index / 8] &>> UInt8(index % 8) & 1
    return bytes[4 + index % 16] &>> UInt8(4 * (index / 16)) & 15 | high << 4
  }

  private static func q4_K(_ block: UnsafePointer<UInt8>, _ out: UnsafeMutablePointer<Float>) {
    let (scale, offset) = (half(block), half(block + 2))
    let codes = block + 16
    for group in 0..<8 {
      let own = sixBits(block + 4, group)
      let (product, minimum) = (scale * Float(own.scale), offset * Float(own.offset))
      // Two groups share 32 bytes: the even one has the low halves.
      let (first, shift) = (codes + 32 * (group / 2), UInt8(4 * (group % 2)))
      let target = out + 32 * group
      for index in 0..<32 { target[index] = product * Float(first[index] &>> shift & 15) - minimum }
    }
  }

  /// As `q4_K`, with the fifth bits of all groups in 32 bytes before the others: each group has one bit of every byte.
  private static func q5_K(_ block: UnsafePointer<UInt8>, _ out: UnsafeMutablePointer<Float>) {
    let (scale, offset) = (half(block), half(block + 2))
    let (high, codes) = (block + 16, block + 48)
    for group in 0..<8 {
      let own = sixBits(block + 4, group)
      let (product, minimum) = (scale * Float(own.scale), offset * Float(own.offset))
      let (first, shift) = (codes + 32 * (group / 2), UInt8(4 * (group % 2)))
      let target = out + 32 * group
      for index in 0..<32 {
        let code = first[index] &>> shift & 15 | (high[index] &>> UInt8(group) & 1) << 4
        target[index] = product * Float(code) - minimum
      }
    }
  }

  /// The scale and the offset of one of eight groups, from 12 bytes: the low six bits of bytes 0..<4 and 4..<8 are those of the first four
  /// groups, bytes 8..<12 hold four bits each of the others, whose upper two bits are the upper two of the first eight bytes.
  private static func sixBits(_ packed: UnsafePointer<UInt8>, _ group: Int) -> (scale: UInt8, offset: UInt8) {
    if group < 4 { return (packed[group] & 63, packed[group + 4] & 63) }
    let scale = packed[group + 4] & 15 | (packed[group - 4] >> 6) << 4
    return (scale, packed[group + 4] >> 4 | (packed[group] >> 6) << 4)
  }

  /// A byte holds four numbers, 32 places apart; a byte before them the scale and the offset of 16.
  private static func q2_K(_ block: UnsafePointer<UInt8>, _ out: UnsafeMutablePointer<Float>) {
    let codes = block + 16
    let (scale, offset) = (half(block + 80), half(block + 82))
    for group in 0..<16 {
      let (product, minimum) = (scale * Float(block[group] & 15), offset * Float(block[group] >> 4))
      let first = codes + 32 * (group / 8) + 16 * (group % 2)
      let shift = UInt8(2 * (group / 2 % 4))
      let target = out + 16 * group
      for index in 0..<16 { target[index] = product * Float(first[index] &>> shift & 3) - minimum }
    }
  }

  /// The upper bits of all numbers lie in 32 bytes, then come the lower ones as in `q2_K`, 12 bytes of scales, and the block's own.
  ///
  /// An upper bit of 0 takes 4 away. The scales' lower four bits are halves of eight bytes, their upper two quarters of four.
  private static func q3_K(_ block: UnsafePointer<UInt8>, _ out: UnsafeMutablePointer<Float>) {
    let (codes, packed) = (block + 32, block + 96)
    let scale = half(block + 108)
    for group in 0..<16 {
      let own = packed[group % 8] &>> UInt8(4 * (group / 8)) & 15 | (packed[8 + group % 4] &>> UInt8(2 * (group / 4)) & 3) << 4
      let product = scale * Float(Int32(own) - 32)
      let (upper, first) = (block + 16 * (group % 2), codes + 32 * (group / 8) + 16 * (group % 2))
      let (bit, shift) = (UInt8(group / 2), UInt8(2 * (group / 2 % 4)))
      let target = out + 16 * group
      for index in 0..<16 {
        let code = Int32(first[index] &>> shift & 3) - (upper[index] &>> bit & 1 == 1 ? 0 : 4)
        target[index] = product * Float(code)
      }
    }
  }

  /// The lower four bits lie in 128 bytes, the upper two in 64, then come 16 signed scales, and the block's own last.
  private static func q6_K(_ block: UnsafePointer<UInt8>, _ out: UnsafeMutablePointer<Float>) {
    let (low, high, scales) = (block, block + 128, block + 192)
    let scale = half(block + 208)
    for row in 0..<8 {
      // Four rows of 32 numbers share 64 bytes of lower bits and 32 of upper ones.
      let (quarter, part) = (row / 4, row % 4)
      let lower = low + 64 * quarter + 32 * (part % 2)
      let upper = high + 32 * quarter
      let (lowShift, highShift) = (UInt8(4 * (part / 2)), UInt8(2 * part))
      let target = out + 32 * row
      for half in 0..<2 {
        let product = scale * Float(Int8(bitPattern: scales[2 * row + half]))
        for index in 16 * half..<16 * half + 16 {
          let code = lower[index] &>> lowShift & 15 | (upper[index] &>> highShift & 3) &<< 4
          target[index] = product * Float(Int32(code) - 32)
        }
      }
    }
  }

  /// The number of half precision that two bytes are.
  private static func half(_ bytes: UnsafePointer<UInt8>) -> Float {
    let bits = UInt32(bytes[0]) | UInt32(bytes[1]) << 8
    let (sign, exponent, fraction) = ((bits & 0x8000) << 16, bits >> 10 & 31, bits & 0x3ff)
    switch exponent {
    case 0:
      let size = Float(fraction) * 0x1p-24
      return sign == 0 ? size : -size
    case 31: return Float(bitPattern: sign | 0x7f80_0000 | fraction << 13)
    default: return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
    }
  }
}
