/// A page for people: one HTML file with everything in it, light and dark by the reader's setting, without script.
public struct Page: Sendable {
  /// A part of a page.
  public enum Block: Sendable {
    /// A heading within the page.
    case heading(String)
    /// A paragraph.
    case text(String)
    /// Points, one beneath the other.
    case list([String])
    /// Cells under headings; columns of words stand on the left, numbers on the right. The first columns stay while one scrolls.
    case table(headings: [String], isText: [Bool], rows: [[String]])
    /// Plots, drawn for wide and for narrow windows.
    case figure(Figure)
    /// Questions with pictures and answers.
    case cards([Card])
    /// Single numbers that stand out, each with what it counts.
    case numbers([(value: String, label: String)])
  }

  /// What the page is about.
  public var title: String
  /// A sentence beneath the title.
  public var subtitle: String
  /// Its parts, from top to bottom.
  public var blocks: [Block]

  /// A page of parts.
  public init(title: String, subtitle: String, blocks: [Block]) {
    self.title = title
    self.subtitle = subtitle
    self.blocks = blocks
  }

  /// The complete document.
  public var html: String {
    """
    <!DOCTYPE html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>\(SVG.escaped(title))</title>
    <style>\(Self.sheet + Card.sheet)</style>
    </head>
    <body>
    <header><h1>\(SVG.escaped(title))</h1><p>\(SVG.escaped(subtitle))</p></header>
    <main>
    \(blocks.map(Self.html).joined(separator: "\n"))
    </main>
    </body>
    </html>

    """
  }

  private static func html(_ block: Block) -> String {
    switch block {
    case .heading(let text): return "<h2>\(SVG.escaped(text))</h2>"
    case .text(let text): return "<p>\(SVG.escaped(text))</p>"
    case .list(let items): return "<ul>" + items.map { "<li>\(SVG.escaped($0))</li>" }.joined() + "</ul>"
    case .cards(let cards): return "<div class=\"cards\">\(cards.map(\.html).joined(separator: "\n"))</div>"
    case .numbers(let numbers):
      let parts = numbers.map { "<div><b>\(SVG.escaped($0.value))</b><span>\(SVG.escaped($0.label))</span></div>" }
      return "<div class=\"numbers\">\(parts.joined())</div>"
    case .table(let headings, let isText, let rows):
      func row(_ cells: [String], _ tag: String) -> String {
        "<tr>"
          + zip(cells, isText).map { "<\(tag)\($1 ? " class=\"text\"" : "")>\(SVG.escaped($0))</\(tag)>" }.joined() + "</tr>"
      }
      return "<div class=\"scroll\" tabindex=\"0\"><table><thead>\(row(headings, "th"))</thead><tbody>"
        + rows.map { row($0, "td") }.joined(separator: "\n") + "</tbody></table></div>"
    case .figure(let figure):
      // Letters keep their size, so a narrow window gets a drawing of its own in place of a shrunk one; many plots share rows.
      let isGrid = figure.charts.count > 2
      func drawings(_ style: String, width: Double, plotHeight: Double) -> String {
        figure.chartDocuments(width: width, plotHeight: plotHeight).map { "<figure class=\"\(style)\">\($0)</figure>" }
          .joined(separator: "\n")
      }
      return "<h2>\(SVG.escaped(figure.title))</h2>" + (figure.subtitle.isEmpty ? "" : "<p>\(SVG.escaped(figure.subtitle))</p>")
        + "<div class=\"\(isGrid ? "charts grid" : "charts")\">"
        + drawings("wide", width: isGrid ? 600 : 900, plotHeight: isGrid ? 240 : 280)
        + drawings("narrow", width: 360, plotHeight: 220) + "</div>"
    }
  }

  private static let sheet = """
    :root{--paper:#fff;--ink:#1c2128;--quiet:#5a6472;--line:#e3e6ea;--band:#f6f7f9;--right:#00639b;--wrong:#b84f00}\
    @media(prefers-color-scheme:dark){:root{--paper:#16181c;--ink:#eceff4;--quiet:#a3abb8;--line:#343943;--band:#1e2127;\
    --right:#56b4e9;--wrong:#f0803c}}\
    *{box-sizing:border-box}\
    body{margin:0 auto;max-width:1400px;padding:24px 28px 64px;background:var(--paper);color:var(--ink);\
    font:15px/1.5 system-ui,"Helvetica Neue",Arial,sans-serif}\
    h1{font-size:26px;line-height:1.2;margin:8px 0 4px}header p{color:var(--quiet);margin:0 0 20px}\
    h2{font-size:18px;margin:36px 0 10px}p,li{max-width:78ch}li{color:var(--quiet);margin:4px 0;font-size:13.5px;overflow-wrap:anywhere}ul{padding-left:20px}\
    .scroll{overflow-x:auto;border:1px solid var(--line);border-radius:8px}\
    table{border-collapse:separate;border-spacing:0;font-size:13.5px;font-variant-numeric:tabular-nums;width:100%}\
    th,td{padding:7px 10px;text-align:right;white-space:nowrap}th{color:var(--quiet);font-weight:600;border-bottom:1px solid var(--line)}\
    th.text,td.text{text-align:left}tbody tr:nth-child(even) td{background:var(--band)}\
    th:first-child,td:first-child{position:sticky;left:0;background:var(--paper);border-right:1px solid var(--line)}\
    tbody tr:nth-child(even) td:first-child{background:var(--band)}\
    .numbers{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:0 0 20px}\
    .numbers div{border:1px solid var(--line);border-radius:8px;padding:12px 16px}\
    .numbers b{display:block;font-size:26px;line-height:1.2;font-weight:650;font-variant-numeric:tabular-nums}\
    .numbers span{color:var(--quiet);font-size:13.5px;line-height:1.4;display:block;margin-top:2px}\
    figure{margin:14px 0}figure svg{display:block;max-width:100%;height:auto}.narrow{display:none}\
    .charts{margin:0 -24px}.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(560px,1fr));column-gap:16px;align-items:end}\
    @media(max-width:760px){body{padding:16px 14px 48px}.wide{display:none}.narrow{display:block}h1{font-size:22px}\
    th,td{padding:6px 9px}.charts{margin:0 -14px}.grid{display:block}}
    """
}
