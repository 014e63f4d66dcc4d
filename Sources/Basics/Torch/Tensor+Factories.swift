extension Tensor {
  private enum Op {
    static let empty = Operator("aten::empty.memory_format")
    static let full = Operator("aten::full")
    static let arange = Operator("aten::arange.start_step")
    static let randn = Operator("aten::randn.generator")
    static let rand = Operator("aten::rand.generator")
    static let randint = Operator("aten::randint.low_generator")
    static let randperm = Operator("aten::randperm.generator")
  }

  /// A tensor whose elements are whatever the memory holds.
  public static func empty(_ shape: [Int], _ dtype: DType = .float32, on device: Device = .cpu) throws -> Tensor {
    try Op.empty(.ints(shape), .dtype(dtype), .none, .device(device))
  }

  /// A tensor of one repeated value.
  public static func full(_ shape: [Int], _ value: Double, _ dtype: DType = .float32, on device: Device = .cpu) throws -> Tensor {
    try Op.full(.ints(shape), .double(value), .dtype(dtype), .none, .device(device))
  }

  /// A tensor of zeros.
  public static func zeros(_ shape: [Int], _ dtype: DType = .float32, on device: Device = .cpu) throws -> Tensor {
    try full(shape, 0, dtype, on: device)
  }

  /// A tensor of ones.
  public static func ones(_ shape: [Int], _ dtype: DType = .float32, on device: Device = .cpu) throws -> Tensor {
    try full(shape, 1, dtype, on: device)
  }

  /// The integers from `start` up to and without `end`, int64 unless told otherwise.
  public static func arange(_ start: Int = 0, _ end: Int, _ dtype: DType = .int64, on device: Device = .cpu) throws -> Tensor {
    try Op.arange(.int(start), .int(end), .int(1), .dtype(dtype), .none, .device(device))
  }

  /// Standard normal numbers, from `generator` or libtorch's default one.
  public static func randn(
    _ shape: [Int], _ dtype: DType = .float32, on device: Device = .cpu, generator: Generator? = nil
  ) throws -> Tensor {
    try Op.randn(.ints(shape), .optional(generator), .dtype(dtype), .none, .device(device))
  }

  /// Uniform numbers in 0..<1, from `generator` or libtorch's default one.
  public static func rand(
    _ shape: [Int], _ dtype: DType = .float32, on device: Device = .cpu, generator: Generator? = nil
  ) throws -> Tensor {
    try Op.rand(.ints(shape), .optional(generator), .dtype(dtype), .none, .device(device))
  }

  /// Uniform integers in `range`, from `generator` or libtorch's default one.
  public static func randint(
    _ range: Range<Int>, _ shape: [Int], on device: Device = .cpu, generator: Generator? = nil
  ) throws -> Tensor {
    try Op.randint(
      .int(range.lowerBound), .int(range.upperBound), .ints(shape), .optional(generator), .dtype(.int64), .none, .device(device))
  }

  /// The integers 0..<count in random order, int64.
  public static func permutation(_ count: Int, on device: Device = .cpu, generator: Generator? = nil) throws -> Tensor {
    try Op.randperm(.int(count), .optional(generator), .dtype(.int64), .none, .device(device))
  }
}
