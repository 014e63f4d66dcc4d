import Basics
import Training

extension MemoryEstimate {
  /// All of it, when, and each part: "2.0 GiB at its most, at the loss: weights 243.8 MiB, …".
  var text: String {
    let parts = Part.allCases.compactMap { part in self.parts[part].map { "\(part.rawValue) \(formatBytes($0))" } }
    return "\(formatBytes(total)) at its most, \(peak.text): \(parts.joined(separator: ", "))"
  }
}

extension MemoryEstimate.Moment {
  /// When that is, in words.
  var text: String {
    switch self {
    case .loading: "before the first step"
    case .encoding: "in the tower"
    case .teaching: "in the teacher's pass"
    case .loss: "at the loss"
    case .forward: "after the forward pass"
    case .backward: "in the backward pass"
    case .exchange: "as gradients are exchanged"
    case .update: "as weights change"
    }
  }
}
