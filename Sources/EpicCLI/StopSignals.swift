import Foundation
import Synchronization

private let stopsAskedFor = Atomic<Int>(0)

/// SIGINT and SIGTERM as a request to come to an end.
///
/// A second one ends the program at once, for those who cannot wait for the step.
struct StopSignals {
  /// Takes the signals over for the rest of the program.
  init() {
    for number in [SIGINT, SIGTERM] {
      signal(number) { number in
        stopsAskedFor.add(1, ordering: .relaxed)
        signal(number, SIG_DFL)
      }
    }
  }

  /// Whether one has come.
  var haveCome: Bool { stopsAskedFor.load(ordering: .relaxed) > 0 }
}
