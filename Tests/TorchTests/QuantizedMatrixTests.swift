import Foundation
import TestSupport
import Testing

@testable import Torch

/// Matrices in few bits against their definition, number = scale · (code - zero), computed by libtorch's operators and by hand.
@Suite struct QuantizedMatrixTests {
  /// Bits, outputs, inputs, numbers to a scale.
  static let shapes = [
    (4, 1, 32, 32), (4, 7, 96, 32), (4, 13, 128, 64), (4, 33, 64, 64), (8, 1, 32, 32), (8, 9, 96, 96), (8, 30, 128, 32),
    (8, 5, 320, 64),
  ]

  private func random(_ outputs: Int, _ inputs: Int, _ seed: UInt64, _ dtype: DType = .float32) throws -> Tensor {
    try Tensor.randn([outputs, inputs], generator: Generator(seed: seed)).to(dtype)
  }

  @Test(arguments: shapes) func numbersAreScaleTimesCodeLessZero(bits: Int, outputs: Int, inputs: Int, group: Int) throws {
    let matrix = try QuantizedMatrix(random(outputs, inputs, 1), bits: bits, group: group)
    #expect(matrix.outputs == outputs && matrix.inputs == inputs && matrix.group == group)
    #expect(matrix.byteCount == outputs * (inputs * bits / 8 + inputs / group * (bits == 4 ? 4 : 2)))
    #expect(try (matrix.dense() - matrix.composedDense()).abs().max().item() < 1e-6)
    // By hand, from the bytes.
    let codes = try matrix.codes.array(UInt8.self)
    let scales = try matrix.scales.to(.float32).array(Float.self)
    let zeros = try matrix.zeros?.to(.float32).array(Float.self)
    let dense = try matrix.dense(.float32).array(Float.self)
    for (place, number) in dense.enumerated() {
      let (column, scale) = (place % inputs, place / group)
      let code: Float
      if bits == 8 {
        code = Float(Int8(bitPattern: codes[place]))
      } else {
        let byte = codes[place / 32 * 16 + column % 16]
        code = Float(column % 32 < 16 ? byte & 15 : byte >> 4)
      }
      #expect(abs(number - scales[scale] * (code - (zeros?[scale] ?? 0))) < 1e-6)
    }
  }

  /// With 8 bits no number is off by more than half a step; with 4 the squared error is at most that of plain rounding over the range.
  @Test(arguments: shapes) func errorsAreSmall(bits: Int, outputs: Int, inputs: Int, group: Int) throws {
    let numbers = try random(outputs, inputs, 2)
    let matrix = try QuantizedMatrix(numbers, bits: bits, group: group)
    let (off, given) = (try (matrix.dense() - numbers).array(Float.self), try numbers.array(Float.self))
    for start in stride(from: 0, to: given.count, by: group) {
      let own = given[start..<start + group]
      if bits == 8 {
        let most = own.map(abs).max() ?? 0
        #expect(off[start..<start + group].allSatisfy { abs($0) <= most / 127 * 0.51 })
        continue
      }
      let (low, high) = (min(0, own.min() ?? 0), max(0, own.max() ?? 0))
      // Scales have the digits of bfloat16.
      let pattern = ((high - low) / 15).bitPattern
      let scale = Float(bitPattern: (pattern + 0x7FFF + (pattern >> 16 & 1)) & 0xFFFF_0000)
      let minimum = -scale * (-low / scale).rounded(.toNearestOrEven)
      let plain = own.reduce(Float(0)) { sum, number in
        let code = min(15, max(0, ((number - minimum) / scale).rounded(.toNearestOrEven)))
        return sum + (number - scale * code - minimum) * (number - scale * code - minimum)
      }
      #expect(off[start..<start + group].reduce(0) { $0 + $1 * $1 } <= plain * 1.001)
    }
  }

  /// A column that counts more is closer to what it was.
  @Test func importanceMovesErrors() throws {
    let numbers = try random(64, 64, 3)
    var weights = [Float](repeating: 1, count: 64)
    weights[5] = 1000
    let plain = try QuantizedMatrix(numbers, bits: 4, group: 32)
    let weighted = try QuantizedMatrix(numbers, bits: 4, group: 32, importance: Tensor(weights, [64]))
    func error(_ matrix: QuantizedMatrix) throws -> Double {
      try (matrix.dense() - numbers).narrow(1, from: 5, length: 1).power(2).sum().item()
    }
    #expect(try error(weighted) < error(plain) * 0.9)
  }

  @Test(arguments: shapes, [DType.float32, .bfloat16])
  func fewRowsAreTheProduct(_ shape: (bits: Int, outputs: Int, inputs: Int, group: Int), _ dtype: DType) throws {
    let matrix = try QuantizedMatrix(random(shape.outputs, shape.inputs, 4, dtype), bits: shape.bits, group: shape.group)
    let bias = try random(1, shape.outputs, 5, dtype).reshaped([shape.outputs])
    let all = try random(11, shape.inputs, 6, dtype)
    let exact = try all.to(.float32).linear(matrix.composedDense(), bias.to(.float32))
    let limit = try exact.abs().max().item() * (dtype == .float32 ? 1e-5 : 8e-3)
    var single: [[Float]] = []
    for rows in 1...11 {
      let y = try matrix.fewRowsLinear(all.narrow(0, from: 0, length: rows), bias)
      #expect(y.shape == [rows, shape.outputs] && y.dtype == dtype)
      #expect(try (y.to(.float32) - exact.narrow(0, from: 0, length: rows)).abs().max().item() <= limit)
      // A row's result does not depend on how many others there are.
      let last = try y.to(.float32).narrow(0, from: rows - 1, length: 1).array(Float.self)
      let alone = try matrix.fewRowsLinear(all.narrow(0, from: rows - 1, length: 1), bias).to(.float32).array(Float.self)
      #expect(last == alone)
      single.append(alone)
    }
    #expect(single.count == 11)
  }

