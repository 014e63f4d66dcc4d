import Basics

/// What results of a laboratory are known by: they count for the grid, bases and data that they follow from, and for no other.
///
/// The texts are written out, as files hold their hashes for good.
extension LabGrid {
  /// Changes with everything that a trained model follows from.
  ///
  /// - Parameter inputs: what the base's weights and the data are known by.
  func trainingFingerprint(of run: LabRun, inputs: String) -> String {
    // A list of one is hashed in the form that it had when the published results were made.
    func hashed(_ value: String) -> String {
      value.hasPrefix("[") && value.hasSuffix("]") && !value.contains(",") ? "- " + value.dropFirst().dropLast() : value
    }
    let training = settings(of: run)?.map { "\($0.key)=\(hashed($0.value))" }.joined(separator: " ") ?? "as it is"
    return Self.hash("\(training) seed \(run.seed ?? -1) \(inputs)")
  }

  /// Changes with everything that a result follows from.
  ///
  /// - Parameter inputs: as for `trainingFingerprint`.
  func fingerprint(of run: LabRun, inputs: String) -> String {
    func list(_ items: [String]) -> String { "[" + items.joined(separator: ", ") + "]" }
    func names(_ names: [String]) -> String { list(names.map { "\"\($0)\"" }) }
    let e = evaluation
    return Self.hash(
      "\(trainingFingerprint(of: run, inputs: inputs)) \(names(e.benchmarks)) \(names(e.compressors)) \(list(e.keep.map(String.init))) "
        + String(e.layer) + (interpolation(of: run).map { " interpolated \($0.weight)" } ?? ""))
  }

  /// What bytes are known by.
  static func hash(_ bytes: some Sequence<UInt8>) -> String { String(StableHash(bytes).value, radix: 16) }

  private static func hash(_ text: String) -> String { hash(text.utf8) }
}
