import Foundation

extension Numbers {
  /// A number with so many digits behind the point, correctly rounded as C does.
  static func fixed(_ number: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", number) }
}
