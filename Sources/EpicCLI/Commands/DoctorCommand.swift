import ArgumentParser
import Basics
import Demo
import Foundation
import HubCache
import Torch

/// What this machine has, and what to do about what it has not.
struct DoctorCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor", abstract: "Say what this machine has, which kernels are used, and what is missing.",
    discussion: """
      Looks at the program, the processor, memory, GPUs, the kernels (compared with libtorch on random numbers), the embedded models, and \
      the hub's cache. An arrow says what to do. Nothing is written, and nothing is sent. Ends with exit code 1 where something does not \
      work.

      Example: epic doctor
      """)

  @Flag(help: "Print one JSON object.")
  var json = false

  func run() async throws {
    let findings =
      program + Machine().findings(hasNativeBFloat16: Runtime.hasNativeBFloat16) + [threads, gpus] + exchange + [kernels, models]
      + hub
    if json {
      try printJSON(["findings": findings])
    } else {
      let width = findings.map(\.name.count).max() ?? 0
      for line in findings.flatMap({ $0.lines(width: width) }) { try printLine(line) }
      let problems = findings.count { $0.state == .problem }
      try printLine(problems == 0 ? "\nEverything works." : "\n\(problems) of \(findings.count) do not work; see the arrows.")
    }
    if findings.contains(where: { $0.state == .problem }) { throw ExitCode(1) }
  }

  private var program: [Finding] {
    let (loaded, built) = (Runtime.loadedVersion, Runtime.builtVersion)
    let isSame = loaded == built
    return [
      Finding(name: "epic", value: Version.number),
      Finding(
        name: "libtorch", value: isSame ? loaded : "\(loaded), built with \(built)", state: isSame ? .good : .problem,
        advice: isSame ? nil : "unset LD_LIBRARY_PATH, or build again with this libtorch (make build)"),
    ]
  }

  private var threads: Finding {
    let count = Runtime.threads
    return Finding(
      name: "threads", value: count == 1 ? "1 unless --threads says otherwise" : "\(count) unless --threads says otherwise")
  }

  private var gpus: Finding {
    let count = Device.cudaCount
    return count == 0
      ? Finding(
        name: "GPU", value: "none that this libtorch uses", state: .note,
        advice: "with an NVIDIA GPU, set LIBTORCH to a libtorch built for CUDA and build again")
      : Finding(name: "GPU", value: "\(count), as --device cuda\(count > 1 ? " to cuda:\(count - 1)" : "")")
  }

  /// Whether GPUs exchange tensors, which several processes need to train together.
  private var exchange: [Finding] {
    guard Device.cudaCount > 0 else { return [] }
    do {
      let group = try ProcessGroup(
        host: "127.0.0.1", port: 0, serves: true, rank: 0, count: 1, prefix: "doctor", timeout: 30)
      try group.joinGPUs()
      let found = try group.allReduce(Tensor([Float(3)], [1]).to(.cuda(0)), .sum).wait().array(Float.self)
      guard found == [3] else { throw TorchError.operatorFailed(name: "all-reduce", message: "one process has \(found) of 3") }
      return [Finding(name: "NCCL", value: "carries tensors between GPUs")]
    } catch {
      return [
        Finding(
          name: "NCCL", value: oneLine(describe(error)), state: .note,
          advice: "one GPU works; several do not train together until then")
      ]
    }
  }

  private var kernels: Finding {
    do {
      return try KernelCheck.finding()
    } catch {
      return Finding(
        name: "kernels", value: oneLine(describe(error)), state: .problem, advice: "report it with this output")
    }
  }

  private var models: Finding {
    do {
      return Finding(name: "models", value: "embedded ones in \(try DemoCheckpoints.folder().relativePath)")
    } catch {
      return Finding(
        name: "models", value: "embedded ones are missing", state: .problem, advice: oneLine(describe(error)))
    }
  }

  private var hub: [Finding] {
    let hub: HubEnvironment
    do {
      hub = try HubEnvironment()
    } catch {
      return [
        Finding(
          name: "hub", value: oneLine(describe(error)), state: .problem, advice: "epic pull and hub names do not work until then")
      ]
    }
    let access = hub.isOffline ? "not asked, as HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set" : hub.endpoint
    let token = hub.token == nil ? "no token" : "with a token"
    return [
      Finding(
        name: "hub", value: "\(access), \(token)", state: hub.isOffline ? .note : .good,
        advice: hub.isOffline ? "models that are in the cache work; unset it to download others" : nil),
      cache(hub.cache),
    ]
  }

  /// The folder of the hub's models, and how much fits in.
  private func cache(_ folder: URL) -> Finding {
    // The folder is made with the first model; what holds it tells how much is free.
    var place = folder.standardizedFileURL
    let files = FileManager.default
    while !files.fileExists(atPath: place.path), place.path != "/" { place.deleteLastPathComponent() }
    do {
      let free = (try files.attributesOfFileSystem(forPath: place.path)[.systemFreeSize] as? NSNumber)?.intValue ?? 0
      // A model of 7B in bfloat16 takes 14 GB.
      let isShort = free < 20 << 30
      return Finding(
        name: "cache", value: "\(folder.path), \(formatBytes(free)) free", state: isShort ? .note : .good,
        advice: isShort ? "a model of 7B takes 14 GB; HF_HUB_CACHE names another folder" : nil)
    } catch {
      return Finding(
        name: "cache", value: "\(folder.path): \(oneLine(describe(error)))", state: .problem,
        advice: "HF_HUB_CACHE names another folder")
    }
  }
}
