import CTorch

/// Where a tensor's elements live.
public enum Device: Sendable, Hashable, CustomStringConvertible {
  /// Main memory.
  case cpu
  /// A GPU by its number.
  case cuda(Int)

  /// Number of GPUs that the loaded libtorch can use; 0 with a CPU build.
  public static var cudaCount: Int { Int(ct_cuda_device_count()) }

  /// Reads `cpu`, `cuda` or `cuda:1`, and checks that the device is there.
  ///
  /// - Throws: `TorchError.noSuchDevice`.
  public init(name: String) throws {
    if name == "cpu" {
      self = .cpu
      return
    }
    let parts = name.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.first == "cuda", parts.count <= 2, let index = parts.count == 2 ? Int(parts[1]) : 0,
      index >= 0, index < Device.cudaCount
    else { throw TorchError.noSuchDevice(name) }
    self = .cuda(index)
  }

  var type: Int32 {
    switch self {
    case .cpu: Int32(CT_CPU.rawValue)
    case .cuda: Int32(CT_CUDA.rawValue)
    }
  }

  var index: Int32 {
    switch self {
    case .cpu: 0
    case .cuda(let index): Int32(clamping: index)
    }
  }

  /// `cpu` or `cuda:0`.
  public var description: String {
    switch self {
    case .cpu: "cpu"
    case .cuda(let index): "cuda:\(index)"
    }
  }

  /// Waits until all work queued on the device is done.
  public func synchronize() throws {
    try check(ct_synchronize(type, index), "synchronize \(self)")
  }
}
