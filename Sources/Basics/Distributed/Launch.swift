import Foundation

/// How this process was started beside others: by torchrun, Slurm, or the variables that Kubernetes' operators set.
public struct Launch: Sendable, Equatable {
  /// Its number, from 0.
  public var rank: Int
  /// Processes in all.
  public var count: Int
  /// Its number among those of its machine, from 0.
  public var localRank: Int
  /// Where they find each other.
  public var host: String, port: Int
  /// Whether another program serves the store there; else rank 0 does.
  public var hasStore: Bool
  /// Tells attempts apart that share a store.
  public var attempt: String

  /// How the process was started; nil for one that is alone.
  ///
  /// `RANK`, `WORLD_SIZE`, `MASTER_ADDR` and `MASTER_PORT` come from torchrun and from Kubernetes' training operators; `SLURM_PROCID`,
  /// `SLURM_NTASKS` and the node list from srun, where `MASTER_ADDR` and `MASTER_PORT` may say where to meet. `LOCAL_RANK` and `SLURM_LOCALID`
  /// number the processes of a machine; where neither is set, each process is the only one of its machine.
  ///
  /// - Throws: `CommunicatorError.variable`.
  public init?(_ environment: [String: String] = ProcessInfo.processInfo.environment) throws(CommunicatorError) {
    func number(_ name: String, _ range: ClosedRange<Int>) throws(CommunicatorError) -> Int? {
      guard let text = environment[name], !text.isEmpty else { return nil }
      guard let value = Int(text), range.contains(value) else {
        throw .variable(name: name, value: text, expected: "\(range.lowerBound)...\(range.upperBound)")
      }
      return value
    }
    func required(_ name: String, beside other: String) throws(CommunicatorError) -> String {
      guard let text = environment[name], !text.isEmpty else {
        throw .variable(name: name, value: "absent", expected: "a value, as \(other) is set")
      }
      return text
    }
    let most = 1 << 16
    if let count = try number("WORLD_SIZE", 1...most), environment["RANK"] != nil || count > 1 {
      guard let rank = try number("RANK", 0...count - 1) else {
        throw .variable(name: "RANK", value: "absent", expected: "0...\(count - 1), as WORLD_SIZE is \(count)")
      }
      if count == 1 { return nil }
      (self.rank, self.count) = (rank, count)
      localRank = try number("LOCAL_RANK", 0...count - 1) ?? 0
      host = try required("MASTER_ADDR", beside: "WORLD_SIZE")
      guard let port = try number("MASTER_PORT", 1...65_535) else {
        throw .variable(name: "MASTER_PORT", value: "absent", expected: "1...65535, as WORLD_SIZE is set")
      }
      self.port = port
      hasStore = environment["TORCHELASTIC_USE_AGENT_STORE"]?.lowercased() == "true"
      attempt = environment["TORCHELASTIC_RESTART_COUNT"] ?? "0"
      return
    }
    // A batch script has SLURM_NTASKS too; only what srun starts has a step.
    guard environment["SLURM_STEP_ID"] != nil, let count = try number("SLURM_NTASKS", 1...most), count > 1 else { return nil }
    guard let rank = try number("SLURM_PROCID", 0...count - 1) else {
      throw .variable(name: "SLURM_PROCID", value: "absent", expected: "0...\(count - 1), as SLURM_NTASKS is \(count)")
    }
    (self.rank, self.count, hasStore) = (rank, count, false)
    localRank = try number("SLURM_LOCALID", 0...count - 1) ?? 0
    let nodes = environment["SLURM_STEP_NODELIST"] ?? environment["SLURM_JOB_NODELIST"] ?? ""
    guard let first = environment["MASTER_ADDR"] ?? Self.firstNode(nodes) else {
      throw .variable(name: "SLURM_STEP_NODELIST", value: nodes, expected: "a list of hosts, or MASTER_ADDR beside it")
    }
    host = first
    // The same on all ranks, and seldom that of another job on the node.
    let job = try number("SLURM_JOB_ID", 0...Int.max)
    let meeting = try number("MASTER_PORT", 1...65_535)
    port = meeting ?? 20_000 + (job ?? 0) % 20_000
    attempt = environment["SLURM_RESTART_COUNT"] ?? "0"
  }

  /// The first host of Slurm's list, as `node[08-11,13],login`: node08.
  static func firstNode(_ list: String) -> String? {
    guard let open = list.firstIndex(of: "["), !list[..<open].contains(",") else {
      let name = list.prefix { $0 != "," }
      return name.isEmpty ? nil : String(name)
    }
    guard let close = list[open...].firstIndex(of: "]") else { return nil }
    let first = list[list.index(after: open)..<close].prefix { $0 != "," && $0 != "-" }
    let rest = list[list.index(after: close)...].prefix { $0 != "," }
    return first.isEmpty ? nil : String(list[..<open] + first + rest)
  }
}
