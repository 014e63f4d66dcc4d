import Foundation
import Testing

@testable import Torch

@Suite struct OperatorTests {
  /// Every operator name in the sources, so that an upgrade of libtorch fails here and not in the middle of a run.
  @Test func everyOperatorOfTheSourcesExists() throws {
    let sources = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../Sources").standardizedFileURL
    let files = try #require(FileManager.default.enumerator(at: sources, includingPropertiesForKeys: nil))
    var names: Set<String> = []
    for case let file as URL in files where file.pathExtension == "swift" {
      let text = try String(contentsOf: file, encoding: .utf8)
      for match in text.matches(of: /Operator\("([a-z_]+::[^"]+)"\)/) { names.insert(String(match.1)) }
    }
    #expect(names.count > 50)
    for name in names.sorted() {
      #expect(throws: Never.self, "\(name)") { try Operator(name).resolve() }
    }
  }

  @Test func unknownOperatorNamesItself() {
    let error = #expect(throws: TorchError.self) { try Operator("aten::no_such_thing.Tensor")() }
    #expect(error?.description.contains("aten::no_such_thing.Tensor") == true)
  }

  @Test func failureNamesOperatorAndReasonInOneLine() throws {
    let a = try Tensor.ones([3, 3])
    let b = try Tensor.ones([2, 2])
    let error = #expect(throws: TorchError.self) { try a.matmul(b) }
    #expect(error?.description == "aten::matmul: mat1 and mat2 shapes cannot be multiplied (3x3 and 2x2)")
  }

  @Test func wrongArgumentKindsAreRefused() throws {
    let t = try Tensor.ones([2])
    for (name, arguments) in [
      ("aten::add.Tensor", [OperatorArgument.tensor(t), .string("x")]),
      ("aten::reshape", [.tensor(t), .double(1)]),
      ("aten::cat", [.tensors([t, nil])]),
      ("aten::transpose.int", [.tensor(t)]),
      ("aten::softmax.int", [.tensor(t), .string("no")]),
      ("aten::detach", [.tensor(t), .int(1), .int(2)]),
    ] {
      let op = Operator(name)
      #expect(throws: TorchError.self, "\(name)") {
        switch arguments.count {
        case 1: try op(arguments[0])
        case 2: try op(arguments[0], arguments[1])
        default: try op(arguments[0], arguments[1], arguments[2])
        }
      }
    }
  }

  @Test func numbersDoNotRaiseTheDtype() throws {
    let half = try Tensor.ones([2], .bfloat16)
    #expect(try (half * 0.5).dtype == .bfloat16)
    #expect(try (half + 1).array2() == [2, 2])
  }

  @Test func severalResultsComeInOrder() throws {
    let (values, indices) = try Tensor([3, 1, 2] as [Float]).top(2)
    #expect(try values.array() == [3, 2] as [Float])
    #expect(try indices.array() == [0, 2] as [Int])
    let parts = try Tensor.arange(0, 6).split([1, 2, 3])
    #expect(try parts.map { try $0.array(Int.self) } == [[0], [1, 2], [3, 4, 5]])
  }
}

extension Tensor {
  fileprivate func array2() throws -> [Float] { try to(.float32).array() }
}
