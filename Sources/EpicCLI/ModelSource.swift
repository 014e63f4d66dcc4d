import ArgumentParser
import Basics
import Foundation
import Hub
import HubCache

/// What a command line names a model by: a folder, a GGUF file, or a name on the hub.
///
/// What is there always wins.
struct ModelSource: ExpressibleByArgument, Hashable, Sendable {
  let text: String

  init(argument: String) { text = argument }

  /// The folder, downloaded first where the text is a name on the hub, and converted first where it is a GGUF file with its projector beside it.
  ///
  /// - Throws: `HubError`, `FileError`, or an error that says that neither a folder nor a name was found; what converting throws.
  func folder(_ choice: FileChoice = .checkpoint) async throws -> URL {
    let found = try await place(choice)
    return try ConvertedGGUF.folder(of: found) ?? found
  }

  /// The folder or file as it is, downloaded first where the text is a name on the hub.
  ///
  /// - Throws: as ``folder(_:)``.
  func place(_ choice: FileChoice = .checkpoint) async throws -> URL {
    let folder = URL(fileURLWithPath: text)
    // Whoever reads a path that is not there says so.
    if text.isEmpty || HubName.isPath(text) || FileManager.default.fileExists(atPath: folder.path) { return folder }
    do {
      return try await HubModel(HubName(text)).pull(choice).folder
    } catch let error as HubError {
      switch error.kind {
      case .notAName, .unknown, .offline, .unreachable:
        throw InputError(description: "\(text): no such folder, and as a name on the hub it \(error.sentence)")
      default: throw error
      }
    }
  }
}

extension ModelSource {
  /// The path of the folder, as it was named where it is no name on the hub.
  func path() async throws -> String {
    let folder = try await folder()
    return folder.path == URL(fileURLWithPath: text).path ? text : folder.path
  }
}

extension ArgumentHelp {
  /// What an option says whose value is a `ModelSource`.
  static func model(_ text: String) -> ArgumentHelp {
    ArgumentHelp(
      "\(text): a folder, a GGUF file with its mmproj beside it, or org/name[@revision] on the hub.", valueName: "model")
  }
}

/// A model on the hub, downloaded with a line that shows how far it is.
struct HubModel {
  private let name: HubName

  init(_ name: HubName) { self.name = name }

  /// The snapshot, downloaded where it is not in the cache.
  func pull(_ choice: FileChoice = .checkpoint, rechecks: Bool = false) async throws -> Snapshot {
    let environment = try HubEnvironment()
    let line = ProgressLine()
    defer { line.clear() }
    let rate = DownloadRate()
    let snapshot = try await HubDownload(environment).pull(name, choice, rechecks: rechecks) { progress in
      if environment.showsProgress { line.show { rate.text(progress) } }
    }
    line.clear()
    printNote(snapshot.note.map { "\(name): \($0)" })
    return snapshot
  }
}

/// How fast a download is.
struct DownloadRate {
  private let start = ContinuousClock.now

  /// "org/name: 1.2 GiB of 13.2 GiB (9 %), 52.0 MiB/s, 4 min left".
  func text(_ progress: DownloadProgress) -> String {
    let share = progress.done * 100 / max(1, progress.total)
    let begin = "\(progress.name): \(formatBytes(progress.done)) of \(formatBytes(progress.total)) (\(share) %)"
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    guard seconds > 1, progress.received > 0 else { return begin }
    let rate = Double(progress.received) / seconds
    let left = Double(max(0, progress.total - progress.done)) / rate
    return begin + ", \(formatBytes(Int(rate)))/s, \(formatDuration(left)) left"
  }
}
