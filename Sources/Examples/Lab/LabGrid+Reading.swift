import Foundation
import Yams

extension LabGrid {
  /// Reads a grid from YAML.
  ///
  /// - Throws: `LabError`, which names everything that is wrong.
  public init(contentsOf url: URL) throws {
    let text: String
    do {
      text = try String(contentsOf: url, encoding: .utf8)
    } catch {
      throw LabError.file(url.relativePath, reason: "cannot be read as UTF-8 text; name the YAML file of the grid")
    }
    try self.init(yaml: text, name: url.relativePath)
  }

  /// Reads a grid.
  ///
  /// - Parameter name: what the text is called in errors.
  /// - Throws: `LabError`.
  public init(yaml text: String, name: String) throws {
    let root: Node?
    do {
      root = try Yams.compose(yaml: text)
    } catch {
      throw LabError.file(name, reason: "is no YAML: " + "\(error)".split(separator: "\n").joined(separator: " "))
    }
    guard let root, root.mapping != nil else {
      throw LabError.file(name, reason: "is no grid; Lab/curricula.yaml is one")
    }
    var reader = GridReader()
    self = reader.grid(root)
    if !reader.problems.isEmpty { throw LabError.grid(name, reader.problems) }
  }
}

/// Reads a grid and collects all problems.
private struct GridReader {
  var problems: [String] = []

  mutating func grid(_ root: Node) -> LabGrid {
    let known = ["data", "bases", "train", "evaluate", "cells", "compare"]
    var found = LabGrid(data: "", bases: [], training: [], evaluation: .init(), cells: [], pairs: [])
    for (key, node) in members(root, "") {
      switch key {
      case "data": found.data = text(node, key)
      case "bases": found.bases = members(node, key).map { base($0, $1) }
      case "train": found.training = settings(node, key)
      case "evaluate": found.evaluation = evaluation(node)
      case "cells": found.cells = members(node, key).map { cell($0, $1) }
      case "compare": found.pairs = pairs(node)
      default: problems.append("\(key) is no key, expected \(known.joined(separator: ", "))")
      }
    }
    if found.data.isEmpty { problems.append("data is missing: name a folder that epic data make has made") }
    if found.bases.isEmpty { problems.append("bases is missing: name a checkpoint to start from") }
    if found.cells.isEmpty { problems.append("cells is missing: name a way of training") }
    if found.evaluation.benchmarks.isEmpty { problems.append("evaluate.benchmarks is missing: name some") }
    for pair in found.pairs {
      for name in [pair.first, pair.second] where !found.cells.contains(where: { $0.name == name }) {
        problems.append("compare names \(name), which is no cell")
      }
    }
    for cell in found.cells {
      guard let of = cell.interpolation?.of else { continue }
      if !found.cells.contains(where: { $0.name == of && $0.training != nil && $0.interpolation == nil }) {
        problems.append("cells.\(cell.name).of names \(of), which is no cell that trains")
      }
    }
    for reserved in ["model", "output", "seed", "data.file", "data.images", "data.sources", "threads", "device"] {
      let places =
        [("train", found.training)] + found.bases.map { ("bases.\($0.name).train", $0.training) }
        + found.cells.map { ("cells.\($0.name)", $0.training ?? []) }
      for (place, settings) in places where settings.contains(where: { $0.key == reserved }) {
        problems.append("\(place).\(reserved) is given by the laboratory itself; take it out")
      }
    }
    return found
  }

  private func line(_ node: Node) -> String { node.mark.map { " (line \($0.line))" } ?? "" }

  private mutating func members(_ node: Node, _ path: String) -> [(String, Node)] {
    guard let mapping = node.mapping else {
      problems.append("\(path) is no list of names with values\(line(node))")
      return []
    }
    return mapping.map { ($0.key.string ?? "?", $0.value) }
  }

  private mutating func text(_ node: Node, _ path: String) -> String {
    guard let text = node.scalar?.string, !text.isEmpty else {
      problems.append("\(path) is no text\(line(node))")
      return ""
    }
    return text
  }

  private mutating func integers(_ node: Node, _ path: String, from low: Int) -> [Int] {
    let values = node.sequence.map { $0.map(\.int) } ?? [node.int]
    let found = values.compactMap { value in value.flatMap { $0 >= low ? $0 : nil } }
    if found.count < values.count || found.isEmpty || Set(found).count < found.count {
      problems.append("\(path) is no list of different whole numbers from \(low)\(line(node))")
    }
    return found
  }

