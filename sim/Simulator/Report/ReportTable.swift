/// A table of a study's folder: names in the first line, then rows of as many cells.
public struct ReportTable: Sendable {
    /// The columns' names.
    public let header: [String]
    /// The rows' cells, as text.
    public let rows: [[String]]

    /// Reads CSV; a field may be quoted as in RFC 4180. Throws where a row has another number of
    /// cells than the header.
    public init(csv text: String) throws(ReportError) {
        var lines = ReportTable.records(text)
        guard !lines.isEmpty else { throw ReportError("a table has no header") }
        header = lines.removeFirst()
        for (place, row) in lines.enumerated() where row.count != header.count {
            throw ReportError(
                "row \(place + 1) has \(row.count) cells, the header \(header.count)")
        }
        rows = lines
    }

    private static func records(_ text: String) -> [[String]] {
        var records: [[String]] = []
        var record: [String] = []
        var cell: [UInt8] = []
        var isQuoted = false
        var bytes = text.utf8.makeIterator()
        var next = bytes.next()
        func end() {
            record.append(String(decoding: cell, as: UTF8.self))
            cell.removeAll(keepingCapacity: true)
        }
        while let byte = next {
            next = bytes.next()
            switch byte {
            case UInt8(ascii: "\"") where isQuoted && next == UInt8(ascii: "\""):
                cell.append(byte)
                next = bytes.next()
            case UInt8(ascii: "\""): isQuoted.toggle()
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

/// Why there is no report.
public struct ReportError: Error, Hashable, Sendable {
    /// What is wrong, in a sentence.
    public let reason: String

    /// An error for this reason.
    public init(_ reason: String) { self.reason = reason }
}
