import CTorch

/// A random number generator on a device, whose state can be saved and restored.
public final class Generator: @unchecked Sendable {
  let handle: ct_generator

  private init(owning handle: ct_generator) { self.handle = handle }

  deinit { ct_generator_free(handle) }

  /// A generator of its own, started from `seed`.
  public convenience init(seed: UInt64, on device: Device = .cpu) throws {
    var out: ct_generator?
    try check(ct_generator_new(device.type, device.index, seed, &out), "generator")
    try self.init(adopting: out)
  }

  private convenience init(adopting handle: ct_generator?) throws {
    guard let handle else { throw TorchError.operatorFailed(name: "generator", message: "libtorch returned none") }
    self.init(owning: handle)
  }

  /// The generator that operators use when they are given none.
  public static func standard(on device: Device = .cpu) throws -> Generator {
    var out: ct_generator?
    try check(ct_generator_default(device.type, device.index, &out), "generator")
    return try Generator(adopting: out)
  }

  /// Starts over from `seed`.
  public func seed(_ seed: UInt64) throws { try check(ct_generator_seed(handle, seed), "generator seed") }

  /// The whole state as a uint8 tensor on the CPU.
  public func state() throws -> Tensor {
    var out: ct_tensor?
    try check(ct_generator_state(handle, &out), "generator state")
    return try Tensor.adopt(out)
  }

  /// Continues from a state that `state()` gave.
  public func restore(_ state: Tensor) throws { try check(ct_generator_set_state(handle, state.handle), "generator state") }
}

/// Seeds the default generators of all devices.
public func seedAll(_ seed: UInt64) throws { try check(ct_seed(seed), "seed") }
