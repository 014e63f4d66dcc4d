import Testing

@testable import Torch

@Suite struct TensorTests {
  @Test func valuesComeBackAsTheyWentIn() throws {
    let values = (0..<24).map { Float($0) * 0.5 - 3 }
    let tensor = try Tensor(values, [2, 3, 4])
    #expect(tensor.shape == [2, 3, 4])
    #expect(tensor.dtype == .float32)
    #expect(tensor.device == .cpu)
    #expect(try tensor.array() == values)
    #expect(try tensor.transposed(0, 2).transposed(0, 2).array() == values)
    #expect(try tensor.transposed(1, 2).array(Float.self)[1] == values[4])
    #expect(try Tensor([true, false]).array() == [true, false])
    #expect(try Tensor([1, -2] as [Int]).array() == [1, -2] as [Int64])
    #expect(try Tensor([7, 255] as [UInt8]).array() == [7, 255] as [UInt8])
    #expect(try Tensor([] as [Float], [0, 3]).array(Float.self).isEmpty)
  }

  @Test(arguments: DType.allCases) func dtypesHaveTheirSizeAndName(_ dtype: DType) throws {
    let tensor = try Tensor.ones([5], dtype)
    #expect(tensor.dtype == dtype)
    #expect(tensor.byteCount == 5 * dtype.size)
    #expect(DType(name: dtype.description) == dtype)
    #expect(try tensor.sum().item() == 5)
  }

  /// What has fewer or more bytes than float32 comes back as it is, never as if it were float32.
  @Test func elementsOfAnySizeComeBack() throws {
    let values = [-128.0, 0.5, 127, 3, -2]
    let double = try Tensor(values)
    #expect(double.dtype == .float64 && double.byteCount == 40)
    #expect(try double.array(Double.self) == values)
    #expect(try double.withBytes { $0.count } == 40)
    let byte = try double.to(.int8)
    #expect(byte.dtype == .int8 && byte.byteCount == 5)
    #expect(try byte.array(Int8.self) == [-128, 0, 127, 3, -2])
    #expect(try byte.withBytes { $0.count } == 5)
    #expect(try double.to(.int16).array(Int16.self) == [-128, 0, 127, 3, -2])
    for dtype in [DType.int8, .float64, .int16, .uint32] {
      #expect(throws: TorchError.self) { try double.to(dtype).array(Float.self) }
    }
    // An operator's own result, and numbers that float32 does not hold.
    #expect(try Operator("aten::to.dtype")(.tensor(double), .int(7)).dtype == .float64)
    #expect(try Tensor([1.0 / 3]).item() == 1.0 / 3)
    #expect(try Tensor([1 << 53 - 1] as [Int]).item() == Double(1 << 53 - 1))
  }

  /// Types that are no real numbers are named, not taken for others.
  @Test func otherElementTypesAreErrors() throws {
    let tensor = try Tensor([1, 2, 3] as [Float])
    let quantize = Operator("aten::quantize_per_tensor")
    #expect(throws: TorchError.unknownDType(code: 12)) { try quantize(.tensor(tensor), .double(0.1), .int(0), .int(12)) }
    for code in [9, 24] {
      #expect(throws: TorchError.unknownDType(code: code)) { try Operator("aten::to.dtype")(.tensor(tensor), .int(code)) }
    }
  }

  private struct Wide: TensorElement {
    static var dtype: DType { .float32 }
    var values = (0.0, 0.0)
  }

  @Test func elementsOfAWrongSizeAreErrors() throws {
    #expect(throws: TorchError.self) { try Tensor([1, 2, 3, 4] as [Float]).array(Wide.self) }
    #expect(throws: TorchError.self) { try Tensor([Wide(), Wide()]) }
    #expect(throws: TorchError.self) { try Tensor.ones([3]).setGradient(Tensor.ones([2])) }
    #expect(throws: TorchError.self) { try Tensor.ones([3]).setGradient(Tensor.ones([3], .bfloat16)) }
    #expect(try Tensor.zeros([0, 2, 8], .bfloat16).oneRowAttention([], []).shape == [0, 2, 8])
    #expect(throws: TorchError.self) { try Operator("").resolve() }
    #expect(throws: TorchError.self) { try Tensor([1] as [Float], [.max, 4]) }
    #expect(throws: TorchError.self) { try Tensor([1] as [Float], [-1]) }
  }

