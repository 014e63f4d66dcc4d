import CTorch

private enum Op {
  static let view = Operator("aten::view.dtype")
}

/// A quantized matrix as the compressed-tensors format keeps it: "pack-quantized", whole zero points.
///
/// Eight codes of 4 bits, or four of 8, stand in one int32, the first in its lowest bits; number = scale · (code - zero).
public struct PackedMatrix {
  /// Codes, int32 [outputs, inputs · bits / 32].
  public let packed: Tensor
  /// Scales, [outputs, groups] of the matrix's dtype.
  public let scale: Tensor
  /// Zero points, int32 [⌈outputs / 8⌉, groups], eight rows in one number; nil where zero is in the middle, at 8 or 128.
  public let zeroPoint: Tensor?

  /// Takes tensors as files have them.
  public init(packed: Tensor, scale: Tensor, zeroPoint: Tensor?) {
    (self.packed, self.scale, self.zeroPoint) = (packed, scale, zeroPoint)
  }
}

extension QuantizedMatrix {
  /// Reads a matrix in the compressed-tensors format.
  ///
  /// - Parameter dtype: element type of the numbers that it stands for.
  /// - Throws: `TorchError` for parts that do not fit one another or the inputs, and for 8 bits with zero points.
  public init(_ file: PackedMatrix, inputs: Int, dtype: DType) throws {
    try file.packed.requireShape([nil, nil], "packed codes")
    let (outputs, columns) = (file.packed.size(0), file.packed.size(1))
    // Compared as products, as numbers from files may be of any size.
    guard inputs > 0, inputs % Self.block == 0, let bits = [4, 8].first(where: { columns == inputs / 32 * $0 }) else {
      throw TorchError.shapeMismatch(
        what: "packed codes of \(inputs) inputs, a multiple of 32, in 4 or 8 bits", found: file.packed.shape,
        expected: [nil, inputs / 8])
    }
    guard bits == 4 || file.zeroPoint == nil else {
      throw TorchError.operatorFailed(name: "quantized matrix", message: "8 bits with zero points; 4 bits can have them")
    }
    try file.scale.requireShape([outputs, nil], "scales of packed codes")
    let scale = try file.scale.to(.float32)
    guard scale.size(1) > 0, inputs % (scale.size(1) * Self.block) == 0 else {
      throw TorchError.shapeMismatch(
        what: "scales of \(inputs) inputs in groups of a multiple of 32", found: file.scale.shape,
        expected: [outputs, inputs / Self.block])
    }
    guard try Int(scale.isFinite().sum().item()) == scale.count, try scale.abs().max().item() <= 65_504 / 16 else {
      throw TorchError.operatorFailed(name: "quantized matrix", message: "scales are no numbers, or over 4,094")
    }
    let codes = try file.packed.bytes().repacked(bits: bits, outwards: false)
    var zeros: Tensor?
    if bits == 4 {
      zeros = try file.zeroPoint.map { try Self.zeros($0, outputs: outputs, groups: scale.size(1)) } ?? .full(scale.shape, 8)
    }
    try self.init(bits: bits, codes: codes, scales: scale.to(.float16), zeros: zeros?.to(.float16), dtype: dtype)
  }

  /// The matrix in the compressed-tensors format, exact for what `init(_:bits:group:importance:)` made, whose zero points are whole.
  public func packed() throws -> PackedMatrix {
    let scale = try scales.to(.float32)
    var zeroPoint: Tensor?
    if let zeros {
      let zeros = try zeros.to(.float32).rounded().clamped(0, 15)
      // [groups, rows] with rows in pairs, then in eights.
      let rows = (outputs + 7) / 8 * 8
      let padded = try concatenate([zeros, Tensor.zeros([rows - outputs, zeros.size(1)], on: device)]).transposed(0, 1)
        .contiguous()
      let pairs = try padded.reshaped([padded.size(0), rows / 2, 2])
      let bytes = try pairs.selected(2, 0) + pairs.selected(2, 1) * 16
      zeroPoint = try bytes.to(.uint8).contiguous().viewed(as: .int32).transposed(0, 1).contiguous()
    }
    return PackedMatrix(
      packed: try codes.repacked(bits: bits, outwards: true).viewed(as: .int32), scale: try scale.to(dtype), zeroPoint: zeroPoint)
  }

  /// Zero points [outputs, groups] in float32 from int32 [⌈outputs / 8⌉, groups].
  private static func zeros(_ packed: Tensor, outputs: Int, groups: Int) throws -> Tensor {
    try packed.requireShape([(outputs + 7) / 8, groups], "zero points of packed codes")
    let bytes = try packed.transposed(0, 1).contiguous().bytes().to(.float32)
    let high = try ((bytes - 7.5) / 16).rounded()
    let pairs = try stack([bytes - high * 16, high], 2).reshaped([groups, bytes.size(1) * 2])
    return try pairs.narrow(1, from: 0, length: outputs).transposed(0, 1).contiguous()
  }
}

extension Tensor {
  /// The same memory as elements of another type; the last dimension changes with their size.
  func viewed(as dtype: DType) throws -> Tensor { try Op.view(.tensor(self), .dtype(dtype)) }

  /// The bytes of a contiguous tensor, uint8.
  fileprivate func bytes() throws -> Tensor { try contiguous().viewed(as: .uint8) }

  fileprivate func repacked(bits: Int, outwards: Bool) throws -> Tensor {
    var out: ct_tensor?
    try check(ct_quantized_repack(handle, Int32(bits), outwards, &out), "codes of a quantized matrix")
    return try Tensor.adopt(out)
  }
}
