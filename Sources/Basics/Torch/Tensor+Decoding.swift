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

extension Tensor {
  /// Attention of one query row per head over a cache, in bfloat16 on the CPU: self [heads, width], keys and values
  /// [groups, count, width] with heads a multiple of groups; returns [heads, width].
  ///
  /// Records nothing for gradients. Rows of keys and values must lie one after the other within a group.
  public func oneRowAttention(_ keys: Tensor, _ values: Tensor) throws -> Tensor {
    var out: ct_tensor?
    try check(ct_attend_one_row(handle, keys.handle, values.handle, &out), "attention of one row")
    return try Tensor.adopt(out)
  }
}

extension Tensor {
  /// True where rows of the last dimension lie one after the other within each entry of the first of three dimensions, as in a
  /// cache with room to spare.
  public var isRowContiguous: Bool {
    rank == 3 && ct_tensor_stride(handle, 2) == 1 && Int(ct_tensor_stride(handle, 1)) == size(2)
  }
}
