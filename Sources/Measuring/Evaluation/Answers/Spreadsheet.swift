import Foundation

/// A workbook of one sheet, as MMBench's server takes it (Office Open XML, ECMA-376), with texts inside their cells.
struct Spreadsheet {
  enum Cell {
    case number(Int)
    case text(String)
    case empty
  }

  let rows: [[Cell]]

  /// The `.xlsx` file: a ZIP archive of five small XML files.
  var data: Data {
    let header = #"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"# + "\n"
    let openXML = "http://schemas.openxmlformats.org"
    let main = "\(openXML)/spreadsheetml/2006/main"
    let document = "\(openXML)/officeDocument/2006/relationships"
    let package = "\(openXML)/package/2006"
    let types = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    let files = [
      (
        "[Content_Types].xml",
        #"<Types xmlns="\#(package)/content-types"><Default Extension="rels" "#
          + #"ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" "#
          + #"ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="\#(types).sheet.main+xml"/>"#
          + #"<Override PartName="/xl/worksheets/sheet1.xml" ContentType="\#(types).worksheet+xml"/></Types>"#
      ),
      (
        "_rels/.rels",
        #"<Relationships xmlns="\#(package)/relationships"><Relationship Id="rId1" Type="\#(document)/officeDocument" "#
          + #"Target="xl/workbook.xml"/></Relationships>"#
      ),
      (
        "xl/workbook.xml",
        #"<workbook xmlns="\#(main)" xmlns:r="\#(document)"><sheets><sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>"#
      ),
      (
        "xl/_rels/workbook.xml.rels",
        #"<Relationships xmlns="\#(package)/relationships"><Relationship Id="rId1" Type="\#(document)/worksheet" "#
          + #"Target="worksheets/sheet1.xml"/></Relationships>"#
      ),
      ("xl/worksheets/sheet1.xml", #"<worksheet xmlns="\#(main)"><sheetData>\#(sheet)</sheetData></worksheet>"#),
    ]
    return ZipArchive(files: files.map { ($0.0, Array((header + $0.1).utf8)) }).data
  }

  private var sheet: String {
    rows.enumerated().map { row, cells in
      let content = cells.enumerated().map { column, cell in
        let place = "\(AnswerFile.letter(column))\(row + 1)"
        return switch cell {
        case .number(let number): #"<c r="\#(place)"><v>\#(number)</v></c>"#
        case .text(let text):
          #"<c r="\#(place)" t="inlineStr"><is><t xml:space="preserve">\#(Self.escaped(text))</t></is></c>"#
        case .empty: ""
        }
      }
      return #"<row r="\#(row + 1)">\#(content.joined())</row>"#
    }.joined()
  }

  /// Text for XML, which has no place for most control characters.
  private static func escaped(_ text: String) -> String {
    text.unicodeScalars.reduce(into: "") { result, scalar in
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\r": result += "&#13;"
      case "\t", "\n": result.unicodeScalars.append(scalar)
      case _ where scalar.value < 0x20 || scalar.value == 0xFFFE || scalar.value == 0xFFFF: break
      default: result.unicodeScalars.append(scalar)
      }
    }
  }
}
