import Torch

/// Seconds since it was made, once the device has finished what it was given.
struct Stopwatch {
  private let device: Device
  private let start = ContinuousClock.now

  init(_ device: Device) { self.device = device }

  func seconds() throws -> Double {
    try device.synchronize()
    return (ContinuousClock.now - start) / .seconds(1)
  }
}
