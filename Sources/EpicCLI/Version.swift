import Torch

/// What `epic --version` prints.
enum Version {
  static let number = "0.1.0"

  static var text: String {
    let gpus = Device.cudaCount
    return "epic \(number), libtorch \(Runtime.loadedVersion), \(gpus == 0 ? "no GPU" : "\(gpus) GPU\(gpus == 1 ? "" : "s")")"
  }
}
