/// Connections that are fit for a journal: settings forced and checked, tables as they should be.
struct PostgresSession {
    let address: PostgresAddress
    /// Of the version that was found, once there is a connection.
    private(set) var schema: PostgresSchema
    let options: PostgresJournal.Options

    /// The journal's name in errors.
    var place: String { "\(address.words), schema \(schema.name)" }

    /// A connection for the leader. Makes the tables if the schema is new or empty.
    ///
    /// Throws `cannotOpen`, `notAJournal`, `unsupportedVersion`, `damagedFile`.
    mutating func openForWriting() throws(JournalError) -> PostgresConnection {
        do throws(JournalError) {
            let connection = try connect()
            try connection.ask(
                PostgresSession.settings(readOnly: false) + [.run("SET synchronous_commit = on")])
            try checkDurability(connection)
            if try layout(connection).isEmpty { try createTables(connection) }
            try checkTables(connection)
            return connection
        } catch {
            throw error.whileOpening(place)
        }
    }

    /// A connection that can only read, also from a standby of the server.
    mutating func openForReading() throws(JournalError) -> PostgresConnection {
        do throws(JournalError) {
            let connection = try connect()
            try connection.ask(PostgresSession.settings(readOnly: true))
            guard try !layout(connection).isEmpty else {
                throw .cannotOpen(place, "there is no journal in this schema")
            }
            try checkTables(connection)
            return connection
        } catch {
            throw error.whileOpening(place)
        }
    }

    private func connect() throws(JournalError) -> PostgresConnection {
        let connection = try PostgresConnection(opening: address, timeout: options.timeout)
        let version = connection.serverVersion
        guard version >= 140_000 else {
            throw .cannotOpen(place, "it needs PostgreSQL 14 or later, and this is \(version)")
        }
        return connection
    }

    /// What a session must be whatever the server's, database's and user's settings are: under
    /// another isolation the fence would fail instead of looking again.
    static func settings(readOnly: Bool) -> [PostgresConnection.Step] {
        [
            "SET search_path = pg_catalog", "SET default_transaction_isolation = 'read committed'",
            "SET default_transaction_read_only = \(readOnly ? "on" : "off")",
            "SET statement_timeout = 0", "SET lock_timeout = 0", "SET idle_session_timeout = 0",
        ].map { .run($0) }
    }

    /// Throws unless what this connection commits is on disk when the server says so.
    private func checkDurability(_ connection: PostgresConnection) throws(JournalError) {
        let settings = ["synchronous_commit", "fsync", "data_sync_retry"]
        let columns = settings.map { "current_setting('\($0)')" } + ["pg_is_in_recovery()::text"]
        let result = try connection.ask("SELECT " + columns.joined(separator: ", "))
        let found = (0..<4).map { result.text(0, $0) ?? "" }
        guard found[3] == "false" else {
            throw .cannotOpen(place, "the server is a standby and cannot be written")
        }
        guard found[0] == "on" else {
            throw .cannotOpen(place, "synchronous_commit is \(found[0]) and cannot be set to on")
        }
        if options.acceptsUnsafeServer { return }
        guard found[1] == "on" else {
            throw .cannotOpen(place, "the server runs with fsync=off and would lose commits")
        }
        guard found[2] == "off" else {
            throw .cannotOpen(
                place, "the server runs with data_sync_retry=on and may believe a failed sync")
        }
    }

    private func layout(_ connection: PostgresConnection) throws(JournalError) -> [String] {
        let result = try connection.ask(PostgresSchema.layout, [.text(schema.name)])
        return (0..<result.rows).map { result.text($0, 0) ?? "" }
    }

    private func createTables(_ connection: PostgresConnection) throws(JournalError) {
        let found = try connection.ask(
            "SELECT FROM pg_namespace WHERE nspname = $1::text", [.text(schema.name)])
        do throws(PostgresError) {
            try connection.perform(schema.creation(withSchema: found.rows == 0))
        } catch {
            // Another opening was quicker: its tables are checked like any other's.
            if error.isDuplicate { return }
            throw JournalError(error)
        }
    }

    /// Throws unless the schema holds a journal of a known version and nothing else.
    private mutating func checkTables(_ connection: PostgresConnection) throws(JournalError) {
        let found = try layout(connection)
        guard found.contains(where: { $0.hasPrefix("format rp version bigint") }) else {
            throw .notAJournal(place, "the schema holds tables of another program")
        }
        let result = try connection.ask(schema.selectVersion)
        guard result.rows == 1, let version = result.integer(0, 0) else {
            throw .notAJournal(place, "its format has not one version")
        }
        guard PostgresSchema.versions.contains(version) else { throw .unsupportedVersion(version) }
        schema.version = version
        guard found == schema.expectedLayout else {
            throw .damagedFile("its tables are not a journal's")
        }
    }
}
