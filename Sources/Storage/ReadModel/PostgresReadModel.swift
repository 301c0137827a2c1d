/// A read model in a PostgreSQL schema of its own. Rows of a table travel as one array for each
/// column, so that a transaction of any size is a few statements.
final class PostgresReadModel: ReadModelStore {
    private(set) var cursor = ReadModelCursor()
    private let connection: PostgresConnection
    private let place: String
    private let schema: String
    private var prepared: Set<String> = []

    /// The version of the tables.
    private static let version: Int64 = 1
    private static let tables = LedgerTables.all + HouseTables.all

    /// Opens the model in the schema, or makes it; with `rebuilding` an empty one in its place.
    init(conninfo: String, schema: String, rebuilding: Bool) throws(ReadModelError) {
        do throws(JournalError) {
            let address = try PostgresAddress(conninfo)
            self.schema = try PostgresSchema(schema).name
            place = "\(address.words), schema \(schema)"
            // Making an index takes its time.
            connection = try PostgresConnection(opening: address, timeout: .seconds(3_600))
            try connection.ask([
                .run("SET search_path = pg_catalog"), .run("SET statement_timeout = 0"),
                // A crash of the server may take the last transactions, rows and cursor together.
                .run("SET synchronous_commit = off"),
            ])
        } catch {
            throw ReadModelError(error, "PostgreSQL, schema \(schema)")
        }
        let found = try tablesFound()
        if !found.isEmpty { try check(found, rebuilding: rebuilding) }
        if found.isEmpty || rebuilding { try create(dropping: found) }
        try readCursor()
    }

    private func ask(
        _ sql: String, _ values: [PostgresConnection.Value] = []
    ) throws(ReadModelError) -> PostgresResult {
        try ask([.run(sql, values)])[0]
    }

    @discardableResult
    private func ask(
        _ steps: [PostgresConnection.Step]
    ) throws(ReadModelError) -> [PostgresResult] {
        do throws(JournalError) {
            return try connection.ask(steps)
        } catch {
            throw ReadModelError(error, place)
        }
    }

    /// Whatever has a name in the schema, but for indexes.
    private func tablesFound() throws(ReadModelError) -> [String] {
        let result = try ask(
            """
            SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
            WHERE n.nspname = $1::text AND c.relkind NOT IN ('i', 'I') ORDER BY 1
            """, [.text(schema)])
        return (0..<result.rows).compactMap { result.text($0, 0) }
    }

    private func check(_ found: [String], rebuilding: Bool) throws(ReadModelError) {
        guard found.contains("read_model") else {
            throw .notAReadModel(place, "the schema holds tables of something else")
        }
        let columns = try ask(
            """
            SELECT string_agg(a.attname::text, ' ' ORDER BY a.attnum) FROM pg_attribute a \
            JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
            WHERE n.nspname = $1::text AND c.relname = 'read_model' AND a.attnum > 0
            """, [.text(schema)])
        guard columns.text(0, 0) == "version kind applied_seq applied_hash applied_time" else {
            throw .notAReadModel(place, "its table read_model is of something else")
        }
        let version = try ask("SELECT version FROM \(schema).read_model").integer(0, 0) ?? 0
        guard version == PostgresReadModel.version || rebuilding else {
            throw .notAReadModel(
                place,
                "its tables have version \(version) and not "
                    + "\(PostgresReadModel.version): rebuild it")
        }
    }

    /// Makes the tables, in place of those of a model that are there. Views of others on them stop
    /// it, and nothing is changed.
    private func create(dropping found: [String]) throws(ReadModelError) {
        var steps: [String] = []
        if try ask("SELECT FROM pg_namespace WHERE nspname = $1::text", [.text(schema)]).rows == 0 {
            steps.append("CREATE SCHEMA \(schema)")
        }
        for table in PostgresReadModel.tables {
            if found.contains(table.name) { steps.append("DROP TABLE \(schema).\(table.name)") }
            steps.append(
                table.creation(as: "\(schema).\(table.name)", type: PostgresReadModel.type))
        }
        if found.contains("read_model") { steps.append("DROP TABLE \(schema).read_model") }
        steps += [
            """
            CREATE TABLE \(schema).read_model(version bigint NOT NULL, kind text NOT NULL, \
            applied_seq bigint NOT NULL, applied_hash text NOT NULL, applied_time bigint NOT NULL)
            """,
            "INSERT INTO \(schema).read_model VALUES (\(PostgresReadModel.version), 'empty', 0, '', 0)",
        ]
        try ask(steps.map { .run($0) })
    }

    private static func type(_ type: ReadModelType) -> String {
        switch type {
        case .integer: "bigint"
        case .number(let digits): "numeric(\(digits), 0)"
        case .text: "text"
        }
    }

