import Foundation
import TestSupport
import Testing

@testable import EpicCLI

/// `epic doctor`: what it reads from the system's files, and what it says.
@Suite struct DoctorTests {
  /// A machine as its files describe it.
  private static func machine(_ files: [String: String]) -> Machine { Machine { files[$0] } }

  private static let memory = "MemTotal:       2097152 kB\nMemFree:         100 kB\nMemAvailable:   1048576 kB\n"

  @Test func readsTheSystemsFiles() {
    let info = "processor\t: 0\nmodel name\t: A CPU @ 2 GHz\nflags\t\t: fpu sse2 avx2 f16c avx512f avx512_vnni avx_vnni\n\n"
    let found = Self.machine(["/proc/cpuinfo": info, "/proc/loadavg": "0.25 1 2 1/3 7\n", "/proc/meminfo": Self.memory])
    #expect(found.processor == "A CPU @ 2 GHz" && found.instructions == ["AVX2", "F16C", "AVX-512", "VNNI"])
    #expect(found.load == 0.25 && found.memory?.total == 2 << 30 && found.memory?.available == 1 << 30)
    let arm = Self.machine(["/proc/cpuinfo": "processor : 0\nFeatures : fp asimd bf16\n"])
    #expect(arm.processor == nil && arm.instructions == ["NEON", "BF16"] && arm.memory == nil)
    // What is not there, or cannot be, stays unknown.
    let none = Self.machine([:])
    #expect(none.instructions == [] && none.load == nil && none.memory == nil && none.cores > 0)
    #expect(Self.machine(["/proc/meminfo": "MemTotal: 9223372036854775807 kB\nMemAvailable: 1 kB\n"]).memory == nil)
  }

  @Test func aContainersLimitCounts() {
    for (text, total, available) in [("max\n", 2 << 30, 1 << 30), ("536870912\n", 512 << 20, 512 << 20)] {
      let found = Self.machine(["/proc/meminfo": Self.memory, "/sys/fs/cgroup/memory.max": text])
      #expect(found.memory?.total == total && found.memory?.available == available, "\(text)")
    }
  }

  @Test func saysWhatToDo() throws {
    var machine = Self.machine(["/proc/loadavg": "1.5 1 1 1/2 3", "/proc/meminfo": Self.memory])
    machine.cores = 2
    let findings = machine.findings(hasNativeBFloat16: false)
    #expect(findings.map(\.name) == ["processor", "bfloat16", "load", "memory"])
    #expect(findings.map(\.state) == [.good, .note, .note, .note])
    #expect(findings[2].advice?.contains("--threads 1") == true)
    machine.load = 0.2
    #expect(machine.findings(hasNativeBFloat16: true).prefix(3).allSatisfy { $0.state == .good && $0.advice == nil })
    #expect(Finding(name: "a", value: "b", state: .problem, advice: "c").lines(width: 3) == ["! a    b", "       → c"])
  }

  /// Those of this processor.
  @Test func kernelsAgree() throws {
    #expect(try KernelCheck.finding().state == .good)
  }

  private struct Report: Decodable {
    struct Entry: Decodable { let name, value, state: String }
    let findings: [Entry]
  }

  @Test func theCommandEndsByWhatItFound() async throws {
    let scratch = try Scratch()
    let cache = scratch.url.appending(path: "not/there/yet").path
    let well = try await EpicCommand.run(
      ["doctor", "--json"], environment: ["HF_HUB_CACHE": cache, "HF_ENDPOINT": "https://hub.example"])
    #expect(well.code == 0 && well.err == "", "\(well.err)")
    let found = try JSONDecoder().decode(Report.self, from: Data(well.out.utf8)).findings
    #expect(Set(found.map(\.name)).isSuperset(of: ["epic", "libtorch", "threads", "GPU", "kernels", "models", "hub", "cache"]))
    #expect(found.first { $0.name == "cache" }?.value.hasPrefix(cache) == true)
    #expect(!FileManager.default.fileExists(atPath: scratch.url.appending(path: "not").path))

    let ill = try await EpicCommand.run(["doctor"], environment: ["HF_ENDPOINT": "no address"])
    #expect(ill.code == 1 && ill.err == "" && ill.out.contains("! hub") && ill.out.contains("HF_ENDPOINT"), "\(ill.out)")
    #expect(ill.out.contains("do not work; see the arrows"))
  }
}
