import CTorch

/// A matrix in few bits: each row in groups of numbers that share a scale and, with 4 bits, a zero point.
///
/// number = scale · (code - zero). With 8 bits codes are signed bytes and zero is 0, with 4 bits they are whole numbers from 0 to 15.
public struct QuantizedMatrix: Sendable {
  /// Bits of a code: 4 or 8.
  public let bits: Int
  /// [outputs, inputs · bits / 8] uint8; with 4 bits, of each 32 numbers number i in the low and number i + 16 in the high half of
  /// byte i.
  public let codes: Tensor
  /// [outputs, groups] float16.
  public let scales: Tensor
  /// As `scales`; nil with 8 bits.
  public let zeros: Tensor?
  /// Element type of the numbers that it stands for, where nobody asks for another.
  public let dtype: DType

  /// What the parts are called.
  public static let parts = ["codes", "scales", "zeros"]

  /// Groups hold a multiple of so many numbers: 32.
  public static let block = 32

  /// Takes what is there.
  ///
  /// - Throws: `TorchError.shapeMismatch` for parts that do not fit one another.
  public init(bits: Int, codes: Tensor, scales: Tensor, zeros: Tensor?, dtype: DType) throws {
    (self.bits, self.codes, self.scales, self.zeros, self.dtype) = (bits, codes, scales, zeros, dtype)
    try codes.requireShape([nil, nil], "codes of a quantized matrix")
    try scales.requireShape([codes.size(0), nil], "scales of a quantized matrix")
    try zeros?.requireShape(scales.shape, "zeros of a quantized matrix")
    guard bits == 8 || bits == 4, (bits == 4) == (zeros != nil), scales.size(1) > 0,
      inputs % (scales.size(1) * Self.block) == 0
    else {
      throw TorchError.shapeMismatch(
        what: "codes of \(bits) bits with scales \(scales.shape), \(zeros == nil ? "without" : "with") zeros",
        found: codes.shape, expected: [nil, nil])
    }
  }

  /// Quantizes a matrix [outputs, inputs], rounding to the nearest code.
  ///
  /// With 4 bits several ranges are tried for each group, and the one with the smallest squared error is taken.
  ///
  /// - Parameters:
  ///   - bits: 4 or 8.
  ///   - group: numbers that share a scale, a multiple of 32 that divides the inputs.
  ///   - importance: [inputs], how much an error in each column counts: the mean square of what the layer is fed. All alike unless given.
  /// - Throws: `TorchError` for other numbers of bits, groups that do not fit, and numbers too large for a scale in float16.
  public init(_ matrix: Tensor, bits: Int, group: Int, importance: Tensor? = nil) throws {
    var (codes, scales, zeros): (ct_tensor?, ct_tensor?, ct_tensor?)
    let dense = try matrix.detached()
    try check(
      ct_quantize(dense.handle, importance?.handle, Int32(clamping: bits), Int64(group), &codes, &scales, &zeros), "quantize")
    self = try QuantizedMatrix(
      bits: bits, codes: Tensor.adopt(codes), scales: Tensor.adopt(scales), zeros: zeros.map { try Tensor.adopt($0) },
      dtype: matrix.dtype
    ).to(matrix.device)
  }

  /// Rows.
  public var outputs: Int { codes.size(0) }
  /// Columns.
  public var inputs: Int { codes.size(1) * 8 / bits }
  /// Numbers that share a scale.
  public var group: Int { inputs / scales.size(1) }
  /// Where the parts are.
  public var device: Device { codes.device }
  /// Bytes that all parts take.
  public var byteCount: Int { codes.byteCount + scales.byteCount + (zeros?.byteCount ?? 0) }

  /// The numbers, [outputs, inputs].
  ///
  /// - Parameter dtype: bfloat16, float16 or float32; `dtype` unless given.
  public func dense(_ dtype: DType? = nil) throws -> Tensor {
    let wanted = dtype ?? self.dtype
    guard device == .cpu else { return try composedDense().to(wanted) }
    var out: ct_tensor?
    try check(
      ct_quantized_dense(codes.handle, scales.handle, zeros?.handle, Int32(bits), wanted == .bfloat16, &out),
      "quantized matrix")
    return try Tensor.adopt(out).to(wanted)
  }

  /// The numbers in float32 by libtorch's operators, on any device.
  func composedDense() throws -> Tensor {
    let bytes = try codes.to(.float32)
    let numbers: Tensor
    if bits == 8 {
      numbers = try bytes - bytes.isAtLeast(Tensor.full([], 128, .float32, on: device)).to(.float32) * 256
    } else {
      let blocks = try bytes.reshaped([outputs, inputs / Self.block, 1, Self.block / 2])
      let high = try ((blocks - 7.5) / 16).rounded()
      numbers = try concatenate([blocks - high * 16, high], 2)
    }
    let grouped = try numbers.reshaped([outputs, scales.size(1), group])
    let centred = try zeros.map { try grouped - $0.to(.float32).unsqueezed(2) } ?? grouped
    return try (centred * scales.to(.float32).unsqueezed(2)).reshaped([outputs, inputs])
  }

  /// Some rows, by int64 index [count]: [count, inputs] of `dtype`.
  public func rows(_ indices: Tensor) throws -> Tensor {
    try QuantizedMatrix(
      bits: bits, codes: codes.rows(indices), scales: scales.rows(indices), zeros: zeros?.rows(indices), dtype: dtype
    ).dense()
  }

  /// The same on a device.
  public func to(_ device: Device) throws -> QuantizedMatrix {
    try QuantizedMatrix(
      bits: bits, codes: codes.to(device), scales: scales.to(device), zeros: zeros?.to(device), dtype: dtype)
  }

  /// Rows from `start` on, sharing memory.
  public func narrow(from start: Int, length: Int) throws -> QuantizedMatrix {
    func part(_ tensor: Tensor) throws -> Tensor { try tensor.narrow(0, from: start, length: length) }
    return try QuantizedMatrix(
      bits: bits, codes: part(codes), scales: part(scales), zeros: zeros.map(part), dtype: dtype)
  }

  /// x·wᵀ + b for a few rows in bfloat16 or float32 on the CPU: x [rows, inputs]; reads each code once, and sums in float32.
  ///
  /// Records nothing for gradients.
  public func fewRowsLinear(_ x: Tensor, _ bias: Tensor?) throws -> Tensor {
    var out: ct_tensor?
    try check(
      ct_quantized_linear(x.handle, codes.handle, scales.handle, zeros?.handle, Int32(bits), bias?.handle, &out),
      "linear of a quantized matrix")
    return try Tensor.adopt(out)
  }
}
