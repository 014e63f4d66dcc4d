import ArgumentParser
import Foundation
import HubCache

/// Models of the hub, brought into the cache.
struct PullCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pull", abstract: "Download models from the hub into the cache that all programs share.",
    discussion: """
      The files that a checkpoint is read from come, and only those: weights as safetensors where there are any, configuration, tokenizer, \
      chat template, image processor. What was cut off is gone on with; sizes and hashes are compared. Cache, token, address and \
      offline rules are those of Python's huggingface_hub: HF_HUB_CACHE, HF_HOME, HF_TOKEN, HF_ENDPOINT, HF_HUB_OFFLINE and others. \
      Prints the folder of each.

      Example: epic pull llava-hf/llava-1.5-7b-hf
      """)

  @Argument(
    help: ArgumentHelp("Models: org/name, or org/name@revision for a branch, a tag or a commit.", valueName: "name"),
    transform: { try HubName($0) })
  var names: [HubName]

  @Flag(help: "Compare files that are in the cache already with their hashes, and replace those that are damaged.")
  var verify = false

  @Flag(help: "Print one JSON object for each.")
  var json = false

  func run() async throws {
    for name in names {
      let snapshot = try await HubModel(name).pull(rechecks: verify)
      try json ? printJSON(PullReport(snapshot)) : printLine(snapshot.folder.path)
    }
  }
}

/// What `epic pull --json` tells.
private struct PullReport: Encodable {
  let name, revision, commit, folder: String
  let files: [String]
  let bytes, downloadedBytes: Int

  init(_ snapshot: Snapshot) {
    (name, revision) = (snapshot.name.repository, snapshot.name.revision)
    (commit, folder) = (snapshot.commit, snapshot.folder.path)
    (files, bytes, downloadedBytes) = (snapshot.files, snapshot.bytes, snapshot.downloaded)
  }
}
