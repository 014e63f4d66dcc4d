import Foundation
import TestSupport
import Testing

@testable import Training

@Suite struct EventFileTests {
  /// Values known from TensorFlow's own tests (crc32c_test.cc), before masking.
  @Test func checksumsAreCastagnolis() {
    func unmasked(_ bytes: [UInt8]) -> UInt32 {
      let rotated = EventFile.maskedChecksum(bytes) &- 0xa282_ead8
      return rotated >> 17 | rotated << 15
    }
    #expect(unmasked(Array(repeating: 0, count: 32)) == 0x8a91_36aa)
    #expect(unmasked(Array(repeating: 0xff, count: 32)) == 0x62a8_ab43)
    #expect(unmasked((0..<32).map { $0 }) == 0x46dd_794e)
  }

  /// Read back by the package that shows such files.
  @Test func tensorboardReadsWhatWasWritten() async throws {
    struct Scalar: Decodable, Equatable { let tag: String, step: Int, value: Double }
    let scratch = try Scratch()
    var expected: [Scalar] = []
    for part in 0..<2 {
      let file = try EventFile(in: scratch.url, time: Date(timeIntervalSince1970: 1_000 + Double(part)))
      for step in (part * 3 + 1)...(part * 3 + 3) {
        let scalars = [("loss/total", 1 / Double(step)), ("schedule/layer", Double(step) * 1e6), ("gradient/norm", -0.5)]
        try file.append(scalars, step: step)
        expected += scalars.map { Scalar(tag: $0.0, step: step, value: Double(Float($0.1))) }
      }
    }
    let output: String
    do {
      output = try await PythonProgram.run("read_events.py", [scratch.url.path])
    } catch PythonProgram.Failure.unavailable(let reason) {
      print("skipped the comparison with tensorboard: \(reason)")
      try Test.cancel("\(reason)")
    }
    let found = try JSONDecoder().decode([Scalar].self, from: Data(output.utf8))
    func order(_ a: Scalar, _ b: Scalar) -> Bool { (a.step, a.tag) < (b.step, b.tag) }
    #expect(found.sorted(by: order) == expected.sorted(by: order))
  }
}
