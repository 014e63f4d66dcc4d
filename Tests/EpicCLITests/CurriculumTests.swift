import Foundation
import FoundationXML
import TestSupport
import Testing

/// `epic curriculum` as it is meant to be used.
@Suite struct CurriculumTests {
  private struct Plan: Decodable {
    struct Point: Decodable {
      let progress: Double
      let step, layer: Int
      let studentMin, studentMax, studentMean, gap, teacherMin, teacherMax, teacherMean: Double
    }
    let curriculum, preset: String
    let layers, steps: Int
    let points: [Point]
    let studentMean, teacherMean: Double
  }

  private func plan(_ arguments: [String]) async throws -> Plan {
    let outcome = try await EpicCommand.run(["curriculum", "--json"] + arguments)
    #expect(outcome.code == 0 && outcome.err == "", "\(outcome.err)")
    return try JSONDecoder().decode(Plan.self, from: Data(outcome.out.utf8))
  }

  @Test func planOfThePaper() async throws {
    let found = try await plan([])
    #expect(found.curriculum == "token" && found.preset == "epic-paper" && found.layers == 32 && found.steps == 1000)
    let last = try #require(found.points.last)
    #expect(last.step == 1000 && last.progress == 1 && last.layer == 2)
    #expect(last.studentMin == 0.5 && last.studentMax == 0.9 && last.gap == 0.3)
    #expect(abs(found.studentMean - 0.3625) < 0.001)
  }

  @Test func flagsReplaceSingleConstants() async throws {
    let found = try await plan([
      "--curriculum", "integrated", "--layers", "12", "--layer", "4", "--stages", "2", "--student-max", "0.2:0.6",
      "--student-min",
      "0.1", "--gap", "0.1:0.3:0.5", "--steps", "40", "--hold", "0.5", "--rounding", "half-even",
    ])
    #expect(found.points.count == 21 && found.points.map(\.step) == Array(stride(from: 0, through: 40, by: 2)))
    // Half of training is held, so the first of two stages takes its first quarter.
    #expect(found.points.map(\.layer) == Array(repeating: 8, count: 5) + Array(repeating: 4, count: 16))
    for point in found.points.suffix(11) {
      #expect(point.studentMin == 0.1 && point.studentMax == 0.6 && point.gap == 0.3)
    }
    let code = try await plan(["--curriculum", "fixed", "--preset", "epic-code", "--steps", "3"])
    #expect(code.points.count == 4 && code.points.allSatisfy { $0.studentMean == 0.889 && $0.teacherMax == 0 })
  }

  @Test func tableIsAligned() async throws {
    let outcome = try await EpicCommand.run(["curriculum", "--curriculum", "layer", "--steps", "10"])
    let lines = outcome.out.split(separator: "\n").map(String.init)
    let table = try #require(lines.firstIndex { $0.contains("progress") })
    #expect(Set(lines[table...table + 11].map(\.count)).count == 1)
    #expect(lines[table + 1].contains("32") && lines[table + 11].contains("100 %"))
    #expect(outcome.out.contains("nothing is dropped"))
  }

  @Test(arguments: [
    ["--curriculum", "layer"], ["--curriculum", "integrated", "--steps", "7"], ["--theory"],
    ["--curriculum", "nested", "--progression", "tokens", "--full-every", "3"], ["--curriculum", "auto", "--steps", "9"],
  ])
  func pictureIsAnImage(_ arguments: [String]) async throws {
    let place = try Scratch()
    let file = place.url.appending(path: "plan.svg")
    let outcome = try await EpicCommand.run(["curriculum", "--svg", file.path] + arguments)
    #expect(outcome.code == 0 && outcome.err == "", "\(outcome.err)")
    let data = try Data(contentsOf: file)
    #expect(XMLParser(data: data).parse())
    let text = String(decoding: data, as: UTF8.self)
    for part in ["prefers-color-scheme:dark", "optimizer step", "<title>"] { #expect(text.contains(part), "\(part)") }
    #expect(!text.contains("nan") && !text.contains("inf"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: place.url.path) == ["plan.svg"])
  }

  @Test func budgetsOfAStepAreListed() async throws {
    struct Plan: Decodable {
      struct Branch: Decodable {
        let role: String
        let layers: [Int]
        let tokensMin, tokensMax: Int
        let towards: [String]
      }
      struct Point: Decodable {
        let step: Int
        let branches: [Branch]
      }
      let preset: String
      let points: [Point]
    }
    func plan(_ arguments: String...) async throws -> Plan {
      let outcome = try await EpicCommand.run(
        ["curriculum", "--json", "--visual-tokens", "144", "--layers", "6", "--layer", "1"] + arguments)
      #expect(outcome.code == 0 && outcome.err == "", "\(outcome.err)")
      return try JSONDecoder().decode(Plan.self, from: Data(outcome.out.utf8))
    }
    let chain = try await plan(
      "--curriculum", "nested", "--teacher", "chain", "--between", "2", "--full-every", "5", "--steps", "8", "--smallest", "9")
    #expect(chain.preset == "epic-nested" && chain.points.map(\.step) == Array(0...8))
    #expect(
      chain.points[0].branches.map(\.tokensMin) == [144, 36, 9, 9] && chain.points[1].branches.map(\.tokensMax) == [144, 36, 9])
    #expect(chain.points[5].branches.map(\.towards) == [[], ["full"], ["between"], ["between"]])
    let auto = try await plan("--curriculum", "auto", "--steps", "40", "--stages", "2")
    #expect(auto.points[0].branches.map(\.tokensMin) == [144, 102, 102] && auto.points.last?.branches[1].layers == [1, 4])
    let table = try await EpicCommand.run(["curriculum", "--curriculum", "nested", "--mix", "--visual-tokens", "144"])
    #expect(table.out.contains("mixed  9 - 144"))
    let wrong = try await EpicCommand.run(["curriculum", "--curriculum", "nested", "--gap", "0.1"])
    #expect(wrong.code == 2 && wrong.err.contains("--gap has no meaning for the curriculum nested"))
  }

  @Test func theoryComparesTwoPaths() async throws {
    struct Theory: Decodable {
      struct Path: Decodable { let parameterVariation, lossVariation, maxLoss, lastParameter, lastLoss: Double }
      let ratio: Double
      let steps: Int
      let direct, progressive: Path
    }
    let outcome = try await EpicCommand.run(["curriculum", "--theory", "--json"])
    let found = try JSONDecoder().decode(Theory.self, from: Data(outcome.out.utf8))
    #expect(found.steps == 200 && abs(found.direct.maxLoss - found.ratio * found.ratio / 2) < 1e-12)
    #expect(found.progressive.lossVariation < found.direct.lossVariation)
    #expect(found.progressive.parameterVariation < found.direct.parameterVariation)
    let text = try await EpicCommand.run(["curriculum", "--theory", "--steps", "50"])
    #expect(text.out.contains("progressive") && text.out.contains("50 steps"))
  }
}
