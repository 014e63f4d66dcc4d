import Testing

@testable import Report

@Suite struct ScaleTests {
  private func scale(_ axis: Chart.Axis, _ values: [Double] = [], count: Int = 6) -> Scale {
    Scale(axis, over: values, from: 0, to: 100, count: count)
  }

  @Test func ticksAreRoundNumbers() {
    #expect(scale(.init(format: .percent, range: 0...1)).labels == ["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"])
    #expect(scale(.init(format: .integer, range: 0...1000), count: 10).labels.last == "1000")
    #expect(scale(.init(format: .integer, range: 0...3), count: 10).labels == ["0", "1", "2", "3"])
    #expect(scale(.init(), [0, 0.9]).labels == ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"])
    #expect(scale(.init(), [-0.01, 0.02]).labels == ["-0.010", "-0.005", "0.000", "0.005", "0.010", "0.015", "0.020"])
    #expect(scale(.init(format: .percent), [0, 0.012]).labels.last == "1.2 %")
  }

  @Test func labelsLeaveRoomForEachOther() {
    for most in [1, 1e3, 1e6, 1e9, 1e12, 1e15] {
      let scale = Scale.readable(.init(format: .integer, range: 0...most), over: [], from: 76, to: 792)
      let places = zip(scale.ticks, scale.labels).map { (scale.position($0), Style.width(of: $1, size: Style.small)) }
      #expect(zip(places, places.dropFirst()).allSatisfy { $0.0 + $0.1 / 2 < $1.0 - $1.1 / 2 }, "\(scale.labels)")
      #expect(scale.labels.count >= 2)
    }
  }

  @Test func valuesLieInsideTheAxis() {
    for values in [[0, 3.7], [-5, -4.9], [0, 1e9], [0, 1e-7], [2, 2], [0, 0], [], [.nan, 1]] as [[Double]] {
      let scale = scale(.init(), values)
      for value in values where value.isFinite { #expect((-1e-6...100 + 1e-6).contains(scale.position(value))) }
      #expect((2...8).contains(scale.ticks.count), "\(values): \(scale.labels)")
      #expect(Set(scale.labels).count == scale.labels.count, "\(scale.labels)")
    }
  }
}
