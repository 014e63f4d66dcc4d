import CTorch

extension Tensor {
  /// Gives the memory of the elements back; this tensor and all views of it have none until `takeMemory`.
  ///
  /// - Throws: `TorchError` for memory of somebody else, a file's for instance.
  public func releaseMemory() throws { try check(ct_tensor_resize_memory(handle, 0), "release of memory") }

  /// Takes memory for the elements again, for all views as well; what it holds is undefined.
  ///
  /// The tensor is no view itself.
  ///
  /// - Throws: `TorchError` where memory does not suffice.
  public func takeMemory() throws { try check(ct_tensor_resize_memory(handle, Int64(byteCount)), "taking memory") }
}