  @Test func rowsAndPartsAreThose() throws {
    for bits in [4, 8] {
      let matrix = try QuantizedMatrix(random(20, 64, 7, .bfloat16), bits: bits, group: 32)
      let dense = try matrix.dense()
      #expect(dense.dtype == .bfloat16)
      #expect(try (matrix.rows(Tensor([3, 19, 3])) - dense.rows(Tensor([3, 19, 3]))).abs().max().item() == 0)
      #expect(
        try (matrix.narrow(from: 4, length: 9).dense() - dense.narrow(0, from: 4, length: 9)).abs().max().item() == 0)
    }
  }

  @Test func zerosStayZeros() throws {
    for bits in [4, 8] {
      #expect(try QuantizedMatrix(Tensor.zeros([3, 32]), bits: bits, group: 32).dense().abs().max().item() == 0)
    }
  }

  @Test func whatDoesNotFitIsRefused() throws {
    let numbers = try random(4, 64, 8)
    for (bits, group) in [(3, 32), (4, 16), (4, 0), (8, 48), (4, -32), (1 << 40, 32)] {
      #expect(throws: TorchError.self) { try QuantizedMatrix(numbers, bits: bits, group: group) }
    }
    #expect(throws: TorchError.self) { try QuantizedMatrix(numbers * 1e9, bits: 8, group: 64) }
    let matrix = try QuantizedMatrix(numbers, bits: 4, group: 32)
    #expect(throws: TorchError.self) {
      try QuantizedMatrix(bits: 8, codes: matrix.codes, scales: matrix.scales, zeros: matrix.zeros, dtype: .float32)
    }
    #expect(throws: TorchError.self) {
      try QuantizedMatrix(
        bits: 4, codes: matrix.codes, scales: matrix.scales.narrow(1, from: 0, length: 1).contiguous(), zeros: matrix.zeros,
        dtype: .float32)
    }
    #expect(throws: TorchError.self) { try matrix.fewRowsLinear(random(2, 32, 9), nil) }
    #expect(throws: TorchError.self) { try matrix.fewRowsLinear(random(2, 64, 9), random(1, 3, 9)) }
  }

  /// Matrices that compressed-tensors 0.20.1 packed, and the numbers that it reads from them in the scales' own precision.
  @Test(arguments: ["group32", "group64", "symmetric", "channel8", "group8"]) func otherSoftwaresFilesAreRead(_ name: String)
    throws
  {
    let file = try SafetensorsFile(Fixtures.bundled("compressed-tensors/packed.safetensors"))
    func tensor(_ part: String) throws -> Tensor { try file.tensor("\(name).\(part)") }
    let shape = try tensor("weight_shape").array(Int.self)
    let zeroPoint = try file.entries["\(name).weight_zero_point"].map { _ in try tensor("weight_zero_point") }
    let scale = try tensor("weight_scale")
    let packed = PackedMatrix(packed: try tensor("weight_packed"), scale: scale, zeroPoint: zeroPoint)
    let matrix = try QuantizedMatrix(packed, inputs: shape[1], dtype: scale.dtype)
    #expect([matrix.outputs, matrix.inputs] == shape)
    let (own, expected) = try (matrix.dense(.float32).array(Float.self), tensor("expected").array(Float.self))
    #expect(expected.contains { abs($0) > 0.05 })
    for (a, b) in zip(own, expected) { #expect(abs(a - b) <= abs(b) / 200) }
    // And back.
    let again = try matrix.packed()
    #expect(try again.packed.array(Int32.self) == packed.packed.array(Int32.self))
    // Scales are held in float16, which has fewer digits than the float32 of one case.
    let scales = try (again.scale.to(.float32).array(Float.self), scale.to(.float32).array(Float.self))
    #expect(scales.0.count == scales.1.count && zip(scales.0, scales.1).allSatisfy { abs($0 - $1) <= abs($1) / 2000 })
    if let zeroPoint {
      #expect(try again.zeroPoint?.array(Int32.self) == zeroPoint.array(Int32.self))
    }
  }

  @Test func damagedPartsAreRefused() throws {
    let matrix = try QuantizedMatrix(random(16, 64, 10), bits: 4, group: 32).packed()
    func expectRefusal(_ inputs: Int = 64, packed: Tensor? = nil, scale: Tensor? = nil, zeroPoint: Tensor? = nil) {
      let parts = PackedMatrix(
        packed: packed ?? matrix.packed, scale: scale ?? matrix.scale, zeroPoint: zeroPoint ?? matrix.zeroPoint)
      #expect(throws: TorchError.self) { try QuantizedMatrix(parts, inputs: inputs, dtype: .float32) }
    }
    for inputs in [0, 32, 48, 96, -64, 1 << 62, .max] { expectRefusal(inputs) }
    expectRefusal(packed: try Tensor.zeros([15, 8], .int32))
    expectRefusal(packed: try Tensor.zeros([16], .int32))
    expectRefusal(scale: try Tensor.ones([16, 3]))
    expectRefusal(scale: try Tensor.ones([16, 0]))
    expectRefusal(scale: try Tensor.full([16, 2], .nan))
    expectRefusal(scale: try Tensor.full([16, 2], 1e30))
    expectRefusal(zeroPoint: try Tensor.zeros([3, 2], .int32))
  }
}
