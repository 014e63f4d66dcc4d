/// A kernel that resampling weights neighbouring pixels with.
enum ResamplingFilter: String, Sendable, Encodable {
  /// A triangle two pixels wide.
  case bilinear
  /// Keys' cubic with a = -0.5, four pixels wide.
  case bicubic

  /// How far the kernel reaches from its centre, in pixels.
  var reach: Double {
    switch self {
    case .bilinear: 1
    case .bicubic: 2
    }
  }

  /// The kernel's value at a distance in pixels.
  func callAsFunction(_ distance: Double) -> Double {
    let x = abs(distance)
    switch self {
    case .bilinear: return max(0, 1 - x)
    case .bicubic:
      let a = -0.5
      if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
      return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0
    }
  }
}

/// For each output position along one axis, which input positions it mixes and how much of each.
///
/// When shrinking, the kernel widens by the shrink factor (antialiasing). Weights are integers in units of 2⁻²², rounded
/// as in Pillow, which is what makes the results equal to it bit by bit.
struct ResamplingWeights {
  static let fractionBits: Int32 = 22

  /// The first input position of each output position.
  private(set) var starts: [Int] = []
  /// How many input positions each output position mixes, at most ``capacity``.
  private(set) var counts: [Int] = []
  /// [outputs, capacity], of which the first `counts[i]` of row i are used.
  private(set) var weights: [Int32] = []
  /// The row length of ``weights``.
  let capacity: Int

  /// Weights for `outputs`, a part of the `outputSize` positions that `inputSize` positions are resampled to.
  init(from inputSize: Int, to outputSize: Int, outputs: Range<Int>, filter: ResamplingFilter) {
    let scale = Double(inputSize) / Double(outputSize)
    let widening = max(scale, 1)
    let reach = filter.reach * widening
    capacity = 2 * Int(reach.rounded(.up)) + 1
    weights.reserveCapacity(outputs.count * capacity)
    for output in outputs {
      let center = (Double(output) + 0.5) * scale
      let start = max(Int(center - reach + 0.5), 0)
      let end = min(Int(center + reach + 0.5), inputSize)
      // Widening divides through a reciprocal because a quotient can differ in the last bit, and so in a rounding.
      let raw = (start..<end).map { filter((Double($0) - center + 0.5) * (1 / widening)) }
      let total = raw.reduce(0, +)
      let unit = Double(1 << Self.fractionBits)
      starts.append(start)
      counts.append(raw.count)
      weights += raw.map { weight in
        let exact = (total == 0 ? weight : weight / total) * unit
        return Int32(exact + (exact < 0 ? -0.5 : 0.5))
      }
      weights += [Int32](repeating: 0, count: max(capacity - raw.count, 0))
    }
  }

  /// The sample that a weighted sum stands for.
  @inline(__always)
  static func sample(_ sum: Int32) -> UInt8 {
    UInt8(truncatingIfNeeded: max(0, min(255, sum >> fractionBits)))
  }

  /// What a sum starts from, so that cutting off the fraction rounds to nearest.
  static let half: Int32 = 1 << (fractionBits - 1)
}

extension Canvas {
  /// Resamples the canvas to `width` by `height` pixels and returns the part within `columns` and `rows`.
  ///
  /// Two separable passes, each rounding to 8 bits. Across always comes first, as in Pillow before version 13, which
  /// published models were trained with; the other order rounds differently. Only what the wanted part needs is computed.
  func resampled(width newWidth: Int, height newHeight: Int, columns: Range<Int>, rows: Range<Int>, filter: ResamplingFilter)
    -> RGBImage
  {
    let across = ResamplingWeights(from: width, to: newWidth, outputs: columns, filter: filter)
    let down = ResamplingWeights(from: height, to: newHeight, outputs: rows, filter: filter)
    let firstRow = down.starts.first ?? 0
    let endRow = zip(down.starts, down.counts).map(+).max() ?? firstRow
    let narrow = resampledAcross(across, rows: firstRow..<endRow)
    let pixels = resampledDown(narrow, width: columns.count, firstRow: firstRow, down)
    return RGBImage(uncheckedWidth: columns.count, height: rows.count, pixels: pixels)
  }

  private func resampledAcross(_ weights: ResamplingWeights, rows: Range<Int>) -> [UInt8] {
    let stride = weights.starts.count * 3
    let empty = emptyRow()
    var row = empty
    var emptyResult: [UInt8]?
    return [UInt8](unsafeUninitializedCapacity: rows.count * stride) { room, initialized in
      for (i, y) in rows.enumerated() {
        let output = UnsafeMutableBufferPointer(rebasing: room[(i * stride)..<((i + 1) * stride)])
        if hasPicture(row: y) {
          let start = (y - top) * image.width * 3
          row.replaceSubrange((left * 3)..<((left + image.width) * 3), with: image.pixels[start..<(start + image.width * 3)])
          mixPixels(of: row, weights, into: output)
        } else if let emptyResult {
          _ = output.update(fromContentsOf: emptyResult)
        } else {
          mixPixels(of: empty, weights, into: output)
          emptyResult = Array(output)
        }
      }
      initialized = rows.count * stride
    }
  }
}

private func mixPixels(of row: [UInt8], _ weights: ResamplingWeights, into output: UnsafeMutableBufferPointer<UInt8>) {
  row.withUnsafeBufferPointer { row in
    weights.weights.withUnsafeBufferPointer { table in
      for x in weights.starts.indices {
        var (red, green, blue) = (ResamplingWeights.half, ResamplingWeights.half, ResamplingWeights.half)
        var source = 3 * weights.starts[x]
        let first = x * weights.capacity
        for weight in table[first..<(first + weights.counts[x])] {
          red &+= Int32(row[source]) &* weight
          green &+= Int32(row[source + 1]) &* weight
          blue &+= Int32(row[source + 2]) &* weight
          source += 3
        }
        output[3 * x] = ResamplingWeights.sample(red)
        output[3 * x + 1] = ResamplingWeights.sample(green)
        output[3 * x + 2] = ResamplingWeights.sample(blue)
      }
    }
  }
}

/// Mixes whole rows; `narrow` holds rows of `width` pixels from `firstRow` on.
private func resampledDown(_ narrow: [UInt8], width: Int, firstRow: Int, _ weights: ResamplingWeights) -> [UInt8] {
  let stride = width * 3
  var sums = [Int32](repeating: 0, count: stride)
  return [UInt8](unsafeUninitializedCapacity: weights.starts.count * stride) { room, initialized in
    narrow.withUnsafeBufferPointer { source in
      sums.withUnsafeMutableBufferPointer { sums in
        for y in weights.starts.indices {
          sums.update(repeating: ResamplingWeights.half)
          for tap in 0..<weights.counts[y] {
            let weight = weights.weights[y * weights.capacity + tap]
            let row = (weights.starts[y] - firstRow + tap) * stride
            for i in 0..<stride { sums[i] &+= Int32(source[row + i]) &* weight }
          }
          for i in 0..<stride { room[y * stride + i] = ResamplingWeights.sample(sums[i]) }
        }
      }
    }
    initialized = weights.starts.count * stride
  }
}
