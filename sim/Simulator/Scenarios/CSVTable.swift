import Foundation

/// A small table of a file: names in the first line, no quotes.
struct CSVTable {
    let header: [String]
    let rows: [[String]]

    static let mostBytes = 512 << 20

    static func read(
        _ name: String, folder: URL, _ place: ScenarioNode
    ) throws(ScenarioFault) -> CSVTable {
        let file =
            name.hasPrefix("/")
            ? URL(fileURLWithPath: name) : folder.appendingPathComponent(name)
        guard let data = FileManager.default.contents(atPath: file.path),
            data.count <= mostBytes, let text = String(data: data, encoding: .utf8)
        else { throw place.fault("`\(name)` cannot be read as text") }
        var lines = text.split(whereSeparator: \.isNewline).map { line in
            line.split(separator: ",", omittingEmptySubsequences: false).map { cell in
                cell.trimmingCharacters(in: .whitespaces)
            }
        }
        if lines.count < 2 { throw place.fault("`\(name)` has no rows") }
        let header = lines.removeFirst()
        for (number, row) in lines.enumerated() where row.count != header.count {
            throw place.fault(
                "line \(number + 2) of `\(name)` has \(row.count) cells, the header "
                    + "\(header.count)")
        }
        return CSVTable(header: header, rows: lines)
    }
}
