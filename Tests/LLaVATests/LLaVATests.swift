import Testing

@testable import LLaVA

@Test func placeholder() {}
