import Foundation

/// A table of text: names in the first line, then rows of as many cells.
struct CSVTable: Sendable {
    let header: [String]
    let rows: [[String]]

    /// The largest file that is read as a table.
    static let mostBytes = 512 << 20

    /// Reads CSV; a field may be quoted as in RFC 4180, empty lines count for nothing. Throws where
    /// a row has another number of cells than the header.
    init(_ text: String) throws(ScenarioError) {
        var lines = CSVTable.records(text)
        guard !lines.isEmpty else { throw ScenarioError("a table has no header") }
        header = lines.removeFirst()
        for (place, row) in lines.enumerated() where row.count != header.count {
            throw ScenarioError(
                "row \(place + 1) has \(row.count) cells, the header \(header.count)")
        }
        rows = lines
    }

    /// Reads a file that a scenario names, which has a row at least.
    static func read(
        _ name: String, folder: URL, _ place: ScenarioNode
    ) throws(ScenarioFault) -> CSVTable {
        let file =
            name.hasPrefix("/")
            ? URL(fileURLWithPath: name) : folder.appendingPathComponent(name)
        guard let data = FileManager.default.contents(atPath: file.path),
            data.count <= mostBytes, let text = String(data: data, encoding: .utf8)
        else { throw place.fault("`\(name)` cannot be read as text") }
        let table: CSVTable
        do throws(ScenarioError) {
            table = try CSVTable(text)
        } catch {
            throw place.fault("`\(name)`: \(error.reason)")
        }
        if table.rows.isEmpty { throw place.fault("`\(name)` has no rows") }
        return table
    }

    private static func records(_ text: String) -> [[String]] {
        var records: [[String]] = []
        var record: [String] = []
        var cell: [UInt8] = []
        var (isQuoted, wasQuoted) = (false, false)
        var bytes = text.utf8.makeIterator()
        var next = bytes.next()
        func end() {
            // Spaces around a cell belong to it only within quotes.
            var part = cell[...]
            if !wasQuoted {
                part = part.drop { $0 == UInt8(ascii: " ") }
                while part.last == UInt8(ascii: " ") { part = part.dropLast() }
            }
            record.append(String(decoding: part, as: UTF8.self))
            cell.removeAll(keepingCapacity: true)
            wasQuoted = false
        }
        while let byte = next {
            next = bytes.next()
            switch byte {
            case UInt8(ascii: "\"") where isQuoted && next == UInt8(ascii: "\""):
                cell.append(byte)
                next = bytes.next()
            case UInt8(ascii: "\""): (isQuoted, wasQuoted) = (!isQuoted, true)
            case UInt8(ascii: ",") where !isQuoted: end()
            case UInt8(ascii: "\n") where !isQuoted:
                end()
                if record != [""] { records.append(record) }
                record = []
            case UInt8(ascii: "\r") where !isQuoted: break
            default: cell.append(byte)
            }
        }
        if !cell.isEmpty || !record.isEmpty {
            end()
            records.append(record)
        }
        return records
    }

    /// The place of a column.
    func column(_ name: String) -> Int? { header.firstIndex(of: name) }

    /// A column's numbers, one a row; a cell that is none is not a number.
    func numbers(_ name: String) -> [Double]? {
        guard let place = column(name) else { return nil }
        return rows.map { Double($0[place]) ?? .nan }
    }

    /// A column's cells.
    func words(_ name: String) -> [String]? {
        guard let place = column(name) else { return nil }
        return rows.map { $0[place] }
    }
}
