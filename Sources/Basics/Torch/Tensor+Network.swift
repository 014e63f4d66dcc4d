extension Tensor {
  private enum Op {
    static let linear = Operator("aten::linear")
    static let embedding = Operator("aten::embedding")
    static let layerNorm = Operator("aten::layer_norm")
    static let rmsNorm = Operator("aten::rms_norm")
    static let softmax = Operator("aten::softmax.int")
    static let logSoftmax = Operator("aten::log_softmax.int")
    static let softmaxBackward = Operator("aten::_softmax_backward_data")
    static let logSoftmaxBackward = Operator("aten::_log_softmax_backward_data")
    static let gelu = Operator("aten::gelu")
    static let silu = Operator("aten::silu")
    static let attention = Operator("aten::scaled_dot_product_attention")
    static let packedAttention = Operator("aten::_flash_attention_forward")
    static let crossEntropy = Operator("aten::cross_entropy_loss")
    static let maskedFill = Operator("aten::masked_fill.Scalar")
    static let fillInPlace = Operator("aten::masked_fill_.Scalar")
    static let triu = Operator("aten::triu")
    static let bicubic = Operator("aten::upsample_bicubic2d")
    static let bilinear = Operator("aten::upsample_bilinear2d")
    static let averagePool = Operator("aten::avg_pool2d")
    static let maxPool = Operator("aten::max_pool2d")
    static let bicubicAntialiased = Operator("aten::_upsample_bicubic2d_aa")
  }

  /// y = x·wᵀ + b over the last dimension: x [..., in], weight [out, in], bias [out] or none; y [..., out].
  public func linear(_ weight: Tensor, _ bias: Tensor? = nil) throws -> Tensor {
    try Op.linear(.tensor(self), .tensor(weight), .optional(bias))
  }
  /// Rows of this [count, width] table for a tensor of int64 ids: [..., width].
  public func embedding(_ ids: Tensor) throws -> Tensor { try Op.embedding(.tensor(self), .tensor(ids)) }
  /// Layer normalisation over the last dimension.
  public func layerNorm(_ weight: Tensor, _ bias: Tensor, epsilon: Double) throws -> Tensor {
    try Op.layerNorm(.tensor(self), .ints([size(-1)]), .tensor(weight), .tensor(bias), .double(epsilon))
  }
  /// Root-mean-square normalisation over the last dimension.
  func composedRMSNorm(_ weight: Tensor, epsilon: Double) throws -> Tensor {
    try Op.rmsNorm(.tensor(self), .ints([size(-1)]), .tensor(weight), .double(epsilon))
  }
  /// Softmax over a dimension, computed and returned in `dtype` where given.
  public func softmax(_ dimension: Int = -1, _ dtype: DType? = nil) throws -> Tensor {
    try Op.softmax(.tensor(self), .int(dimension), .dtype(dtype))
  }
  /// Logarithm of the softmax over a dimension, computed and returned in `dtype` where given.
  public func logSoftmax(_ dimension: Int = -1, _ dtype: DType? = nil) throws -> Tensor {
    try Op.logSoftmax(.tensor(self), .int(dimension), .dtype(dtype))
  }
  /// The gradient of scores from this one, that of their softmax `weights` over the last dimension: weights · (g - Σ g · weights).
  public func throughSoftmax(_ weights: Tensor) throws -> Tensor {
    try Op.softmaxBackward(.tensor(self), .tensor(weights), .int(-1), .dtype(dtype))
  }
  /// The gradient of logits [rows, classes] float32 from this one, that of their logarithmic softmax `logs` over the last dimension:
  /// g - exp(logs) · Σ g.
  public func throughLogSoftmax(_ logs: Tensor) throws -> Tensor {
    try Op.logSoftmaxBackward(.tensor(self), .tensor(logs), .int(-1), .dtype(.float32))
  }
  /// Gaussian error linear unit with the exact error function.
  public func gelu() throws -> Tensor { try Op.gelu(.tensor(self)) }
  /// The Gaussian error linear unit by the hyperbolic tangent: x · ½ (1 + tanh(√(2/π) (x + 0.044715 x³))).
  public func tanhGELU() throws -> Tensor { try Op.gelu(.tensor(self), .string("tanh")) }
  /// x·sigmoid(x).
  public func silu() throws -> Tensor { try Op.silu(.tensor(self)) }
  /// Fused attention: self, keys and values are [batch, heads, length, headDimension], with fewer key-value heads where `grouped`.
  ///
  /// `mask` is added to the scores, or, if bool, allows where true; `causal` aligns the first query with the first key.
  public func attention(
    _ keys: Tensor, _ values: Tensor, mask: Tensor? = nil, causal: Bool, scale: Double? = nil, grouped: Bool = false
  ) throws -> Tensor {
    try Op.attention(
      .tensor(self), .tensor(keys), .tensor(values), .optional(mask), .double(0), .bool(causal),
      scale.map(OperatorArgument.double) ?? .none, .bool(grouped))
  }
  /// Causal attention of sequences that lie end to end, in one kernel, which only CUDA devices have: self [rows, heads, headDimension], keys
  /// and values [columns, keyValueHeads, headDimension], float16 or bfloat16, `headDimension` a multiple of 8 and at most 256.
  ///
  /// - Parameters:
  ///   - queryStarts: int32 [sequences + 1]: the first row of each sequence, and the number of all.
  ///   - keyStarts: the same of the columns. A sequence's last row sees all of its columns, the one before it one less.
  ///   - longest: rows and columns of the longest sequence.
  public func packedAttention(
    _ keys: Tensor, _ values: Tensor, queryStarts: Tensor, keyStarts: Tensor, longest: (queries: Int, keys: Int)
  ) throws -> Tensor {
    try Op.packedAttention(
      .tensor(self), .tensor(keys), .tensor(values), .tensor(queryStarts), .tensor(keyStarts), .int(longest.queries),
      .int(longest.keys), .double(0), .bool(true), .bool(false))
  }
  /// Mean negative log-likelihood of int64 targets [rows] under logits [rows, classes]; targets equal to `ignored` do not count.
  public func crossEntropy(_ targets: Tensor, ignored: Int = -100) throws -> Tensor {
    try Op.crossEntropy(.tensor(self), .tensor(targets), .none, .int(1), .int(ignored))
  }
  /// A copy with `value` where the bool mask is true.
  public func filled(where mask: Tensor, with value: Double) throws -> Tensor {
    try Op.maskedFill(.tensor(self), .tensor(mask), .double(value))
  }
  /// Puts `value` where the bool mask is true, and returns the same tensor.
  @discardableResult
  public func fillInPlace(where mask: Tensor, with value: Double) throws -> Tensor {
    try Op.fillInPlace(.tensor(self), .tensor(mask), .double(value))
  }
  /// A copy with zeros below the given diagonal.
  public func upperTriangle(_ diagonal: Int = 0) throws -> Tensor { try Op.triu(.tensor(self), .int(diagonal)) }

  /// Images [images, channels, height, width] resampled to other sizes by lines between the four nearest pixels; the corners' pixels are
  /// areas, not points.
  public func resizedBilinear(_ height: Int, _ width: Int) throws -> Tensor {
    try Op.bilinear(.tensor(self), .ints([height, width]), .bool(false), .none, .none)
  }

  /// Images [images, channels, height, width] with the mean of each square of `side` × `side` pixels in its place; what is left over at the
  /// right and at the bottom is dropped.
  public func averagePooled(_ side: Int) throws -> Tensor { try Op.averagePool(.tensor(self), .ints([side, side])) }
  /// Likewise with the largest value of each square.
  public func maxPooled(_ side: Int) throws -> Tensor { try Op.maxPool(.tensor(self), .ints([side, side])) }

  /// Images [images, channels, height, width] resampled to other sizes by cubic splines; the corners' pixels are areas, not points.
  ///
  /// - Parameter antialias: averages over all pixels that a new one covers, as Pillow does; without it at most 16 are looked at.
  public func resizedBicubic(_ height: Int, _ width: Int, antialias: Bool) throws -> Tensor {
    try (antialias ? Op.bicubicAntialiased : Op.bicubic)(
      .tensor(self), .ints([height, width]), .bool(false), .none, .none)
  }
}
