import Basics
import Foundation
import Training

/// What `epic inspect` tells of a run's checkpoint.
struct RunCheckpointReport: Encodable {
  let checkpoint: RunCheckpoint
  /// The checkpoint of the same run from which `--resume` goes on; nil where it lies outside a run's folder.
  let newest: String?
  /// The command that goes on from it; nil where none does.
  let resume: String?

  init(_ checkpoint: RunCheckpoint, in folder: URL) {
    self.checkpoint = checkpoint
    let run = folder.standardizedFileURL.deletingLastPathComponent()
    let name = folder.standardizedFileURL.lastPathComponent
    newest = RunSummary.isOne(run) ? RunFolder(run).checkpoints.last?.url.lastPathComponent : nil
    resume = newest == name ? "epic train --config \(run.appending(path: "configuration.yaml").relativePath) --resume" : nil
  }

  func encode(to encoder: any Encoder) throws {
    try checkpoint.encode(to: encoder)
    var fields = encoder.container(keyedBy: Key.self)
    try fields.encode(newest, forKey: .newest)
    try fields.encode(resume, forKey: .resume)
  }

  private enum Key: CodingKey { case newest, resume }

  /// Lines, each with its heading.
  var lines: [(String, String)] {
    let c = checkpoint
    var lines = [
      ("run", "step \(formatCount(c.step)) of \(formatCount(c.steps)), complete; \(formatDuration(c.seconds)) of training")
    ]
    let adapters = c.loraRank.map { ", adapters of rank \($0)" } ?? ""
    lines.append(("trains", "\(c.parts.joined(separator: ", ")) in \(c.dtype)\(adapters); curriculum \(c.curriculum)"))
    lines.append(
      (
        "processes",
        "\(c.processes), which divided \(c.sharding == "none" || c.processes == 1 ? "nothing" : c.sharding); optimizer's state in \(c.shards) "
          + (c.shards == 1 ? "file" : "files")
      ))
    let files = c.files.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
    lines.append(("files", "\(formatCount(files.count)), \(formatBytes(c.bytes))"))
    for (name, bytes) in files where bytes >= 1 << 10 { lines.append(("", "\(formatBytes(bytes).rightAligned(10))  \(name)")) }
    let ways = c.resumptions.map { "\($0.processes) (\($0.accumulation))" }.joined(separator: ", ")
    if let resume {
      lines.append(("goes on by", resume))
      lines.append(("processes", "that can (batch.accumulation of each): \(ways)"))
    } else if let newest {
      lines.append(("goes on by", "nothing: --resume goes on from \(newest), the newest; remove that to go on from here"))
    } else {
      lines.append(("goes on by", "nothing: it lies outside of its run's folder; as a model it can be trained further"))
    }
    return lines
  }
}

extension RunSummary {
  /// The report for people.
  func text(_ folder: URL) -> String {
    let last = checkpoints.last?.checkpoint
    let state =
      last.map { "step \(formatCount($0.step)) of \(formatCount($0.steps))" } ?? "no checkpoint that can be gone on with"
    var lines = [("run", "\(state); \(formatCount(loggedSteps)) steps logged")]
    if let most = memory?.max(by: { $0.total < $1.total }) { lines.append(("memory", "about \(most.text)")) }
    for entry in checkpoints {
      let what =
        entry.checkpoint.map {
          "complete, \(formatBytes($0.bytes)), \($0.processes == 1 ? "1 process" : "\($0.processes) processes"), curriculum \($0.curriculum)"
        } ?? "damaged: \(oneLine(entry.fault ?? ""))"
      lines.append((entry.name, what))
    }
    for name in unfinished { lines.append((name, "incomplete: being written, or left by a run that was killed")) }
    if let last {
      let ways = last.resumptions.map { "\($0.processes) (\($0.accumulation))" }.joined(separator: ", ")
      lines.append(("goes on by", "epic train --config \(folder.appending(path: "configuration.yaml").relativePath) --resume"))
      lines.append(("processes", "that can (batch.accumulation of each): \(ways)"))
    }
    return lines.map { "\($0.0) ".leftAligned(19) + $0.1 }.joined(separator: "\n")
  }
}