  private mutating func texts(_ node: Node, _ path: String) -> [String] {
    let nodes: [Node] = node.sequence.map { Array($0) } ?? [node]
    return nodes.map { text($0, path) }
  }

  private mutating func base(_ name: String, _ node: Node) -> LabGrid.Base {
    var found = LabGrid.Base(name: name, model: "", seeds: [])
    for (key, value) in members(node, "bases.\(name)") {
      switch key {
      case "model": found.model = text(value, "bases.\(name).model")
      case "seeds": found.seeds = integers(value, "bases.\(name).seeds", from: 0)
      case "bed": found.bed = text(value, "bases.\(name).bed")
      case "file": found.file = text(value, "bases.\(name).file")
      case "train": found.training = settings(value, "bases.\(name).train")
      default: problems.append("bases.\(name).\(key) is no key, expected model, seeds, bed, file, train\(line(value))")
      }
    }
    if found.model.isEmpty { problems.append("bases.\(name).model is missing: name a checkpoint folder") }
    if found.seeds.isEmpty { problems.append("bases.\(name).seeds is missing: list some numbers") }
    return found
  }

  private mutating func settings(_ node: Node, _ path: String) -> [LabGrid.Setting] {
    members(node, path).compactMap { key, value in
      // One line, as `epic train --set` takes it.
      do {
        let text = try Yams.serialize(node: Self.inFlow(value), width: -1).trimmingCharacters(in: .whitespacesAndNewlines)
        // A document's end mark comes with bare scalars.
        return LabGrid.Setting(key: key, value: text.split(separator: "\n").first.map(String.init) ?? "")
      } catch {
        problems.append("\(path).\(key) is no value of YAML, \(error)\(line(value))")
        return nil
      }
    }
  }

  /// A list with its elements on one line, however it is written in the file.
  private static func inFlow(_ node: Node) -> Node {
    node.sequence.map { .sequence(Node.Sequence($0.map(inFlow), Tag(.seq), .flow)) } ?? node
  }

  private mutating func cell(_ name: String, _ node: Node) -> LabGrid.Cell {
    if name.contains(where: { !($0.isLetter || $0.isNumber || $0 == "-") }) {
      problems.append("cells.\(name): a name has letters, digits and hyphens only\(line(node))")
    }
    if node.mapping?.count == 1, node.mapping?["train"]?.bool == false { return LabGrid.Cell(name: name, training: nil) }
    guard let of = node.mapping?["of"] else { return LabGrid.Cell(name: name, training: settings(node, "cells.\(name)")) }
    let weight = node.mapping?["interpolate"]?.float
    if node.mapping?.count != 2 || !(weight.map { $0 > 0 && $0 < 1 } ?? false) {
      problems.append("cells.\(name): expected of and interpolate alone, as in {of: tcd, interpolate: 0.7}\(line(node))")
    }
    return LabGrid.Cell(
      name: name, training: [], interpolation: .init(of: text(of, "cells.\(name).of"), weight: weight ?? 0))
  }

  private mutating func evaluation(_ node: Node) -> LabGrid.Evaluation {
    var found = LabGrid.Evaluation()
    for (key, value) in members(node, "evaluate") {
      switch key {
      case "benchmarks": found.benchmarks = texts(value, "evaluate.benchmarks")
      case "compressors": found.compressors = texts(value, "evaluate.compressors")
      case "keep": found.keep = integers(value, "evaluate.keep", from: 0)
      case "layer": found.layer = integers(value, "evaluate.layer", from: 1).first ?? 2
      default:
        problems.append("evaluate.\(key) is no key, expected benchmarks, compressors, keep, layer\(line(value))")
      }
    }
    return found
  }

  private mutating func pairs(_ node: Node) -> [LabGrid.Pair] {
    guard let list = node.sequence else {
      problems.append("compare is no list of pairs of cells\(line(node))")
      return []
    }
    return list.compactMap { entry in
      guard let names = entry.sequence?.compactMap(\.string), names.count == 2 else {
        problems.append("compare has an entry that is no pair of cells, as in [tcd, direct]\(line(entry))")
        return nil
      }
      return LabGrid.Pair(first: names[0], second: names[1])
    }
  }
}
