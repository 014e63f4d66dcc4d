import CTorch

/// The libtorch of this process: versions, threads, and what the processor offers.
public enum Runtime {
  /// Threads that one operator may use.
  public static var threads: Int {
    get { Int(ct_threads()) }
    set { ct_set_threads(Int32(clamping: max(1, newValue))) }
  }

  /// Version of the libtorch loaded now, as in `2.13.0`.
  public static var loadedVersion: String { text(ct_loaded_version()) }

  /// Version of the libtorch whose headers this was built with.
  public static var builtVersion: String { text(ct_built_version()) }

  /// True where the processor multiplies bfloat16 matrices in hardware; elsewhere a large product is faster in float32.
  public static let hasNativeBFloat16 = ct_has_native_bfloat16()

  /// Bytes that live objects take and bytes that the allocator holds from the system.
  public static var heapBytes: (live: Int, held: Int) {
    var live: Int64 = 0
    var held: Int64 = 0
    ct_heap_bytes(&live, &held)
    return (Int(live), Int(held))
  }

  private static func text(_ version: Int32) -> String {
    "\(version >> 16).\(version >> 8 & 255).\(version & 255)"
  }
}
