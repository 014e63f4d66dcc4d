/// Operations over many tensors at once, for optimizers.
public enum TensorList {
  private enum Op {
    static let add = Operator("aten::_foreach_add_.Scalar")
    static let multiply = Operator("aten::_foreach_mul_.Scalar")
    static let copy = Operator("aten::_foreach_copy_")
    static let adamW = Operator("aten::_fused_adamw_")
  }

  /// Adds a number to the elements of every tensor.
  public static func addInPlace(_ value: Double, to tensors: [Tensor]) throws {
    try Op.add.run(.tensors(tensors), .double(value))
  }

  /// Multiplies the elements of every tensor by a number.
  public static func multiplyInPlace(_ tensors: [Tensor], by factor: Double) throws {
    try Op.multiply.run(.tensors(tensors), .double(factor))
  }

  /// Overwrites every tensor's elements with those of the other at its place, of the same shape, converting the dtype.
  ///
  /// - Throws: `TorchError` where lists differ in length, or tensors in shape.
  public static func copyInPlace(_ tensors: [Tensor], from sources: [Tensor]) throws {
    try Op.copy.run(.tensors(tensors), .tensors(sources), .bool(false))
  }

  /// One step of AdamW (Loshchilov and Hutter 2019) for every parameter, in place.
  ///
  /// - Parameters:
  ///   - parameters: the weights.
  ///   - gradients: of the weights' shapes and dtype, as are both moments.
  ///   - firstMoments: running means of the gradients.
  ///   - secondMoments: running means of their squares.
  ///   - steps: float32 scalars, the number of each parameter's steps, this one included.
  /// - Throws: `TorchError` where lists differ in length, or tensors in shape or dtype.
  public static func adamWInPlace(
    _ parameters: [Tensor], gradients: [Tensor], firstMoments: [Tensor], secondMoments: [Tensor], steps: [Tensor],
    learningRate: Double, beta1: Double, beta2: Double, weightDecay: Double, epsilon: Double
  ) throws {
    // The operator reads beyond the end of lists that are too short.
    for list in [gradients, firstMoments, secondMoments, steps] where list.count != parameters.count {
      throw TorchError.shapeMismatch(what: "a list of AdamW", found: [list.count], expected: [parameters.count])
    }
    for list in [gradients, firstMoments, secondMoments] {
      for (tensor, parameter) in zip(list, parameters) {
        try tensor.requireShape(parameter.shape, "a gradient or moment of AdamW")
        guard tensor.dtype == parameter.dtype else {
          throw TorchError.dtypeMismatch(
            what: "a gradient or moment of AdamW", found: tensor.dtype, expected: parameter.dtype)
        }
      }
    }
    try Op.adamW.run(
      .tensors(parameters), .tensors(gradients), .tensors(firstMoments), .tensors(secondMoments), .tensors([]), .tensors(steps),
      .double(learningRate), .double(beta1), .double(beta2), .double(weightDecay), .double(epsilon), .bool(false), .bool(false))
  }
}
