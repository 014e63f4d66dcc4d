import CTorch

extension Tensor {
  /// x·wᵀ + b for a few rows in bfloat16 on the CPU: x [rows, in], weight [out, in]; reads each weight once.
  ///
  /// Records nothing for gradients. All tensors must be contiguous.
  public func fewRowsLinear(_ weight: Tensor, _ bias: Tensor?) throws -> Tensor {
    var out: ct_tensor?
    try check(ct_linear_few_rows(handle, weight.handle, bias?.handle, &out), "linear for a few rows")
    return try Tensor.adopt(out)
  }
}
