extension Tensor {
  private enum Op {
    static let reshape = Operator("aten::reshape")
    static let transpose = Operator("aten::transpose.int")
    static let permute = Operator("aten::permute")
    static let contiguous = Operator("aten::contiguous")
    static let clone = Operator("aten::clone")
    static let unsqueeze = Operator("aten::unsqueeze")
    static let squeeze = Operator("aten::squeeze.dim")
    static let expand = Operator("aten::expand")
    static let narrow = Operator("aten::narrow")
    static let splitSizes = Operator("aten::split_with_sizes")
    static let select = Operator("aten::select.int")
    static let indexSelect = Operator("aten::index_select")
    static let gather = Operator("aten::gather")
    static let scatter = Operator("aten::scatter.src")
    static let scatterAddInPlace = Operator("aten::scatter_add_")
    static let copyInPlace = Operator("aten::copy_")
    static let to = Operator("aten::to.dtype_layout")
    static let repeatInterleave = Operator("aten::repeat_interleave.self_int")
  }

  /// The same elements in another shape; one size may be -1.
  public func reshaped(_ shape: [Int]) throws -> Tensor { try Op.reshape(.tensor(self), .ints(shape)) }
  /// Two dimensions swapped, as a view.
  public func transposed(_ a: Int, _ b: Int) throws -> Tensor { try Op.transpose(.tensor(self), .int(a), .int(b)) }
  /// Dimensions in another order, as a view.
  public func permuted(_ order: [Int]) throws -> Tensor { try Op.permute(.tensor(self), .ints(order)) }
  /// The tensor itself if its elements lie in row-major order without gaps, else such a copy.
  public func contiguous() throws -> Tensor { isContiguous ? self : try Op.contiguous(.tensor(self)) }
  /// A copy with memory of its own.
  public func copy() throws -> Tensor { try Op.clone(.tensor(self), .int(0)) }
  /// A new dimension of size 1 before `dimension`.
  public func unsqueezed(_ dimension: Int) throws -> Tensor { try Op.unsqueeze(.tensor(self), .int(dimension)) }
  /// Without `dimension` where its size is 1.
  public func squeezed(_ dimension: Int) throws -> Tensor { try Op.squeeze(.tensor(self), .int(dimension)) }
  /// Dimensions of size 1 repeated to the given sizes, as a view; -1 keeps a size.
  public func expanded(_ shape: [Int]) throws -> Tensor { try Op.expand(.tensor(self), .ints(shape)) }
  /// `length` elements of `dimension` from `start`, as a view.
  public func narrow(_ dimension: Int, from start: Int, length: Int) throws -> Tensor {
    try Op.narrow(.tensor(self), .int(dimension), .int(start), .int(length))
  }
  /// Consecutive pieces of `dimension` of the given sizes, as views.
  public func split(_ sizes: [Int], _ dimension: Int = 0) throws -> [Tensor] {
    try Op.splitSizes.tensors(.tensor(self), .ints(sizes), .int(dimension))
  }
  /// Without `dimension`, at one index of it, as a view.
  public func selected(_ dimension: Int, _ index: Int) throws -> Tensor {
    try Op.select(.tensor(self), .int(dimension), .int(index))
  }
  /// Rows (entries of `dimension`) in the order of an int64 vector.
  public func rows(_ indices: Tensor, _ dimension: Int = 0) throws -> Tensor {
    // Nothing of nothing, which libtorch refuses.
    if indices.count == 0, size(dimension) == 0 { return self }
    return try Op.indexSelect(.tensor(self), .int(dimension), .tensor(indices))
  }
  /// For each element of `indices`, the element of this tensor with that index along `dimension`.
  public func gathered(_ dimension: Int, _ indices: Tensor) throws -> Tensor {
    try Op.gather(.tensor(self), .int(dimension), .tensor(indices))
  }
  /// A copy in which the elements at `indices` along `dimension` are those of `source`.
  public func scattered(_ dimension: Int, _ indices: Tensor, _ source: Tensor) throws -> Tensor {
    try Op.scatter(.tensor(self), .int(dimension), .tensor(indices), .tensor(source))
  }
  /// Adds the elements of `source` to this tensor's own at `indices` along `dimension`.
  @discardableResult
  public func scatterAddInPlace(_ dimension: Int, _ indices: Tensor, _ source: Tensor) throws -> Tensor {
    try Op.scatterAddInPlace(.tensor(self), .int(dimension), .tensor(indices), .tensor(source))
  }
  /// Every entry of `dimension` repeated `count` times in a row.
  public func repeatedInterleaved(_ count: Int, _ dimension: Int) throws -> Tensor {
    try Op.repeatInterleave(.tensor(self), .int(count), .int(dimension))
  }
  /// Overwrites this tensor's elements with those of `source`, converting dtype and device.
  @discardableResult
  public func copyInPlace(from source: Tensor) throws -> Tensor { try Op.copyInPlace(.tensor(self), .tensor(source)) }

  /// The tensor in another element type; itself where it already has it.
  public func to(_ dtype: DType) throws -> Tensor {
    dtype == self.dtype ? self : try Op.to(.tensor(self), .dtype(dtype))
  }
  /// The tensor on another device; itself where it already is there.
  ///
  /// From the host the device takes it in its turn, and the host goes on as soon as it has been read.
  public func to(_ device: Device) throws -> Tensor {
    if device == self.device { return self }
    return try Op.to(.tensor(self), .none, .none, .device(device), .none, .bool(self.device == .cpu))
  }
  /// The tensor in another element type on another device.
  public func to(_ dtype: DType, on device: Device) throws -> Tensor { try to(device).to(dtype) }
}

/// Tensors one after the other along `dimension`.
public func concatenate(_ tensors: [Tensor], _ dimension: Int = 0) throws -> Tensor {
  tensors.count == 1 ? tensors[0] : try Operators.cat(.tensors(tensors), .int(dimension))
}

/// Tensors of one shape along a new dimension.
public func stack(_ tensors: [Tensor], _ dimension: Int = 0) throws -> Tensor {
  try Operators.stack(.tensors(tensors), .int(dimension))
}

private enum Operators {
  static let cat = Operator("aten::cat")
  static let stack = Operator("aten::stack")
}
