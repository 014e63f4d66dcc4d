import Foundation
import Imaging
import Synchronization
import TestSupport
import Testing

@testable import Training

@Suite struct DataReadAheadTests {
  @Test func resultsComeInOrderAndNoneTooEarly() throws {
    var random = SplitMix(seed: 8)
    for _ in 0..<200 {
      let (count, workers, ahead) = (
        Int.random(in: 0...60, using: &random), Int.random(in: 1...6, using: &random), Int.random(in: 1...9, using: &random)
      )
      let spins = (0..<count).map { _ in Int.random(in: 0...2000, using: &random) }
      let reader = ReadAhead((0..<count).makeIterator(), workers: workers, ahead: ahead) { input in
        // Uneven work, so that workers finish out of order.
        (0..<spins[input]).reduce(input) { ($0 &* 31) &+ $1 } == .min ? -1 : input
      }
      var results: [Int] = []
      while let result = try reader.next() {
        results.append(result)
        #expect(reader.taken <= results.count + ahead)
      }
      #expect(results == Array(0..<count))
      reader.join()
    }
  }

  private struct Bad: Error, Equatable { let input: Int }

  @Test func errorsComeWhereTheyBelong() throws {
    let reader = ReadAhead((0..<20).makeIterator(), workers: 4, ahead: 10) { input in
      if input % 7 == 6 { throw Bad(input: input) }
      return input
    }
    for input in 0..<20 {
      if input % 7 == 6 {
        #expect(throws: Bad(input: input)) { try reader.next() }
      } else {
        #expect(try reader.next() == input)
      }
    }
    #expect(try reader.next() == nil)
  }

  /// Workers that have endless work end, with nothing taken beyond what they had in hand.
  @Test func cancellingEndsTheWorkers() throws {
    for workers in 1...4 {
      let reader = ReadAhead(Counter(), workers: workers, ahead: 3) { $0 }
      for expected in 0..<5 { #expect(try reader.next() == expected) }
      reader.cancel()
      reader.join()
      #expect(reader.taken <= 8)
      #expect(throws: CancellationError.self) { try reader.next() }
    }
  }

  /// Whoever waits for a result that does not come is woken by cancelling.
  @Test func cancellingWakesWhoWaits() async throws {
    let gate = DispatchSemaphore(value: 0)
    let begun = DispatchSemaphore(value: 0)
    let reader = ReadAhead((0..<1).makeIterator(), workers: 1, ahead: 1) { input in
      begun.signal()
      gate.wait()
      return input
    }
    let thread = Thread {
      begun.wait()
      reader.cancel()
    }
    thread.start()
    #expect(throws: CancellationError.self) { try reader.next() }
    gate.signal()
    reader.join()
  }

  /// Letting go of a reader ends its workers: nobody holds on to what their work holds.
  @Test func lettingGoEndsTheWorkers() async throws {
    final class Held: Sendable {
      let gone: DispatchSemaphore
      init(_ gone: DispatchSemaphore) { self.gone = gone }
      deinit { gone.signal() }
    }
    let gone = DispatchSemaphore(value: 0)
    do {
      let held = Held(gone)
      let reader = ReadAhead((0..<Int.max).makeIterator(), workers: 2, ahead: 2) { input in withExtendedLifetime(held) { input } }
      #expect(try reader.next() == 0)
    }
    #expect(gone.wait(timeout: .now() + 60) == .success)
  }
}

/// 0, 1, 2 and so on without end.
private struct Counter: IteratorProtocol, Sendable {
  private var number = 0

  mutating func next() -> Int? {
    defer { number += 1 }
    return number
  }
}
