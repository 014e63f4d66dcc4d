import CTorch

/// Processes that work together over c10d: each has a rank, and all call the same collectives in the same order.
///
/// Tensors of the CPU travel over Gloo, those of GPUs over NCCL once `joinGPUs` was called. They have to be contiguous, and of one shape and type
/// on all ranks. They are never recorded for gradients.
///
/// Where ranks call different collectives, or with tensors of different sizes, a process that gets more bytes than it has room for ends with one
/// line and exit code 1; for the others `wait` throws, at the latest after the timeout. With the variable `TORCH_DISTRIBUTED_DEBUG=DETAIL` all ranks
/// compare each collective before it begins, and each throws an error that names the first that differs. That is slower.
public final class ProcessGroup: Sendable {
  /// Unchecked, as the compiler cannot know that c10d's groups take calls from any thread; the pointer itself never changes.
  private struct Handle: @unchecked Sendable { let pointer: ct_group }

  /// How numbers of all ranks become one.
  public enum Reduction: Sendable {
    /// Their sum.
    case sum
    /// The largest.
    case maximum

    var code: Int32 {
      switch self {
      case .sum: Int32(CT_SUM.rawValue)
      case .maximum: Int32(CT_MAXIMUM.rawValue)
      }
    }
  }

  /// This process's number, from 0.
  public let rank: Int
  /// Processes in all.
  public let count: Int
  private let handle: Handle

  /// Joins the others; returns once all are there.
  ///
  /// - Parameters:
  ///   - host: where the store is through which they find each other.
  ///   - serves: true on the one process that is to serve it; false on all where another program does.
  ///   - prefix: begins all keys, so that another attempt does not meet the last one's.
  ///   - timeout: seconds that joining, and every collective, may take.
  /// - Throws: `TorchError.operatorFailed` where one does not come in time, or the store is not there.
  public init(host: String, port: Int, serves: Bool, rank: Int, count: Int, prefix: String, timeout: Double) throws {
    var pointer: ct_group?
    let status = ct_group_start(host, Int32(port), serves, Int32(rank), Int32(count), prefix, timeout, &pointer)
    try check(status, "joining processes")
    guard let pointer else { throw TorchError.operatorFailed(name: "joining processes", message: "libtorch returned no group") }
    (self.rank, self.count, handle) = (rank, count, Handle(pointer: pointer))
  }

  deinit { ct_group_free(handle.pointer) }

  /// Lets tensors of GPUs travel too, over NCCL; all ranks call it, and each has a GPU of its own.
  ///
  /// - Throws: `TorchError.operatorFailed` where the loaded libtorch has no NCCL, which only its builds for CUDA have, and where there is no GPU.
  public func joinGPUs() throws { try check(ct_group_join_gpus(handle.pointer), "joining GPUs") }

  /// The sum or the largest over all ranks, on all ranks, in the tensor itself.
  public func allReduce(_ tensor: Tensor, _ reduction: Reduction) throws -> Pending {
    try started("all-reduce", tensor) { ct_group_all_reduce(handle.pointer, tensor.handle, reduction.code, &$0) }
  }

  /// What all ranks have, one after the other: [count · n] from [n].
  ///
  /// - Parameter whole: where it goes, contiguous and as large; a new tensor unless given. For gradients this is no change of it, so what
  ///   comes has to be what was there when it was last used.
  /// - Throws: `TorchError` for a tensor of another size or type, and for collectives that cannot start.
  public func allGather(_ input: Tensor, into whole: Tensor? = nil) throws -> Pending {
    let output = try whole ?? Tensor.empty([count * input.count], input.dtype, on: input.device)
    try output.requireShape([count * input.count], "what ranks gather")
    guard output.dtype == input.dtype else {
      throw TorchError.dtypeMismatch(what: "what ranks gather", found: output.dtype, expected: input.dtype)
    }
    return try started("all-gather", output) { ct_group_all_gather(handle.pointer, input.handle, output.handle, &$0) }
  }

  /// Part r of [count · n] goes to rank r; what came of all ranks, [count · n].
  public func allToAll(_ input: Tensor) throws -> Pending {
    let output = try Tensor.empty([input.count], input.dtype, on: input.device)
    return try started("all-to-all", output) { ct_group_all_to_all(handle.pointer, input.handle, output.handle, &$0) }
  }

  /// A rank's elements, in the tensor itself on all ranks.
  public func broadcast(_ tensor: Tensor, from root: Int) throws -> Pending {
    try started("broadcast", tensor) { ct_group_broadcast(handle.pointer, tensor.handle, Int32(root), &$0) }
  }

  private func started(_ name: String, _ result: Tensor, _ start: (inout ct_work?) -> Int32) throws -> Pending {
    var work: ct_work?
    try check(start(&work), name)
    guard let work else { throw TorchError.operatorFailed(name: name, message: "libtorch started nothing") }
    return Pending(name, work, result)
  }

  /// A collective on its way; its tensors must not be touched before it has been waited for.
  public final class Pending: Sendable {
    /// Unchecked, as the compiler cannot know that c10d's work may be waited for on any thread; the pointer itself never changes.
    private struct Handle: @unchecked Sendable { let pointer: ct_work }

    private let name: String
    private let work: Handle
    private let result: Tensor

    fileprivate init(_ name: String, _ work: ct_work, _ result: Tensor) {
      (self.name, self.work, self.result) = (name, Handle(pointer: work), result)
    }

    deinit { ct_work_free(work.pointer) }

    /// Waits, and returns the result.
    ///
    /// - Throws: `TorchError.operatorFailed` where another rank is late or gone; nothing can be asked of the group any more then.
    @discardableResult
    public func wait() throws -> Tensor {
      try check(ct_work_wait(work.pointer), name)
      return result
    }
  }
}
