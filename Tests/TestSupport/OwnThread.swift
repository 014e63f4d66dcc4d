import Dispatch
import Foundation
import Synchronization

/// A thread for what must not wait for other tests.
///
/// Tests that compute hold the threads that tasks run on, for a minute at times. What stops a program at a certain moment would come too late.
final class OwnThread: TaskExecutor {
  static let shared = OwnThread()

  private let jobs = Mutex<[UnownedJob]>([])
  private let count = DispatchSemaphore(value: 0)

  private init() {
    Thread.detachNewThread { [self] in
      while true {
        count.wait()
        let job = jobs.withLock { $0.removeFirst() }
        job.runSynchronously(on: asUnownedTaskExecutor())
      }
    }
  }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    jobs.withLock { $0.append(job) }
    count.signal()
  }
}
