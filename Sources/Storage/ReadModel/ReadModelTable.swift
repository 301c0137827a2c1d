/// What a column of the read model holds.
enum ReadModelType: Sendable {
    /// At most 63 bits: `bigint`, in SQLite `INTEGER`.
    case integer
    /// A number that needs more bits. PostgreSQL: `numeric` of so many digits. SQLite, which has no
    /// such numbers: decimal text, filled up with zeros to so many digits, so that it sorts as the
    /// number does.
    case number(digits: Int)
    /// Text.
    case text

    /// 128 bits.
    static let wide = ReadModelType.number(digits: 39)
}

/// One value of a row.
enum ReadModelCell: Hashable, Sendable {
    case null
    case integer(Int64)
    case number(UInt128)
    case text(String)

    /// A number of 64 bits in a column of 63: the ids, counts and times that come here are dense or
    /// end in the year 2262.
    static func integer(_ value: UInt64) -> ReadModelCell { .integer(Int64(clamping: value)) }
}

/// A table of the read model.
struct ReadModelTable: Sendable {
    struct Column: Sendable {
        let name: String
        let type: ReadModelType
        let isOptional: Bool
    }

    let name: String
    let columns: [Column]
    /// The first columns, so many of them, are the primary key.
    let keyColumns: Int
    /// Each an index's columns; the unique ones start with `unique `. They are made after the first
    /// filling, which is quicker.
    let indexes: [String]

    init(
        _ name: String, key: Int = 1, _ columns: [(String, ReadModelType)],
        optional: Set<String> = [], indexes: [String] = []
    ) {
        self.name = name
        self.columns = columns.map {
            Column(name: $0.0, type: $0.1, isOptional: optional.contains($0.0))
        }
        keyColumns = key
        self.indexes = indexes
    }

    var key: String { columns.prefix(keyColumns).map(\.name).joined(separator: ", ") }

    /// The definition, with each type in the database's words.
    func creation(as name: String, type: (ReadModelType) -> String) -> String {
        let lines = columns.map {
            "\($0.name) \(type($0.type))\($0.isOptional ? "" : " NOT NULL")"
        }
        return "CREATE TABLE \(name)(\((lines + ["PRIMARY KEY (\(key))"]).joined(separator: ", ")))"
    }

    /// What follows an insertion so that a row that is there is replaced.
    var onConflict: String {
        let rest = columns.dropFirst(keyColumns)
            .map { "\($0.name) = excluded.\($0.name)" }.joined(separator: ", ")
        return "ON CONFLICT (\(key)) DO " + (rest.isEmpty ? "NOTHING" : "UPDATE SET \(rest)")
    }

    /// The definitions of the indexes, on the table `on`.
    func indexCreations(on table: String) -> [String] {
        indexes.map { index in
            let isUnique = index.hasPrefix("unique ")
            let columns = isUnique ? String(index.dropFirst(7)) : index
            let words = columns.replacing(", ", with: "_")
            return "CREATE \(isUnique ? "UNIQUE " : "")INDEX IF NOT EXISTS \(name)_by_\(words) "
                + "ON \(table)(\(columns))"
        }
    }
}

/// Rows of one table, each key at most once: `cells` has a value for each column of each row.
struct ReadModelRows: Sendable {
    /// A list whose owner is the first column of its rows' key, and whose places are the second.
    struct Shortening: Sendable {
        let owner: Int64
        /// The first place that is not in the list any more.
        let end: Int64
    }

    let table: ReadModelTable
    var cells: [ReadModelCell] = []
    /// Lists that are this long at most: what goes beyond is removed.
    var shortened: [Shortening] = []

    init(_ table: ReadModelTable) { self.table = table }

    var count: Int { cells.count / table.columns.count }
    /// Whether there is nothing to write.
    var isEmpty: Bool { cells.isEmpty && shortened.isEmpty }

    mutating func add(_ row: [ReadModelCell]) {
        precondition(row.count == table.columns.count, "a row of \(table.name)")
        cells += row
    }
}

extension UInt128 {
    /// The number's decimal digits, filled up with zeros to `count` of them.
    func padded(to count: Int) -> String {
        let digits = String(self)
        return String(repeating: "0", count: Swift.max(count - digits.utf8.count, 0)) + digits
    }
}
