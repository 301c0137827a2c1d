import CPostgres

/// A plain connection that runs any SQL as text: to look at, change and break what others keep.
@safe
public final class SQLSession: @unchecked Sendable {
    private let connection: OpaquePointer?

    /// Connects; throws `PostgresServer.Failure` with libpq's words.
    public init(_ conninfo: String) throws {
        unsafe connection = unsafe PQconnectdb(conninfo)
        guard unsafe PQstatus(connection) == CONNECTION_OK else { throw failure() }
        try run("SET client_min_messages = error")
    }

    deinit { unsafe PQfinish(connection) }

    /// Runs one or more statements; gives the rows of the last one as text.
    @discardableResult
    public func run(_ sql: String) throws -> [[String?]] {
        let result = unsafe PQexec(connection, sql)
        defer { unsafe PQclear(result) }
        let status = unsafe PQresultStatus(result)
        guard status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK else { throw failure() }
        return (0..<(unsafe PQntuples(result))).map { row in
            (0..<(unsafe PQnfields(result))).map { column in
                guard unsafe PQgetisnull(result, row, column) == 0 else { return nil }
                return unsafe String(cString: PQgetvalue(result, row, column))
            }
        }
    }

    /// The first value of the first row.
    public func value(_ sql: String) throws -> String? { try run(sql).first?.first ?? nil }

    private func failure() -> PostgresServer.Failure {
        .init(description: unsafe String(cString: PQerrorMessage(connection)))
    }
}
