import Foundation
import TestSupport
import Testing

@testable import Torch

extension Scratch {
  func file(_ name: String, header: String, data: Int, length: UInt64? = nil) throws -> URL {
    var count = (length ?? UInt64(header.utf8.count)).littleEndian
    let bytes = withUnsafeBytes(of: &count) { Data($0) } + Data(header.utf8) + Data(repeating: 0, count: data)
    let place = url.appending(path: name)
    try bytes.write(to: place)
    return place
  }
}

@Suite struct SafetensorsTests {
  @Test func everyDtypeSurvivesTheRoundTrip() throws {
    let scratch = try Scratch()
    let tensors = try DType.allCases.map { dtype in
      (dtype.description, try Tensor([1, 0, 3, 2, 1, 7] as [Float], [2, 3]).to(dtype))
    }
    let url = scratch.url.appending(path: "x.safetensors")
    let items = tensors.map { SafetensorsItem($0.0, $0.1) } + [SafetensorsItem("empty", try Tensor.zeros([0, 4]))]
    try SafetensorsWriter.write(items, to: url, metadata: ["note": "ä \"quoted\" / line\nbreak"])
    let file = try SafetensorsFile(url)
    #expect(file.metadata["note"] == "ä \"quoted\" / line\nbreak")
    #expect(file.entries.count == tensors.count + 1)
    for (name, tensor) in tensors {
      let back = try file.tensor(name)
      #expect(back.dtype == tensor.dtype && back.shape == [2, 3])
      #expect(try back.to(.float32).array(Float.self) == tensor.to(.float32).array(Float.self))
    }
    #expect(try file.tensor("empty").shape == [0, 4])
    #expect(try file.tensor("bfloat16", as: .float32).dtype == .float32)
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.url.path) == ["x.safetensors"])
  }

  /// Larger than what is read at once, and not a multiple of it.
  @Test func largeTensorsComeBackWhole() throws {
    let scratch = try Scratch()
    let url = scratch.url.appending(path: "large.safetensors")
    let large = try Tensor.randint(0..<1000, [9, 1_000_003], generator: Generator(seed: 4)).to(.int32)
    try SafetensorsWriter.write([SafetensorsItem("small", try Tensor.ones([3])), SafetensorsItem("large", large)], to: url)
    let file = try SafetensorsFile(url)
    #expect(try (file.tensor("large") - large).abs().max().item() == 0)
    #expect(try (file.tensor("large", as: .float32) - large.to(.float32)).abs().max().item() == 0)
    #expect(try file.tensor("small").sum().item() == 3)
  }

  @Test func shardsComeBackThroughTheirIndex() throws {
    let scratch = try Scratch()
    let items = try (0..<7).map { SafetensorsItem("layer.\($0)", try Tensor.full([10], Double($0))) }
    try SafetensorsWriter.write(items, toFolder: scratch.url, shardBytes: 100)
    let folder = try WeightFolder(scratch.url)
    #expect(folder.files.count == 4)
    #expect(folder.files[0] == "model-00001-of-00004.safetensors")
    for number in 0..<7 { #expect(try folder.tensor("layer.\(number)").sum().item() == Double(number * 10)) }
    try FileManager.default.removeItem(at: scratch.url.appending(path: folder.files[1]))
    let error = #expect(throws: TensorFileError.self) { try WeightFolder(scratch.url) }
    #expect(error?.description.contains("model-00002-of-00004.safetensors") == true)
  }

  @Test func aFailedWriteLeavesNothing() throws {
    let scratch = try Scratch()
    let url = scratch.url.appending(path: "x.safetensors")
    struct Stop: Error {}
    let items = [
      SafetensorsItem("a", try Tensor.ones([3])), SafetensorsItem(name: "b", dtype: .float32, shape: [1]) { throw Stop() },
    ]
    #expect(throws: Stop.self) { try SafetensorsWriter.write(items, to: url) }
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.url.path).isEmpty)
    let wrong = SafetensorsItem(name: "b", dtype: .float32, shape: [2]) { try Tensor.ones([3]) }
    #expect(throws: TorchError.self) { try SafetensorsWriter.write([wrong], to: url) }
  }

  static let malformed: [(header: String, data: Int, says: String)] = [
    ("{}", 4, "4 bytes follow"),
    ("not json", 0, "not JSON"),
    ("[]", 0, "type"),
    (#"{"a":{"dtype":"F32","shape":[2]}}"#, 8, "no data_offsets"),
    (#"{"a":{"dtype":"F32","shape":"2","data_offsets":[0,8]}}"#, 8, "wrong type"),
    (#"{"a":{"dtype":"F33","shape":[2],"data_offsets":[0,8]}}"#, 8, "unknown dtype F33"),
    (#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#, 8, "takes 12 bytes"),
    (#"{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#, 8, "impossible shape"),
    (#"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}}"#, 8, "impossible shape"),
    (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#, 8, "impossible offsets"),
    (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}}"#, 8, "impossible offsets"),
    (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}}"#, 8, "impossible offsets"),
    (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#, 12, "gap"),
    (
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#, 12,
      "overlaps"
    ),
    (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 4, "truncated"),
    (#"{"__metadata__":{"a":1}}"#, 0, "wrong type"),
  ]

  @Test(arguments: malformed.indices) func malformedHeadersAreRefused(_ index: Int) throws {
    let (header, data, says) = Self.malformed[index]
    let scratch = try Scratch()
    let url = try scratch.file("bad.safetensors", header: header, data: data)
    let error = #expect(throws: TensorFileError.self) { try SafetensorsFile(url) }
    #expect(error?.description.contains(says) == true, "\(String(describing: error))")
    #expect(error?.description.contains("bad.safetensors") == true)
    #expect(error?.description.contains("\n") == false)
  }

  @Test func hopelessFilesAreRefused() throws {
    let scratch = try Scratch()
    let huge = try scratch.file("huge.safetensors", header: "{}", data: 0, length: .max)
    #expect(throws: TensorFileError.self) { try SafetensorsFile(huge) }
    let long = try scratch.file("long.safetensors", header: "{}", data: 0, length: 1000)
    #expect(throws: TensorFileError.self) { try SafetensorsFile(long) }
    let short = scratch.url.appending(path: "short.safetensors")
    try Data([1, 2, 3]).write(to: short)
    #expect(throws: TensorFileError.self) { try SafetensorsFile(short) }
    #expect(throws: TensorFileError.self) { try SafetensorsFile(scratch.url) }
    #expect(throws: TensorFileError.self) { try SafetensorsFile(scratch.url.appending(path: "absent")) }
    #expect(throws: TensorFileError.self) { try WeightFolder(scratch.url) }
  }

  @Test func typesThatNobodyComputesWithAreNamedWhenRead() throws {
    let scratch = try Scratch()
    let url = try scratch.file("f8.safetensors", header: #"{"a":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]}}"#, data: 2)
    let file = try SafetensorsFile(url)
    let error = #expect(throws: TensorFileError.self) { try file.tensor("a") }
    #expect(error?.description.contains("tensor a holds F8_E4M3") == true)
    #expect(throws: TensorFileError.self) { try file.tensor("b") }
  }

  @Test func indexesThatLieAreRefused() throws {
    let scratch = try Scratch()
    try SafetensorsWriter.write([SafetensorsItem("a", try Tensor.ones([1]))], to: scratch.url.appending(path: "s.safetensors"))
    let index = scratch.url.appending(path: "model.safetensors.index.json")
    for text in [
      #"{"weight_map":{"b":"s.safetensors"}}"#, #"{"weight_map":{"a":"../s.safetensors"}}"#, #"{"weight_map":[]}"#, "{",
      #"{"weight_map":{"a":"t.safetensors"}}"#,
    ] {
      try Data(text.utf8).write(to: index)
      #expect(throws: TensorFileError.self, "\(text)") { try WeightFolder(scratch.url) }
    }
    try Data(#"{"weight_map":{"a":"s.safetensors"}}"#.utf8).write(to: index)
    #expect(try WeightFolder(scratch.url).tensor("a").item() == 1)
  }
}
