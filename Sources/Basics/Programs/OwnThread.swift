import Dispatch
import Foundation
import Synchronization

/// A thread for tasks that must not wait for others.
///
/// What computes holds the threads that tasks usually run on, for minutes at times. The thread lives as long as the program.
///
/// ```swift
/// Task(executorPreference: OwnThread()) { try await answerRequests() }
/// ```
public final class OwnThread: TaskExecutor {
  private let jobs = Mutex<[UnownedJob]>([])
  private let count = DispatchSemaphore(value: 0)

  /// Begins the thread.
  public init() {
    Thread.detachNewThread { [self] in
      while true {
        count.wait()
        let job = jobs.withLock { $0.removeFirst() }
        job.runSynchronously(on: asUnownedTaskExecutor())
      }
    }
  }

  /// Runs a job when those before it have run.
  public func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    jobs.withLock { $0.append(job) }
    count.signal()
  }
}
