import Foundation
import Testing

@testable import Jinja

/// What hostile and mistaken templates meet.
@Suite struct LimitTests {
  /// Each would go on for ever, fill the memory or the stack.
  @Test(arguments: [
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
    "{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}{% endfor %}",
    "{{ 'a' * 1000000000000 }}", "{{ [1] * 1000000000000 }}", "{{ ('x' * 30000000)|replace('x', 'y' * 1000)}}",
    "{% set n = namespace(s='x') %}{% for i in range(90) %}{% set n.s = n.s + n.s %}{% endfor %}",
    "{% set n = namespace(s='x') %}{% for i in range(90) %}{% set n.s = n.s ~ n.s %}{% endfor %}",
    "{% set n = namespace(l=[]) %}{% for i in range(1000) %}{% set n.l = [n.l] %}{% endfor %}",
    "{% set n = namespace(l=[1]) %}{% for i in range(90) %}{% set n.l = n.l + n.l %}{% endfor %}",
    "{% set n = namespace(l=['x' * 10000]) %}{% for i in range(25) %}{% set n.l = [n.l, n.l] %}{% endfor %}{{ n.l }}",
    "{{ 'x'|center(100000000000) }}", "{{ 'x'.zfill(100000000000) }}", "{{ 'a\n'|indent(100000000000) }}",
    "{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "{% set c = namespace() %}{% macro a(f) %}{{ f(f) }}{% endmacro %}{{ a(a) }}",
  ]) func rendersEndInTime(source: String) {
    guard case .failure(let error) = rendered(source, [:]) else { return #expect(Bool(false), "\(source) came to its end") }
    #expect(error.kind == .exceeded && error.line >= 1, "\(source): \(error)")
  }

  @Test func nestedTextIsRefused() {
    let many = 3000
    for source in [
      "{{ " + String(repeating: "(", count: many), "{{ " + String(repeating: "[", count: many),
      "{{ " + String(repeating: "not ", count: many) + "1 }}", "{{ " + String(repeating: "-", count: many) + "1 }}",
      "{{ 1" + String(repeating: "+1", count: many) + " }}", "{{ a" + String(repeating: ".b", count: many) + " }}",
      "{{ a" + String(repeating: "|list", count: many) + " }}", "{{ a" + String(repeating: " or a", count: many) + " }}",
      String(repeating: "{% if a %}", count: many), "{% set " + String(repeating: "(", count: many),
      "{{ 1" + String(repeating: " if 1 else 1", count: many) + " }}", String(repeating: "x", count: 1 << 21),
    ] {
      guard case .failure(let error) = rendered(source, [:]) else { return #expect(Bool(false), "\(source.prefix(20))") }
      #expect(error.kind == .exceeded || error.kind == .syntax, "\(source.prefix(20)): \(error)")
    }
  }

  /// On a thread as small as those of a pool.
  @Test func deepTemplatesFitIntoSmallStacks() async {
    let sources = [
      "{% macro m(l) %}{% if l %}{% for x in [1] %}{{ m(l[1:])|trim|trim }}{% endfor %}{% endif %}{% endmacro %}{{ m(range(100)|list) }}",
      "{{ 1" + String(repeating: "+1", count: 98) + " }}",
      "{{ " + String(repeating: "[", count: 28) + String(repeating: "]", count: 28) + " }}",
      String(repeating: "{% if true %}{% for x in [1] %}", count: 15) + String(repeating: "{% endfor %}{% endif %}", count: 15),
    ]
    await withCheckedContinuation { done in
      let thread = Thread {
        for source in sources { _ = rendered(source, [:]) }
        done.resume()
      }
      thread.stackSize = 512 << 10
      thread.start()
    }
  }

  /// Each with the line and a word of what is wrong there.
  @Test(arguments: [
    ("a\n{% include 'b' %}", 2, "include"), ("{% block a %}{% endblock %}", 1, "block"), ("\n\n{{ a|urlize }}", 3, "urlize"),
    ("{{ 1 is sunny }}", 1, "sunny"), ("{{ 'a'.encode() }}", 1, "encode"), ("{{ lipsum() }}", 1, "lipsum"),
    ("{{ 9223372036854775807 + 1 }}", 1, "64 bits"), ("{{ '%5d' % 3 }}", 1, "%5"), ("{{ '{:>5}'.format(3) }}", 1, "{:>5}"),
    ("{{ (x|safe) ~ 1 }}", 1, "safe"), ("{{ 0x10 }}", 1, "decimal"), ("{{ [1]|batch(0)|list }}", 1, "batch"),
  ]) func whatIsNotSupportedIsNamed(source: String, line: Int, word: String) {
    guard case .failure(let error) = rendered(source, [:]) else { return #expect(Bool(false), "\(source) came to its end") }
    #expect(error.kind == .unsupported && error.line == line && error.problem.contains(word), "\(source): \(error)")
  }

  @Test(arguments: [
    ("{{ ", 1), ("{% if a %}\n\n", 2), ("{% endif %}", 1), ("\n{% for x %}{% endfor %}", 2), ("{# a", 1), ("{{ 'a }}", 1),
    ("{{ a b }}", 1), ("{% set 1 = 2 %}", 1), ("{{ (1 }}", 1), ("{{ a[1 }}", 1), ("{% raw %}", 1), ("{% break %}", 1),
    ("{{ f(a=1, 2) }}", 1), ("{% macro m(a=1, b) %}{% endmacro %}", 1), ("{{ 012 }}", 1), ("{{ a is b is c }}", 1),
    ("{{ '\\x4' }}", 1), ("{% fur x in y %}", 1), ("{{ }}", 1), ("{% call a %}{% endcall %}", 1),
  ]) func brokenTemplatesAreRefused(source: String, line: Int) {
    guard case .failure(let error) = rendered(source, [:]) else { return #expect(Bool(false), "\(source) came to its end") }
    #expect(error.kind == .syntax && error.line == line, "\(source): \(error)")
  }

  @Test func theSandboxChangesNothing() throws {
    for source in ["{{ l.append(1) }}", "{{ d.update(l) }}", "{% set d.x = 1 %}", "{% set n = namespace() %}{% set n._x = 1 %}"] {
      guard case .failure(let error) = rendered(source, ["l": .list([]), "d": .dict(Dict())]) else {
        return #expect(Bool(false), "\(source) came to its end")
      }
      #expect(error.kind == .failed, "\(source): \(error)")
    }
    #expect(try rendered("{{ ''.__class__ }}|{{ l.__len__ is defined }}", ["l": .list([])]).get() == "|False")
  }

  @Test func theTemplateCanRefuse() throws {
    guard case .failure(let error) = rendered("a\n{{ raise_exception('no ' ~ x) }}", ["x": .int(2)]) else {
      return #expect(Bool(false))
    }
    #expect(error.kind == .raised && error.line == 2 && error.problem == "no 2")
  }

  @Test func timeIsThatOfTheCall() throws {
    var moment = time_t(1_700_000_000)
    var parts = tm()
    localtime_r(&moment, &parts)
    var buffer = [CChar](repeating: 0, count: 64)
    let count = strftime(&buffer, buffer.count, "%d %b %Y, %H:%M", &parts)
    let expected = String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let text = try Template("{{ strftime_now('%d %b %Y, %H:%M') }}").render([:], now: Date(timeIntervalSince1970: 1_700_000_000))
    #expect(text == expected)
  }
}
