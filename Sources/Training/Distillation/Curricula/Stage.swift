/// Where visual tokens are dropped, and how many of them student and teacher lose: one draw of a curriculum.
public struct Stage: Sendable, Equatable {
  /// Tokens are dropped before this decoder layer runs, so as many layers see all of them.
  ///
  /// With the decoder's number of layers nothing is dropped.
  public var layer: Int
  /// Fraction of an image's visual tokens that the student loses, 0...1.
  public var studentRatio: Double
  /// Fraction that the teacher loses, at most the student's.
  public var teacherRatio: Double

  /// A stage of the three.
  public init(layer: Int, studentRatio: Double, teacherRatio: Double) {
    self.layer = layer
    self.studentRatio = studentRatio
    self.teacherRatio = teacherRatio
  }
}

/// What a curriculum says about a moment of training before anything is drawn.
///
/// Callers draw from it as often as they like: once for a micro-batch, as the released code does, or once for each sample.
public struct PlannedStage: Sendable, Equatable {
  /// The layer before which tokens are dropped; with as many layers in the decoder, nothing is, and teacher and student are equal.
  public var layer: Int
  /// The student's ratio is uniform in this range.
  public var studentRatios: ClosedRange<Double>
  /// How much smaller the teacher's ratio is (Δ in the paper).
  public var gap: Double
  /// The teacher's ratio does not fall below this, unless the student's own is smaller.
  public var teacherMinimum: Double

  /// A plan of its parts.
  public init(layer: Int, studentRatios: ClosedRange<Double>, gap: Double, teacherMinimum: Double = 0) {
    self.layer = layer
    self.studentRatios = studentRatios
    self.gap = gap
    self.teacherMinimum = teacherMinimum
  }

  /// r_t = max(r_min, r_s − Δ), never above r_s (paper, section on token consistency distillation; r_min is 0 there).
  public func teacherRatio(for studentRatio: Double) -> Double {
    min(studentRatio, max(teacherMinimum, studentRatio - gap))
  }

  /// From the smallest to the largest ratio that the teacher can get.
  public var teacherRatios: ClosedRange<Double> {
    let low = teacherRatio(for: studentRatios.lowerBound)
    return low...max(low, teacherRatio(for: studentRatios.upperBound))
  }

  /// Expected ratio of the student.
  public var meanStudentRatio: Double { (studentRatios.lowerBound + studentRatios.upperBound) / 2 }

  /// Expected ratio of the teacher.
  ///
  /// The teacher's ratio is a line with kinks in the student's, so the mean over each straight piece is that of its ends.
  public var meanTeacherRatio: Double {
    let (low, high) = (studentRatios.lowerBound, studentRatios.upperBound)
    guard high > low else { return teacherRatio(for: low) }
    let kinks = [teacherMinimum, teacherMinimum + gap].filter { low < $0 && $0 < high }.sorted()
    let ends = [low] + kinks + [high]
    let area = zip(ends, ends.dropFirst()).reduce(0) { sum, piece in
      sum + (piece.1 - piece.0) * (teacherRatio(for: piece.0) + teacherRatio(for: piece.1)) / 2
    }
    return area / (high - low)
  }

  /// Draws the student's ratio and derives the teacher's.
  public func draw(using generator: inout some RandomNumberGenerator) -> Stage {
    let student = studentRatios.drawn(using: &generator)
    return Stage(layer: layer, studentRatio: student, teacherRatio: teacherRatio(for: student))
  }
}
