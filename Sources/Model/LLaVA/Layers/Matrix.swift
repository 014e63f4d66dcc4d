import Torch

/// The weight of a linear layer or the table of embeddings, [outputs, inputs], in the form in which it is stored.
public enum Matrix: Sendable {
  /// Every number in full.
  case dense(Tensor)
  /// In 4 or 8 bits.
  case quantized(QuantizedMatrix)

  /// Rows.
  public var outputs: Int {
    switch self {
    case .dense(let tensor): tensor.size(0)
    case .quantized(let matrix): matrix.outputs
    }
  }

  /// Columns.
  public var inputs: Int {
    switch self {
    case .dense(let tensor): tensor.size(1)
    case .quantized(let matrix): matrix.inputs
    }
  }

  /// Element type of the numbers that it stands for: what the model computes with.
  public var dtype: DType {
    switch self {
    case .dense(let tensor): tensor.dtype
    case .quantized(let matrix): matrix.dtype
    }
  }

  /// Where it is.
  public var device: Device {
    switch self {
    case .dense(let tensor): tensor.device
    case .quantized(let matrix): matrix.device
    }
  }

  /// The tensor that training can change; nil where it is quantized.
  public var trainable: Tensor? { if case .dense(let tensor) = self { tensor } else { nil } }

  /// All numbers, [outputs, inputs] of `dtype`; the tensor itself where it is dense.
  public func dense() throws -> Tensor {
    switch self {
    case .dense(let tensor): tensor
    case .quantized(let matrix): try matrix.dense()
    }
  }

  /// Rows by int64 index [count], as [count, inputs]; gradients go to the table where it is dense.
  public func embedding(_ indices: Tensor) throws -> Tensor {
    switch self {
    case .dense(let tensor): try tensor.embedding(indices)
    case .quantized(let matrix): try matrix.rows(indices)
    }
  }

  /// x [..., inputs] to [..., outputs].
  public func callAsFunction(_ x: Tensor, _ bias: Tensor? = nil) throws -> Tensor {
    switch self {
    case .dense(let tensor): try linear(x, tensor, bias)
    case .quantized(let matrix): try matrix.product(x, bias)
    }
  }
}

extension QuantizedMatrix {
  /// Numbers that are made at a time where a product takes dense ones: 8 MiB in bfloat16, so that no second model comes to be.
  private static let panel = 1 << 22

  /// x [..., inputs] to [..., outputs]; gradients go to x and bias, never to the matrix.
  ///
  /// A few rows go to the kernel that reads the codes. For more, dense rows of the matrix are made some at a time: the work is then in
  /// the product. The backward pass makes them once more in place of keeping them.
  func product(_ x: Tensor, _ bias: Tensor?) throws -> Tensor {
    let rows = x.count / max(1, inputs)
    let flat = try x.reshaped([rows, inputs])
    let y: Tensor
    if recordsGradients, x.requiresGradient {
      let value = try withoutGradient { try panels(flat.detached()) }
      y = try withGradient(of: [value], for: [flat]) { seeds in
        try [seeds[0].map { try backward($0) }]
      }[0]
      return try (bias.map { try y + $0 } ?? y).reshaped(x.shape.dropLast() + [outputs])
    }
    let isKernels = device == .cpu && (flat.dtype == .bfloat16 || flat.dtype == .float32) && !recordsGradients
    if isKernels, rows > 0, rows <= quantizedRowsLimit {
      y = try fewRowsLinear(flat, bias)
    } else {
      let value = try panels(flat)
      y = try bias.map { try value + $0 } ?? value
    }
    return x.rank == 2 ? y : try y.reshaped(x.shape.dropLast() + [outputs])
  }

  /// Parts of the rows, none with many more numbers than a panel.
  private var parts: [(start: Int, length: Int)] {
    let length = max(1, Self.panel / max(1, inputs))
    return stride(from: 0, to: outputs, by: length).map { ($0, min(length, outputs - $0)) }
  }

  /// The type in which products are fastest here: that of x, or float32 where bfloat16 is slow.
  private func working(_ dtype: DType) -> DType {
    device == .cpu && dtype == .bfloat16 && !Runtime.hasNativeBFloat16 ? .float32 : dtype
  }

  private func panels(_ x: Tensor) throws -> Tensor {
    let dtype = working(x.dtype)
    let wide = try x.to(dtype)
    let found = try parts.map { try wide.linear(narrow(from: $0.start, length: $0.length).dense(dtype)).to(x.dtype) }
    return found.count == 1 ? found[0] : try concatenate(found, 1)
  }

  /// The gradient of x from that of the product: seed · w.
  private func backward(_ seed: Tensor) throws -> Tensor {
    let dtype = working(seed.dtype)
    let wide = try seed.to(dtype)
    var sum: Tensor?
    for part in parts {
      let matrix = try narrow(from: part.start, length: part.length).dense(dtype)
      let own = try wide.narrow(1, from: part.start, length: part.length).matmul(matrix)
      // Summed in float32, as one product would be.
      sum = try sum.map { try $0.addInPlace(own.to(.float32)) } ?? (parts.count == 1 ? own : own.to(.float32))
    }
    guard let sum else { return try Tensor.zeros([seed.size(0), inputs], seed.dtype, on: seed.device) }
    return try sum.to(seed.dtype)
  }
}

/// The largest number of rows for which the kernel that reads codes is used, as `epic bench kernels` shows it.
let quantizedRowsLimit = Runtime.hasNativeBFloat16 ? 8 : 32
