import CTorch

/// What a decoder layer does with its rows, each in one pass that keeps its inputs alone for the backward pass. On the CPU in float32 and
/// bfloat16 by kernels of ours, elsewhere by libtorch's operators; computed in float32 on either way.
extension Tensor {
  private var hasRowKernels: Bool { device == .cpu && (dtype == .float32 || dtype == .bfloat16) }

  /// x / √(mean(x²) + ε) · weight over the last dimension: self [..., width], weight [width] of the same dtype.
  public func rmsNorm(_ weight: Tensor, epsilon: Double) throws -> Tensor {
    guard hasRowKernels, weight.dtype == dtype else { return try composedRMSNorm(weight, epsilon: epsilon) }
    let (x, w) = (try detached(), try weight.detached())
    var (out, scale): (ct_tensor?, ct_tensor?)
    try check(ct_rms_norm(x.handle, w.handle, epsilon, &out, &scale), "rms norm")
    let (y, scales) = (try Tensor.adopt(out), try Tensor.adopt(scale))
    return try withGradient(of: [y], for: [self, weight]) { seeds in
      guard let seed = seeds[0] else { return [nil, nil] }
      var (dx, dw): (ct_tensor?, ct_tensor?)
      try check(ct_rms_norm_backward(seed.handle, x.handle, w.handle, scales.handle, &dx, &dw), "rms norm, backward")
      return [try Tensor.adopt(dx), try Tensor.adopt(dw)]
    }[0]
  }

  /// silu(self) · up, the gate of LLaMA's MLP; `up` has the shape and dtype of self.
  public func gating(_ up: Tensor) throws -> Tensor {
    guard hasRowKernels, up.dtype == dtype, up.device == device else { return try silu() * up }
    let (g, u) = (try detached(), try up.detached())
    var out: ct_tensor?
    try check(ct_swiglu(g.handle, u.handle, &out), "gate")
    return try withGradient(of: [Tensor.adopt(out)], for: [self, up]) { seeds in
      guard let seed = seeds[0] else { return [nil, nil] }
      var (dg, du): (ct_tensor?, ct_tensor?)
      try check(ct_swiglu_backward(seed.handle, g.handle, u.handle, &dg, &du), "gate, backward")
      return [try Tensor.adopt(dg), try Tensor.adopt(du)]
    }[0]
  }

  /// Rotary embedding in LLaMA's half-split layout: dimension i of self [rows, heads, width] turned against i + width / 2.
  ///
  /// - Parameters:
  ///   - cosine: [rows, 1, width], of the dtype of self; the second half of a row repeats the first.
  ///   - sine: as `cosine`.
  public func rotatingHalves(_ cosine: Tensor, _ sine: Tensor) throws -> Tensor {
    guard hasRowKernels, cosine.dtype == dtype, sine.dtype == dtype else { return try composedRotation(cosine, sine) }
    @Sendable func turned(_ x: Tensor, back: Bool) throws -> Tensor {
      var out: ct_tensor?
      try check(ct_rotate_halves(x.handle, cosine.handle, sine.handle, back, &out), "rotary embedding")
      return try Tensor.adopt(out)
    }
    return try withGradient(of: [turned(detached(), back: false)], for: [self]) { seeds in
      try [seeds[0].map { try turned($0, back: true) }]
    }[0]
  }

  /// `rotatingHalves` made of libtorch's operators, three on either way.
  func composedRotation(_ cosine: Tensor, _ sine: Tensor) throws -> Tensor {
    @Sendable func turned(_ x: Tensor, back: Bool) throws -> Tensor {
      func halves(_ t: Tensor) throws -> [Tensor] { try t.split([t.size(-1) / 2, t.size(-1) / 2], -1) }
      let y = try x * cosine
      let (from, to, sines) = (try halves(x), try halves(y), try halves(sine))
      try to[0].addProductInPlace(of: from[1], sines[0], factor: back ? 1 : -1)
      try to[1].addProductInPlace(of: from[0], sines[1], factor: back ? -1 : 1)
      return y
    }
    let y = try withoutGradient { try turned(detached(), back: false) }
    return try withGradient(of: [y], for: [self]) { seeds in
      try [seeds[0].map { try turned($0, back: true) }]
    }[0]
  }
}
