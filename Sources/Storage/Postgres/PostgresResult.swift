import CPostgres

/// What one statement gave: rows in binary form, or how many rows it changed.
@safe
final class PostgresResult {
    private let result: OpaquePointer

    /// Takes over a result of libpq.
    init(_ result: OpaquePointer) { unsafe self.result = result }

    deinit { unsafe PQclear(result) }

    /// How the statement ended.
    var status: ExecStatusType { unsafe PQresultStatus(result) }

    /// Rows returned.
    var rows: Int { Int(unsafe PQntuples(result)) }

    /// Rows inserted, changed or deleted.
    var changes: Int { unsafe Int(String(cString: PQcmdTuples(result))) ?? 0 }

    /// A `bigint`; `nil` for NULL or another size.
    func integer(_ row: Int, _ column: Int) -> Int64? {
        guard let bytes = bytes(row, column), bytes.count == 8 else { return nil }
        return bytes.reduce(0) { $0 << 8 | Int64($1) }
    }

    /// A `bytea`, or any value's binary form; `nil` for NULL. O(bytes).
    func bytes(_ row: Int, _ column: Int) -> [UInt8]? {
        let (row, column) = (CInt(row), CInt(column))
        guard unsafe PQgetisnull(result, row, column) == 0,
            let start = unsafe PQgetvalue(result, row, column)
        else { return nil }
        let count = Int(unsafe PQgetlength(result, row, column))
        return unsafe Array(UnsafeRawBufferPointer(start: start, count: count))
    }

    /// A `text`; `nil` for NULL.
    func text(_ row: Int, _ column: Int) -> String? {
        bytes(row, column).map { String(decoding: $0, as: UTF8.self) }
    }

    /// A field of an error or a notice: `C` its SQLSTATE, `M` its words, `V` its severity.
    func field(_ name: Unicode.Scalar) -> String? {
        unsafe PQresultErrorField(result, CInt(name.value)).map { unsafe String(cString: $0) }
    }

    /// All of an error's words, also where libpq made them itself.
    var message: String { unsafe String(cString: PQresultErrorMessage(result)) }
}
