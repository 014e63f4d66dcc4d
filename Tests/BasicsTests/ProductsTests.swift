import Foundation
import Testing

/// What documents tell people to import can be imported: it is a product of the package.
@Suite struct ProductsTests {
  private static let swift = "Documentation/Epic.docc/UseFromSwift.md"
  private static let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..")

  private static func names(_ pattern: String, in file: String) throws -> Set<String> {
    let text = try String(contentsOf: root.appending(path: file), encoding: .utf8)
    let found = text.matches(of: try Regex(pattern).anchorsMatchLineEndings()).compactMap {
      $0.output[1].substring.map(String.init)
    }
    return Set(found)
  }

  @Test(arguments: ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "BENCHMARKS.md", "LAB.md", swift])
  func importsAreProducts(_ document: String) throws {
    let products = try Self.names(#"^\s*\.library\(name: "(\w+)", targets: \["\1"\]\),$"#, in: "Package.swift")
    // Those that come with Swift.
    let known = products.union(["Foundation", "Testing"])
    let imports = try Self.names(#"^\s*import (\w+)$"#, in: document)
    #expect(imports.subtracting(known) == [], "\(document)")
    #expect(document != Self.swift || imports.isSuperset(of: ["LLaVA", "Imaging", "Training"]))
    // What is spoken of as a product is one.
    let text = try String(contentsOf: Self.root.appending(path: document), encoding: .utf8)
    let spoken = text.matches(of: /`(\w+)` is a product/).map { String($0.1) }
    #expect(Set(spoken).subtracting(products) == [], "\(document)")
  }
}
