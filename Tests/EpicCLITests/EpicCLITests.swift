import Testing

@testable import EpicCLI

@Test func placeholder() {}
