import CTorch

/// A dense array of numbers on a device: a counted reference to one of libtorch's tensors.
///
/// The reference is given up when the last Swift reference goes, so large blocks are free as soon as nobody needs them. Operations
/// throw `TorchError`; one `try` covers a whole expression. Copying the reference does not copy the elements; operations that end
/// in `InPlace` change them for everybody.
///
/// Sendable without a lock because libtorch counts references atomically and reading from several threads is safe; writing in
/// place needs the same care as with any shared memory.
public final class Tensor: @unchecked Sendable {
  let handle: ct_tensor
  /// Element type.
  public let dtype: DType

  /// Takes over a handle, which is freed in any case.
  ///
  /// - Throws: `TorchError.operatorFailed` where there is none, `.unknownDType` for elements that `DType` does not name.
  init(owning handle: ct_tensor?) throws {
    guard let handle else { throw TorchError.operatorFailed(name: "tensor", message: "libtorch returned none") }
    let code = ct_tensor_dtype(handle)
    guard let dtype = DType(code: code) else {
      ct_tensor_free(handle)
      throw TorchError.unknownDType(code: Int(code))
    }
    self.handle = handle
    self.dtype = dtype
  }

  deinit {
    ct_tensor_free(handle)
  }

  /// Sizes of all dimensions, outermost first.
  public var shape: [Int] {
    (0..<ct_tensor_rank(handle)).map { Int(ct_tensor_size(handle, $0)) }
  }

  /// Number of dimensions.
  public var rank: Int { Int(ct_tensor_rank(handle)) }

  /// Size of one dimension, negative numbers counting from the end; zero for a dimension that the tensor does not have.
  public func size(_ dimension: Int) -> Int {
    let index = dimension < 0 ? dimension + rank : dimension
    return index >= 0 && index < rank ? Int(ct_tensor_size(handle, Int32(index))) : 0
  }

  /// Number of elements.
  public var count: Int { Int(ct_tensor_count(handle)) }

  /// Where the elements live.
  public var device: Device {
    var type: Int32 = 0
    var index: Int32 = 0
    ct_tensor_device(handle, &type, &index)
    return type == CT_CUDA.rawValue ? .cuda(Int(index)) : .cpu
  }

  /// True where the elements lie in row-major order without gaps.
  public var isContiguous: Bool { ct_tensor_is_contiguous(handle) }

  /// Bytes that the elements take.
  public var byteCount: Int { count * dtype.size }
}

extension Tensor: CustomStringConvertible {
  /// Shape, dtype and device; the elements as well where there are few.
  public var description: String {
    let head = "Tensor\(shape) \(dtype) \(device)"
    guard count <= 16, let values = try? to(.float32).array(Float.self) else { return head }
    return "\(head) \(values)"
  }
}

extension Tensor {
  /// Throws unless the tensor has the given sizes, `nil` standing for any.
  ///
  /// - Throws: `TorchError.shapeMismatch` with `what` as the subject of its sentence.
  public func requireShape(_ expected: [Int?], _ what: @autoclosure () -> String) throws {
    let found = shape
    guard found.count == expected.count, zip(found, expected).allSatisfy({ $1 == nil || $0 == $1 }) else {
      throw TorchError.shapeMismatch(what: what(), found: found, expected: expected)
    }
  }
}