  @Test func wrongCountsAndTypesAreErrors() throws {
    #expect(throws: TorchError.self) { try Tensor([1, 2, 3] as [Float], [2, 2]) }
    #expect(throws: TorchError.self) { try Tensor([1, 2] as [Float]).array(Int64.self) }
    #expect(throws: TorchError.self) { try Tensor([1, 2] as [Float]).item() }
    let error = #expect(throws: TorchError.self) { try Tensor.ones([2, 3]).requireShape([nil, 4], "weight x") }
    #expect(error?.description == "weight x has shape [2, 3], expected [any, 4]")
  }

  @Test func memoryIsFreeWhenTheLastReferenceGoes() throws {
    final class Owner {
      let memory = UnsafeMutableRawPointer.allocate(byteCount: 16, alignment: 64)
      let released: UnsafeMutablePointer<Bool>
      init(_ released: UnsafeMutablePointer<Bool>) { self.released = released }
      deinit {
        memory.deallocate()
        released.pointee = true
      }
    }
    let released = UnsafeMutablePointer<Bool>.allocate(capacity: 1)
    released.initialize(to: false)
    defer { released.deallocate() }
    var owner: Owner? = Owner(released)
    var tensor: Tensor? = try Tensor.borrowing(try #require(owner).memory, [4], .float32, owner: try #require(owner))
    owner = nil
    var view = try tensor?.narrow(0, from: 1, length: 2)
    tensor = nil
    #expect(released.pointee == false, "the view keeps the block")
    #expect(view?.shape == [2])
    view = nil
    #expect(released.pointee)
  }

  @Test func theAllocatorIsOurs() throws {
    let tensor = try Tensor.ones([1 << 22])
    #expect(Runtime.heapBytes.live >= tensor.byteCount)
    #expect(Runtime.heapBytes.held >= tensor.byteCount)
  }

  @Test func devicesAreCheckedByName() throws {
    #expect(try Device(name: "cpu") == .cpu)
    for name in ["gpu", "cuda:99", "cuda:x", "cuda:0:1", "cpu:0", ""] {
      #expect(throws: TorchError.self, "\(name)") { try Device(name: name) }
    }
    if Device.cudaCount == 0 { #expect(throws: TorchError.self) { try Device(name: "cuda") } }
  }

  @Test func versionsAreKnown() {
    #expect(Runtime.loadedVersion == Runtime.builtVersion)
    #expect(Runtime.loadedVersion.split(separator: ".").count == 3)
  }

  @Test func threadsCanBeSet() {
    let before = Runtime.threads
    defer { Runtime.threads = before }
    Runtime.threads = 1
    #expect(Runtime.threads == 1)
    Runtime.threads = 0
    #expect(Runtime.threads == 1)
  }

  /// Against libtorch's product in float32 on the same numbers: the kernel only rounds its result.
  @Test(arguments: [1, 2, 3, 4, 5, 8, 11])
  func fewRowsEqualTheFullProduct(_ rows: Int) throws {
    let generator = try Generator(seed: UInt64(rows))
    for (inputs, outputs) in [(1, 1), (7, 3), (64, 10), (96, 33), (257, 130)] {
      for (dtype, tolerance) in [(DType.bfloat16, 1.0 / 128), (.float32, 1e-5)] {
        let x = try Tensor.randn([rows, inputs], generator: generator).to(dtype)
        let w = try Tensor.randn([outputs, inputs], generator: generator).to(dtype)
        let b = try Tensor.randn([outputs], generator: generator).to(dtype)
        for bias in [nil, b] {
          let expected = try x.to(.float32).linear(w.to(.float32), bias?.to(.float32))
          let found = try x.fewRowsLinear(w, bias)
          #expect(found.shape == [rows, outputs] && found.dtype == dtype)
          let error = try ((found.to(.float32) - expected).abs() / (expected.abs() + 1)).max().item()
          #expect(error < tolerance)
        }
      }
    }
    #expect(throws: TorchError.self) { try Tensor.ones([1, 3], .bfloat16).fewRowsLinear(Tensor.ones([2, 4], .bfloat16), nil) }
    #expect(throws: TorchError.self) { try Tensor.ones([1, 3]).fewRowsLinear(Tensor.ones([2, 3], .bfloat16), nil) }
    #expect(throws: TorchError.self) { try Tensor.ones([1, 3], .float16).fewRowsLinear(Tensor.ones([2, 3], .float16), nil) }
  }
}
