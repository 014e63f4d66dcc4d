import Foundation
import HubCache

/// Models of the hub, downloaded into the cache that all programs share.
public struct HubDownload: Sendable {
  /// Who asks, and where.
  public let environment: HubEnvironment
  private let policy: RetryPolicy

  /// A download by the environment's rules.
  public init(_ environment: HubEnvironment, policy: RetryPolicy = RetryPolicy()) {
    (self.environment, self.policy) = (environment, policy)
  }

  /// Makes sure that a model's files are in the cache, and says where.
  ///
  /// Only what is missing is downloaded; what was cut off is gone on with, also by another process. Offline, or where the hub does not say
  /// what a revision is, the files that are there serve, if they are complete. The vision tower of a checkpoint in LLaVA's own layout,
  /// which has a repository of its own, comes along.
  /// - Parameters:
  ///   - choice: which files.
  ///   - rechecks: compare files that are there with their hashes, and replace those that are damaged.
  ///   - progress: is told how far the download is, from any thread.
  /// - Throws: `HubError`; `FileError`; `CancellationError`.
  public func pull(
    _ name: HubName, _ choice: FileChoice = .checkpoint, rechecks: Bool = false,
    progress: @escaping @Sendable (DownloadProgress) -> Void = { _ in }
  ) async throws -> Snapshot {
    let repository = CachedRepository(name, in: environment.cache)
    if environment.isOffline { return try repository.wholeSnapshot(choice) }
    // A whole commit never changes, so nobody need be asked.
    if name.isPinned, !rechecks, let whole = try repository.wholeListedSnapshot(choice) { return whole }
    let connection = try HubConnection(environment)
    do {
      let work = PullWork(
        requests: HubRequests(connection: connection, policy: policy, name: name), choice: choice, rechecks: rechecks,
        tally: Tally(name, progress))
      var snapshot = try await pull(work, repository)
      if let tower = try tower(of: snapshot, choice) {
        do {
          snapshot.downloaded += try await pull(tower, choice, rechecks: rechecks, progress: progress).downloaded
        } catch let error as HubError {
          // The weights may hold it; where they do not, whoever reads them says so.
          snapshot.note = "its vision tower is not downloaded: \(error)"
        }
      }
      try await connection.close()
      return snapshot
    } catch {
      try await connection.close()
      throw error
    }
  }

  private func pull(_ work: PullWork, _ repository: CachedRepository) async throws -> Snapshot {
    let name = repository.name
    var commit = name.revision
    if !name.isPinned {
      do {
        commit = try await work.requests.commit()
      } catch let trouble as Trouble {
        return try copy(in: repository, work.choice, after: trouble.error(name, environment))
      }
    }
    do {
      let snapshot = try await work.complete(CachedRepository(name.pinned(to: commit), in: repository.cache))
      try repository.remember(commit)
      return snapshot.named(name, downloaded: work.tally.received)
    } catch let trouble as Trouble {
      throw trouble.error(name, environment)
    }
  }

  /// What the cache has, where the hub does not say what a revision is.
  private func copy(in repository: CachedRepository, _ choice: FileChoice, after failure: HubError) throws -> Snapshot {
    // Who names a revision that is gone does not want another one.
    if case .noRevision = failure.kind { throw failure }
    guard var snapshot = try repository.wholeSnapshotIfAny(choice) else { throw failure }
    snapshot.note = "\(failure.cause); the cache's copy is used, commit \(snapshot.commit.prefix(12))"
    return snapshot
  }

  private func tower(of snapshot: Snapshot, _ choice: FileChoice) throws -> HubName? {
    guard snapshot.files.contains("config.json") else { return nil }
    func data(_ file: String) throws -> Data? {
      snapshot.files.contains(file) ? try Data(contentsOf: snapshot.folder.appending(path: file)) : nil
    }
    let index = try data("model.safetensors.index.json") ?? data("pytorch_model.bin.index.json")
    guard let tower = try choice.tower(configuration: data("config.json") ?? Data(), index: index), tower != snapshot.name,
      // A folder of that name wins wherever it is read.
      !FileManager.default.fileExists(atPath: tower.repository)
    else { return nil }
    return tower
  }
}
