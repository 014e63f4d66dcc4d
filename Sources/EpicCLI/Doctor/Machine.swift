import Basics
import Foundation

/// The processor, memory and load of this machine, as Linux tells them.
struct Machine {
  /// The processor's name; nil where the system does not say it.
  var processor: String?
  /// Sets of instructions that the kernels have variants for, of those that the processor has.
  var instructions: [String] = []
  /// Cores that this process may use.
  var cores = 1
  /// Processes that wait for a core or have one, on the average of the last minute.
  var load: Double?
  /// Bytes of memory, and those that are free or can be freed.
  var memory: (total: Int, available: Int)?

  /// What has a name in `/proc/cpuinfo`, and what people call it.
  private static let names = [
    ("avx2", "AVX2"), ("f16c", "F16C"), ("avx512f", "AVX-512"), ("avx512_vnni", "VNNI"), ("avx_vnni", "VNNI"),
    ("avx512_bf16", "AVX512-BF16"), ("amx_bf16", "AMX-BF16"), ("asimd", "NEON"), ("sve", "SVE"), ("bf16", "BF16"),
  ]

  /// Looks at this machine.
  ///
  /// - Parameter read: gives the text of a file of the system. One that is not there is nil, and what it says stays unknown: other
  ///   systems have no such files.
  init(read: (String) -> String? = { try? String(contentsOfFile: $0, encoding: .utf8) }) {
    cores = ProcessInfo.processInfo.activeProcessorCount
    if let text = read("/proc/cpuinfo") {
      processor = Self.value(of: "model name", in: text)
      let flags = Self.value(of: "flags", in: text) ?? Self.value(of: "Features", in: text) ?? ""
      let words = Set(flags.split(separator: " ").map(String.init))
      for (word, name) in Self.names where words.contains(word) && !instructions.contains(name) { instructions.append(name) }
    }
    load = read("/proc/loadavg").flatMap { $0.split(separator: " ").first }.flatMap { Double($0) }
    if let text = read("/proc/meminfo"), let total = Self.bytes(of: "MemTotal", in: text),
      let available = Self.bytes(of: "MemAvailable", in: text)
    {
      memory = (total, available)
      // A container may have less than the machine.
      let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"].compactMap(read)
      if let limit = limits.lazy.compactMap({ Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }).first, limit < total {
        memory = (limit, min(available, limit))
      }
    }
  }

  /// The value of the first line `name : value`.
  private static func value(of name: String, in text: String) -> String? {
    for line in text.split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
      if parts.count == 2, parts[0] == name { return parts[1] }
    }
    return nil
  }

  private static func bytes(of name: String, in text: String) -> Int? {
    guard let kibibytes = value(of: name, in: text)?.split(separator: " ").first.flatMap({ Int($0) }) else { return nil }
    let (bytes, overflows) = kibibytes.multipliedReportingOverflow(by: 1024)
    return overflows ? nil : bytes
  }

  /// What is to be said of it.
  ///
  /// - Parameter hasNativeBFloat16: whether libtorch multiplies bfloat16 in hardware here.
  func findings(hasNativeBFloat16: Bool) -> [Finding] {
    var found = [
      Finding(
        name: "processor",
        value: ([processor ?? "unknown", cores == 1 ? "1 core" : "\(cores) cores"] + instructions).joined(separator: ", "))
    ]
    found.append(
      hasNativeBFloat16
        ? Finding(name: "bfloat16", value: "multiplied in hardware")
        : Finding(
          name: "bfloat16", value: "not multiplied in hardware", state: .note,
          advice: "train with dtype: float32; for answers bfloat16 takes half of the memory and is read faster"))
    if let load {
      let value = String(format: "%.1f on the average of the last minute", load)
      // One core's worth of other work is what costs two threads most of their speed.
      let isBusy = load >= max(1, Double(cores) / 2)
      found.append(
        Finding(
          name: "load", value: value, state: isBusy ? .note : .good,
          advice: isBusy ? "other programs are at work; --threads \(max(1, cores - Int(load))) may be faster than all cores" : nil
        ))
    }
    if let memory {
      let isShort = memory.available < 2 << 30
      found.append(
        Finding(
          name: "memory", value: "\(formatBytes(memory.available)) of \(formatBytes(memory.total)) free",
          state: isShort ? .note : .good,
          advice: isShort
            ? "epic profile and epic plan say what a model takes before it is loaded; --bits 4 takes a quarter" : nil))
    }
    return found
  }
}
