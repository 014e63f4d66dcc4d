extension Tensor {
  private enum Op {
    static let sum = Operator("aten::sum")
    static let sumDim = Operator("aten::sum.dim_IntList")
    static let mean = Operator("aten::mean")
    static let meanDim = Operator("aten::mean.dim")
    static let max = Operator("aten::max")
    static let argmax = Operator("aten::argmax")
    static let topk = Operator("aten::topk")
    static let sort = Operator("aten::sort.stable")
    static let cumsum = Operator("aten::cumsum")
    static let all = Operator("aten::all")
    static let norm = Operator("aten::linalg_vector_norm")
    static let multinomial = Operator("aten::multinomial")
    static let cdist = Operator("aten::cdist")
    static let nonzero = Operator("aten::nonzero")
  }

  /// Sum of all elements; half precisions are accumulated in float32.
  public func sum() throws -> Tensor { try Op.sum(.tensor(self)) }
  /// Sum over one dimension.
  public func sum(_ dimension: Int, keepingDimension: Bool = false) throws -> Tensor {
    try Op.sumDim(.tensor(self), .ints([dimension]), .bool(keepingDimension))
  }
  /// Mean of all elements.
  public func mean() throws -> Tensor { try Op.mean(.tensor(self)) }
  /// Mean over one dimension.
  public func mean(_ dimension: Int, keepingDimension: Bool = false) throws -> Tensor {
    try Op.meanDim(.tensor(self), .ints([dimension]), .bool(keepingDimension))
  }
  /// Largest element.
  public func max() throws -> Tensor { try Op.max(.tensor(self)) }
  /// Index of the largest element along a dimension, int64; of equal ones, any.
  public func argmax(_ dimension: Int = -1) throws -> Tensor { try Op.argmax(.tensor(self), .int(dimension)) }
  /// The `count` largest (or smallest) elements of a dimension, in order, and their int64 indices.
  public func top(_ count: Int, _ dimension: Int = -1, largest: Bool = true) throws -> (values: Tensor, indices: Tensor) {
    let found = try Op.topk.tensors(.tensor(self), .int(count), .int(dimension), .bool(largest), .bool(true))
    return (found[0], found[1])
  }
  /// A dimension in ascending (or descending) order and the int64 indices of that order; equal elements keep theirs.
  public func sorted(_ dimension: Int = -1, descending: Bool = false) throws -> (values: Tensor, indices: Tensor) {
    let found = try Op.sort.tensors(.tensor(self), .bool(true), .int(dimension), .bool(descending))
    return (found[0], found[1])
  }
  /// Euclidean distances of rows [n, width] to rows [m, width]: [n, m].
  public func distances(to other: Tensor) throws -> Tensor {
    try Op.cdist(.tensor(self), .tensor(other), .double(2), .none)
  }
  /// Running sums along a dimension.
  public func cumulativeSum(_ dimension: Int = -1) throws -> Tensor { try Op.cumsum(.tensor(self), .int(dimension)) }
  /// True where every element is.
  public func all() throws -> Bool { try Op.all(.tensor(self)).item() != 0 }
  /// p-norm over one dimension, computed in float32.
  public func norm(_ p: Double = 2, _ dimension: Int = -1, keepingDimension: Bool = false) throws -> Tensor {
    try Op.norm(.tensor(self), .double(p), .ints([dimension]), .bool(keepingDimension), .dtype(.float32))
  }
  /// For each row of weights, `count` indices drawn in proportion, without replacement, int64.
  public func multinomial(_ count: Int, generator: Generator? = nil) throws -> Tensor {
    try Op.multinomial(.tensor(self), .int(count), .bool(false), .optional(generator))
  }
  /// Coordinates of the elements that are not zero: [found, rank], int64.
  public func nonzero() throws -> Tensor { try Op.nonzero(.tensor(self)) }
}
