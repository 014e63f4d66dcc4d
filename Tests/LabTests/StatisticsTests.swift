import Foundation
import Testing

@testable import Lab

/// The paired test against tables and the integral of the density.
@Suite struct StatisticsTests {
  @Test func probabilitiesAreStudents() throws {
    // Quantiles of Student's distribution, two-sided 5 % and 1 %.
    for (freedom, five, one) in [(1, 12.7062, 63.6567), (2, 4.30265, 9.92484), (4, 2.77645, 4.60409), (9, 2.26216, 3.24984)] {
      for (t, p) in [(five, 0.05), (one, 0.01)] {
        let found = PairedTest.incompleteBeta(Double(freedom) / (Double(freedom) + t * t), Double(freedom) / 2, 0.5)
        #expect(abs(found - p) < 1e-5, "\(freedom) \(t)")
      }
    }
    // The density of 4 degrees of freedom, integrated numerically beyond t.
    let test = PairedTest([1.2, 0.4, -0.3, 2.1, 0.9])
    #expect(abs(try #require(test.probability) - 0.0984246) < 1e-6)
    #expect(abs(test.mean - 0.86) < 1e-12 && test.above == 4 && test.below == 1)
  }

  @Test func betaHasItsClosedForms() {
    for x in [0.01, 0.2, 0.5, 0.77, 0.99] {
      #expect(abs(PairedTest.incompleteBeta(x, 1, 1) - x) < 1e-12)
      #expect(abs(PairedTest.incompleteBeta(x, 2, 1) - x * x) < 1e-12)
      #expect(abs(PairedTest.incompleteBeta(x, 1, 3) - (1 - pow(1 - x, 3))) < 1e-12)
      #expect(abs(PairedTest.incompleteBeta(x, 0.5, 0.5) - 2 / Double.pi * asin(x.squareRoot())) < 1e-10)
    }
  }

  @Test func fewDifferencesAreNoEvidence() {
    #expect(PairedTest([]).probability == nil && PairedTest([3]).probability == nil)
    #expect(PairedTest([2, 2]).probability == 0 && PairedTest([0, 0]).probability == 1)
    #expect(PairedTest([1, 3]).deviation == 2.0.squareRoot())
  }
}
