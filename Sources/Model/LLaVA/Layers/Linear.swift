import Torch

/// An affine map of the last dimension: y = x·wᵀ + b.
public struct Linear: Sendable {
  /// The matrix, [outputs, inputs].
  public let weight: Matrix
  /// What is added, [outputs], or none.
  public let bias: Tensor?
  private let adapter: LowRankAdapter?

  /// Pulls `weight` and, where there are such, `bias` and a low-rank adapter.
  public init(_ p: ParameterScope, _ inputs: Int, _ outputs: Int, bias: Bool) throws {
    weight = try p.matrix("weight", [outputs, inputs])
    self.bias = bias ? try p("bias", [outputs]) : nil
    adapter = try p.lora.map { try LowRankAdapter(p, inputs, outputs, $0) }
  }

  /// What training can change.
  var weights: [Tensor] { [weight.trainable, bias, adapter?.down, adapter?.up].compactMap(\.self) }

  /// x [..., inputs] to [..., outputs].
  public func callAsFunction(_ x: Tensor) throws -> Tensor {
    let y = try weight(x, bias)
    return try adapter.map { try y + $0(x) } ?? y
  }
}

/// The largest number of rows for which the kernel of decoding is used, by the dtype of the weights (`epic bench kernels`, BENCHMARKS.md).
///
/// In bfloat16 it wins up to 64 rows without bfloat16 hardware; with it, libtorch's own product wins from a handful of rows on.
func fewRowsLimit(_ dtype: DType) -> Int {
  switch dtype {
  case .bfloat16: Runtime.hasNativeBFloat16 ? 4 : 64
  case .float32: 32
  default: 0
  }
}

/// y = x·wᵀ + b by the fastest way there is for this device, dtype and number of rows: x [..., in], weight [out, in].
///
/// On CPUs without bfloat16 arithmetic libtorch multiplies bfloat16 matrices five times slower than float32 ones, so there larger
/// products go through float32 and round once at the end. A few rows, as in decoding, go to the kernel that reads each weight once.
func linear(_ x: Tensor, _ weight: Tensor, _ bias: Tensor?) throws -> Tensor {
  guard weight.device == .cpu, x.dtype == weight.dtype else { return try x.linear(weight, bias) }
  let inputs = weight.size(1)
  let rows = x.count / max(1, inputs)
  if rows <= fewRowsLimit(weight.dtype), rows > 0, !recordsGradients, weight.isContiguous {
    let y = try x.reshaped([rows, inputs]).contiguous().fewRowsLinear(weight, bias)
    return x.rank == 2 ? y : try y.reshaped(x.shape.dropLast() + [weight.size(0)])
  }
  guard weight.dtype == .bfloat16, !Runtime.hasNativeBFloat16 else { return try x.linear(weight, bias) }
  return try x.to(.float32).linear(weight.to(.float32), bias?.to(.float32)).to(.bfloat16)
}
