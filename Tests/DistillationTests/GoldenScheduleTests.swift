import Distillation
import Foundation
import TestSupport
import Testing

/// The released code's schedule, as running it gave it.
@Suite struct GoldenScheduleTests {
  private struct Index: Decodable {
    struct Schedule: Decodable {
      struct Point: Decodable {
        let progress, student_min, student_max, student_mid, teacher_for_min, teacher_for_max, teacher_for_mid: Double
        let teacher_gap: Double?
      }
      struct End: Decodable { let student_max, teacher: Double }
      let points: [Point]
      let progress_above_1, max_steps_0: End
    }
    let schedule: Schedule
  }

  private let schedule: Index.Schedule
  private let curriculum: any StagedCurriculum

  init() throws {
    schedule = try JSONDecoder().decode(Index.self, from: Data(contentsOf: Fixtures.url("distill/index.json"))).schedule
    let token = try CurriculumDefinition.named("token")
    curriculum = try staged(token, token.options(.code))
  }

  @Test func everyPointIsMet() throws {
    for point in try Fixtures.some(schedule.points) {
      let plan = curriculum.plan(at: point.progress)
      #expect(plan.layer == 2)
      for (found, expected) in [
        (plan.studentRatios.lowerBound, point.student_min), (plan.studentRatios.upperBound, point.student_max),
        (plan.meanStudentRatio, point.student_mid), (plan.teacherRatio(for: point.student_min), point.teacher_for_min),
        (plan.teacherRatio(for: point.student_max), point.teacher_for_max),
        (plan.teacherRatio(for: point.student_mid), point.teacher_for_mid), (plan.gap, point.teacher_gap ?? plan.gap),
      ] {
        #expect(abs(found - expected) < 1e-15, "progress \(point.progress): \(found), expected \(expected)")
      }
    }
  }

  @Test func progressIsBounded() {
    for (plan, end) in [
      (curriculum.plan(at: 1.5), schedule.progress_above_1), (curriculum.plan(step: 7, of: 5), schedule.progress_above_1),
      (curriculum.plan(step: 3, of: 0), schedule.max_steps_0), (curriculum.plan(at: -1), schedule.max_steps_0),
      (curriculum.plan(at: .nan), schedule.max_steps_0),
    ] {
      #expect(abs(plan.studentRatios.upperBound - end.student_max) < 1e-15)
      #expect(abs(plan.teacherRatio(for: plan.studentRatios.upperBound) - end.teacher) < 1e-15)
    }
  }
}