    private func readCursor() throws(ReadModelError) {
        let row = try ask(
            "SELECT kind, applied_seq, applied_hash, applied_time FROM \(schema).read_model")
        guard row.rows == 1, let kind = JournaledKind(rawValue: row.text(0, 0) ?? "") else {
            throw .notAReadModel(place, "it does not say how far it is filled")
        }
        cursor = ReadModelCursor(
            kind: kind, sequence: UInt64(row.integer(0, 1) ?? 0), hash: row.text(0, 2) ?? "",
            time: UInt64(row.integer(0, 3) ?? 0))
    }

    func write(_ rows: [ReadModelRows], moving next: ReadModelCursor) throws(ReadModelError) {
        // The row's lock keeps another filler out until the commit.
        let moved = try ask([
            .run("BEGIN"),
            .run(
                """
                UPDATE \(schema).read_model SET kind = $1::text, applied_seq = $2::int8, \
                applied_hash = $3::text, applied_time = $4::int8 \
                WHERE applied_seq = $5::int8 AND applied_hash = $6::text
                """,
                [
                    .text(next.kind.rawValue), .integer(Int64(next.sequence)), .text(next.hash),
                    .integer(Int64(next.time)), .integer(Int64(cursor.sequence)),
                    .text(cursor.hash),
                ]),
        ])
        guard moved[1].changes == 1 else {
            _ = try? ask("ROLLBACK")
            throw .filledByAnother(place)
        }
        var steps: [PostgresConnection.Step] = []
        for part in rows where !part.isEmpty {
            let name = part.table.name
            if !part.shortened.isEmpty { steps += shortening(part) }
            if part.cells.isEmpty { continue }
            if prepared.insert(name).inserted {
                steps.append(.prepare(name, sql: insertion(part.table)))
            }
            let width = part.table.columns.count
            // A value of the protocol is less than a gigabyte.
            for start in stride(from: 0, to: part.count, by: 16_384) {
                let end = min(start + 16_384, part.count)
                steps.append(
                    .call(
                        name,
                        (0..<width).map { column in
                            let places = stride(
                                from: start * width + column, to: end * width, by: width)
                            return .bytes(textArray(places.map { part.cells[$0] }))
                        }))
            }
        }
        try ask(steps + [.run("COMMIT")])
        cursor = next
    }

    private func shortening(_ rows: ReadModelRows) -> [PostgresConnection.Step] {
        let key = rows.table.columns.map(\.name)
        let name = rows.table.name + "_shortening"
        let sql = """
            DELETE FROM \(schema).\(rows.table.name) AS t \
            USING unnest($1::text[], $2::text[]) AS r(owner, place) \
            WHERE t.\(key[0]) = r.owner::int8 AND t.\(key[1]) >= r.place::int8
            """
        let call = PostgresConnection.Step.call(
            name,
            [
                .bytes(textArray(rows.shortened.map { .integer($0.owner) })),
                .bytes(textArray(rows.shortened.map { .integer($0.end) })),
            ])
        return prepared.insert(name).inserted ? [.prepare(name, sql: sql), call] : [call]
    }

    private func insertion(_ table: ReadModelTable) -> String {
        let columns = table.columns.indices
        let values = columns.map { "r.c\($0)::\(PostgresReadModel.type(table.columns[$0].type))" }
        let arrays = columns.map { "$\($0 + 1)::text[]" }
        return """
            INSERT INTO \(schema).\(table.name) SELECT \(values.joined(separator: ", ")) \
            FROM unnest(\(arrays.joined(separator: ", "))) \
            AS r(\(columns.map { "c\($0)" }.joined(separator: ", "))) \(table.onConflict)
            """
    }

    func makeIndexes() throws(ReadModelError) {
        for table in PostgresReadModel.tables {
            for sql in table.indexCreations(on: "\(schema).\(table.name)") { _ = try ask(sql) }
        }
    }

    func close() {}
}

/// A `text[]` in the binary form of PostgreSQL's `array_recv`: dimensions, whether it holds NULLs,
/// the elements' type, length and lower bound, then each element's length and bytes.
private func textArray(_ cells: [ReadModelCell]) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(20 + 24 * cells.count)
    func append(_ value: Int) {
        for shift in [24, 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) }
    }
    let textType = 25
    for value in [1, 1, textType, cells.count, 1] { append(value) }
    for cell in cells {
        let text: String
        switch cell {
        case .null:
            append(-1)
            continue
        case .integer(let value): text = String(value)
        case .number(let value): text = String(value)
        case .text(let value): text = value.replacing("\0", with: "\u{FFFD}")
        }
        append(text.utf8.count)
        bytes.append(contentsOf: text.utf8)
    }
    return bytes
}
