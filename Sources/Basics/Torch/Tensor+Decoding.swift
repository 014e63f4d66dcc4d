import CTorch

extension Tensor {
  /// x·wᵀ + b for a few rows in bfloat16 or float32 on the CPU: x [rows, in], weight [out, in]; reads each weight once.
  ///
  /// Records nothing for gradients. All tensors must be contiguous.
  public func fewRowsLinear(_ weight: Tensor, _ bias: Tensor?) throws -> Tensor {
    var out: ct_tensor?
    try check(ct_linear_few_rows(handle, weight.handle, bias?.handle, &out), "linear for a few rows")
    return try Tensor.adopt(out)
  }
}

extension Tensor {
  /// Attention of one query row per head over a cache, for each of many sequences, in bfloat16 or float32 on the CPU.
  ///
  /// Records nothing for gradients. Rows of keys and values must lie one after the other within a group.
  ///
  /// - Parameters:
  ///   - keys: of each sequence [groups, tokens, width], the number of heads a multiple of the groups.
  ///   - values: as `keys`.
  /// - Returns: as self, [sequences, heads, width].
  /// - Throws: `TorchError` where shapes, dtypes or numbers of caches do not fit.
  public func oneRowAttention(_ keys: [Tensor], _ values: [Tensor]) throws -> Tensor {
    guard rank == 3, keys.count == values.count, keys.count == size(0) else {
      throw TorchError.shapeMismatch(
        what: "queries of \(keys.count) caches of keys and \(values.count) of values", found: shape,
        expected: [keys.count, nil, nil])
    }
    var out: ct_tensor?
    let (keyHandles, valueHandles) = (keys.map { Optional($0.handle) }, values.map { Optional($0.handle) })
    try withExtendedLifetime((keys, values)) {
      try check(ct_attend_one_row(handle, keyHandles, valueHandles, Int32(keys.count), &out), "attention of one row")
    }
    return try Tensor.adopt(out)
  }

  /// Copies rows [count, groups, width] behind the first tokens of self [groups, capacity, width], on the CPU and of one dtype.
  ///
  /// - Throws: `TorchError` where shapes do not fit, or there is no room.
  public func putRows(_ rows: Tensor, from first: Int) throws {
    try check(ct_put_rows(handle, rows.handle, Int64(first)), "rows of a cache")
  }
}

extension Tensor {
  /// True where rows of the last dimension lie one after the other within each entry of the first of three dimensions, as in a
  /// cache with room to spare.
  public var isRowContiguous: Bool {
    rank == 3 && ct_tensor_stride(handle, 2) == 1 && Int(ct_tensor_stride(handle, 1)) == size(2)
  }
}
