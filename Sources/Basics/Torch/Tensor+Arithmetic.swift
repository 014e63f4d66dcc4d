extension Tensor {
  private enum Op {
    static let add = Operator("aten::add.Tensor")
    static let sub = Operator("aten::sub.Tensor")
    static let mul = Operator("aten::mul.Tensor")
    static let div = Operator("aten::div.Tensor")
    static let addInPlace = Operator("aten::add_.Tensor")
    static let mulInPlace = Operator("aten::mul_.Tensor")
    static let mulTensorInPlace = Operator("aten::mul_.Tensor")
    static let addmmInPlace = Operator("aten::addmm_")
    static let addcmulInPlace = Operator("aten::addcmul_")
    static let neg = Operator("aten::neg")
    static let abs = Operator("aten::abs")
    static let exp = Operator("aten::exp")
    static let log = Operator("aten::log")
    static let logaddexp = Operator("aten::logaddexp")
    static let cos = Operator("aten::cos")
    static let sin = Operator("aten::sin")
    static let rsqrt = Operator("aten::rsqrt")
    static let sigmoid = Operator("aten::sigmoid")
    static let pow = Operator("aten::pow.Tensor_Scalar")
    static let clamp = Operator("aten::clamp")
    static let round = Operator("aten::round")
    static let eq = Operator("aten::eq.Scalar")
    static let lt = Operator("aten::lt.Tensor")
    static let minimum = Operator("aten::minimum")
    static let ge = Operator("aten::ge.Tensor")
    static let `where` = Operator("aten::where.self")
    static let isfinite = Operator("aten::isfinite")
    static let matmul = Operator("aten::matmul")
  }

  /// Sum, element by element with broadcasting.
  public static func + (a: Tensor, b: Tensor) throws -> Tensor { try Op.add(.tensor(a), .tensor(b)) }
  /// Adds a number to every element.
  public static func + (a: Tensor, b: Double) throws -> Tensor { try Op.add(.tensor(a), .double(b)) }
  /// Difference, element by element with broadcasting.
  public static func - (a: Tensor, b: Tensor) throws -> Tensor { try Op.sub(.tensor(a), .tensor(b)) }
  /// Subtracts a number from every element.
  public static func - (a: Tensor, b: Double) throws -> Tensor { try Op.sub(.tensor(a), .double(b)) }
  /// Product, element by element with broadcasting.
  public static func * (a: Tensor, b: Tensor) throws -> Tensor { try Op.mul(.tensor(a), .tensor(b)) }
  /// Multiplies every element by a number.
  public static func * (a: Tensor, b: Double) throws -> Tensor { try Op.mul(.tensor(a), .double(b)) }
  /// Quotient, element by element with broadcasting.
  public static func / (a: Tensor, b: Tensor) throws -> Tensor { try Op.div(.tensor(a), .tensor(b)) }
  /// Divides every element by a number.
  public static func / (a: Tensor, b: Double) throws -> Tensor { try Op.div(.tensor(a), .double(b)) }
  /// The tensor with every sign changed.
  public static prefix func - (a: Tensor) throws -> Tensor { try Op.neg(.tensor(a)) }

  /// Adds `other` to this tensor's own elements.
  @discardableResult
  public func addInPlace(_ other: Tensor) throws -> Tensor { try Op.addInPlace(.tensor(self), .tensor(other)) }
  /// Multiplies this tensor's own elements by a number.
  @discardableResult
  public func multiplyInPlace(by factor: Double) throws -> Tensor { try Op.mulInPlace(.tensor(self), .double(factor)) }
  /// Multiplies this tensor's own elements by those of `other`, with broadcasting.
  @discardableResult
  public func multiplyInPlace(by other: Tensor) throws -> Tensor { try Op.mulTensorInPlace(.tensor(self), .tensor(other)) }
  /// Adds the product of two matrices to this one's own elements.
  @discardableResult
  public func addProductInPlace(_ a: Tensor, _ b: Tensor) throws -> Tensor {
    try Op.addmmInPlace(.tensor(self), .tensor(a), .tensor(b))
  }
  /// Adds the product of two tensors, element by element with broadcasting, times a factor to this tensor's own elements.
  @discardableResult
  public func addProductInPlace(of a: Tensor, _ b: Tensor, factor: Double) throws -> Tensor {
    try Op.addcmulInPlace(.tensor(self), .tensor(a), .tensor(b), .double(factor))
  }

  /// Absolute value.
  public func abs() throws -> Tensor { try Op.abs(.tensor(self)) }
  /// Exponential.
  public func exp() throws -> Tensor { try Op.exp(.tensor(self)) }
  /// Natural logarithm.
  public func log() throws -> Tensor { try Op.log(.tensor(self)) }
  /// log(exp(self) + exp(other)) without overflow.
  public func logAddExp(_ other: Tensor) throws -> Tensor { try Op.logaddexp(.tensor(self), .tensor(other)) }
  /// Cosine.
  public func cos() throws -> Tensor { try Op.cos(.tensor(self)) }
  /// Sine.
  public func sin() throws -> Tensor { try Op.sin(.tensor(self)) }
  /// One over the square root.
  public func rsqrt() throws -> Tensor { try Op.rsqrt(.tensor(self)) }
  /// Logistic function.
  public func sigmoid() throws -> Tensor { try Op.sigmoid(.tensor(self)) }
  /// Every element raised to a power.
  public func power(_ exponent: Double) throws -> Tensor { try Op.pow(.tensor(self), .double(exponent)) }
  /// Elements below `low` raised to it and those above `high` lowered to it.
  public func clamped(_ low: Double? = nil, _ high: Double? = nil) throws -> Tensor {
    try Op.clamp(.tensor(self), low.map(OperatorArgument.double) ?? .none, high.map(OperatorArgument.double) ?? .none)
  }
  /// The nearest integers, ties to even.
  public func rounded() throws -> Tensor { try Op.round(.tensor(self)) }

  /// True where an element equals a number.
  public func equals(_ value: Double) throws -> Tensor { try Op.eq(.tensor(self), .double(value)) }
  /// The smaller element of each pair.
  public func minimum(_ other: Tensor) throws -> Tensor { try Op.minimum(.tensor(self), .tensor(other)) }
  /// True where an element is smaller than the other's.
  public func isLess(than other: Tensor) throws -> Tensor { try Op.lt(.tensor(self), .tensor(other)) }
  /// True where an element is greater than the other's or equal to it.
  public func isAtLeast(_ other: Tensor) throws -> Tensor { try Op.ge(.tensor(self), .tensor(other)) }
  /// This tensor's elements where `condition` holds and the other's elsewhere.
  public func selected(where condition: Tensor, else other: Tensor) throws -> Tensor {
    try Op.where(.tensor(condition), .tensor(self), .tensor(other))
  }
  /// True where an element is neither infinite nor NaN.
  public func isFinite() throws -> Tensor { try Op.isfinite(.tensor(self)) }

  /// Matrix product over the last two dimensions, batched over the others.
  public func matmul(_ other: Tensor) throws -> Tensor { try Op.matmul(.tensor(self), .tensor(other)) }
}
