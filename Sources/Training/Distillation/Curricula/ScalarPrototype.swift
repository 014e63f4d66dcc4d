/// Direct and progressive compression of a model with one parameter, to look at the idea behind the paper's Theorem 1.
///
/// The idea is the paper's: the best parameters move with the compression ratio, a direct path jumps to the optimum of the final ratio
/// while a progressive one follows the optima in between, and the two are compared by their total variation, Σ|xₜ₊₁ − xₜ|. The model
/// is ours and assumes no more than this:
///
/// - The loss at ratio r is ½·curvature·(θ − shift·r)². Its optimum θ*(r) = shift·r moves in proportion to the ratio; the loss at the
///   optimum is 0 at every ratio. (A loss that grows with the ratio at the optimum would add the same to both paths' variation.)
/// - Training begins at θ*(0), the optimum without compression, whose loss of 0 is the first point of both paths.
/// - It goes by gradient descent with momentum: v ← momentum·v − learningRate·∂loss/∂θ, θ ← θ + v, without noise.
/// - The direct path has the final ratio from the first step on. The progressive path's ratio rises in a straight line and stays at the
///   final one for the last `hold` of training.
///
/// What follows: the loss varies less on the progressive path, the less the slower the ratio rises. θ itself has to go from θ*(0) to
/// θ*(ratio) on either path, so its variation is smaller on the progressive one only as far as the direct one overshoots, which
/// without momentum and with a learning rate up to 1/curvature it does not.
public struct ScalarPrototype: Sendable, Equatable {
  /// The final ratio, 0...1.
  public var ratio = 0.9
  /// Steps of training.
  public var steps = 200
  /// Second derivative of the loss.
  public var curvature = 1.0
  /// How far the optimum moves from ratio 0 to ratio 1.
  public var shift = 1.0
  /// Step size of gradient descent.
  public var learningRate = 0.1
  /// Part of the last step that is taken again.
  public var momentum = 0.9
  /// Fraction of training at its end during which the final ratio is kept.
  public var hold = 0.25

  /// The prototype with its defaults.
  public init() {}

  /// What one way of training went through; point 0 is before training, point t after t steps.
  public struct Path: Sendable, Equatable {
    /// Ratio that the step to this point trained at.
    public fileprivate(set) var ratios: [Double] = []
    /// The parameter θ.
    public fileprivate(set) var parameters: [Double] = []
    /// Loss that the step to this point saw, at its ratio and before its update.
    public fileprivate(set) var losses: [Double] = []

    /// Total variation of the parameter.
    public var parameterVariation: Double { totalVariation(parameters) }
    /// Total variation of the loss.
    public var lossVariation: Double { totalVariation(losses) }
  }

  /// The final ratio from the first step on.
  public func direct() -> Path { path { _ in ratio } }

  /// The ratio rises in a straight line from 0 and is then kept.
  public func progressive() -> Path {
    let ramp = Ramp(0, ratio, reached: 1 - hold)
    return path { ramp.value(at: $0) }
  }

  private func path(_ ratioAt: (Double) -> Double) -> Path {
    var path = Path(ratios: [0], parameters: [0], losses: [0])
    var (parameter, velocity) = (0.0, 0.0)
    for step in stride(from: 1, through: steps, by: 1) {
      let ratio = ratioAt(Double(step) / Double(steps))
      let distance = parameter - shift * ratio
      velocity = momentum * velocity - learningRate * curvature * distance
      parameter += velocity
      path.ratios.append(ratio)
      path.parameters.append(parameter)
      path.losses.append(curvature * distance * distance / 2)
    }
    return path
  }
}

/// Σ|xₜ₊₁ − xₜ|: how far a sequence goes up and down altogether.
func totalVariation(_ values: [Double]) -> Double {
  zip(values, values.dropFirst()).reduce(0) { $0 + abs($1.1 - $1.0) }
}
