import CPostgres

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// One connection to a PostgreSQL server, in libpq's pipeline mode, with a limit on every wait.
///
/// For one thread at a time. Values travel in binary form only. After a lost connection or a wait
/// that was too long every call fails: make another connection.
@safe
final class PostgresConnection: @unchecked Sendable {
    /// A value for a statement's `$1`, `$2`, ...: give them a type in SQL, `$1::int8`.
    enum Value {
        case integer(Int64)
        case bytes([UInt8])
        case text(String)
    }

    /// One statement of a pipeline.
    enum Step {
        /// Has the server prepare a statement under a name.
        case prepare(String, sql: String)
        /// Runs a prepared statement.
        case call(String, [Value] = [])
        /// Runs one statement.
        case run(String, [Value] = [])
    }

    private let connection: OpaquePointer
    private let address: PostgresAddress
    private let timeout: Duration
    private let warnings = Warnings()
    private var isBroken = false

    /// Connects; no later wait for the server is longer than `timeout`.
    init(_ address: PostgresAddress, timeout: Duration) throws(PostgresError) {
        let keywords = unsafe CStrings(address.parameters.map(\.keyword))
        let values = unsafe CStrings(address.parameters.map(\.value))
        defer {
            unsafe keywords.free()
            unsafe values.free()
        }
        guard
            let connection = unsafe PQconnectdbParams(keywords.pointers, values.pointers, 0)
        else {
            throw PostgresError("there is no memory for a connection", isConnectionLost: true)
        }
        self.address = address
        self.timeout = timeout
        unsafe self.connection = connection
        guard unsafe PQstatus(connection) == CONNECTION_OK else { throw lost() }
        // The processor that libpq comes with prints on standard error.
        unsafe PQsetNoticeReceiver(
            connection, { unsafe Warnings.take($0, $1) },
            Unmanaged.passUnretained(warnings).toOpaque())
        guard unsafe PQsetnonblocking(connection, 1) == 0,
            unsafe PQenterPipelineMode(connection) == 1
        else { throw lost() }
    }

    deinit { unsafe PQfinish(connection) }

    /// The server's version: 150004 is 15.4.
    var serverVersion: Int { Int(unsafe PQserverVersion(connection)) }

    /// The first thing that the server warned of during the last `perform`, although it succeeded.
    var warning: PostgresError? {
        warnings.first.map {
            PostgresError(sqlState: $0.sqlState, address.withoutSecrets($0.words))
        }
    }

    /// Sends all steps at once and waits for all their results. Unless the steps say `BEGIN` and
    /// `COMMIT` themselves they are one transaction, and it is committed when this returns.
    ///
    /// Throws the first error; then no step has had an effect, **except** that a lost connection
    /// leaves unknown whether the commit happened.
    @discardableResult
    func perform(_ steps: [Step]) throws(PostgresError) -> [PostgresResult] {
        guard !isBroken else { throw PostgresError("it was lost before", isConnectionLost: true) }
        warnings.first = nil
        let deadline = ContinuousClock.now + timeout
        do throws(PostgresError) {
            for step in steps where !send(step) { throw lost() }
            guard unsafe PQpipelineSync(connection) == 1 else { throw lost() }
            return try results(of: steps.count, until: deadline)
        } catch {
            if error.isConnectionLost { isBroken = true }
            throw error
        }
    }

    /// Hands a statement to libpq; false if the connection is gone.
    private func send(_ step: Step) -> Bool {
        switch step {
        case .prepare(let name, let sql):
            return unsafe PQsendPrepare(connection, name, sql, 0, nil) == 1
        case .call(let name, let values):
            return unsafe withParameters(values) { count, starts, lengths, formats in
                unsafe PQsendQueryPrepared(connection, name, count, starts, lengths, formats, 1)
            }
        case .run(let sql, let values):
            return unsafe withParameters(values) { count, starts, lengths, formats in
                unsafe PQsendQueryParams(
                    connection, sql, count, nil, starts, lengths, formats, 1)
            }
        }
    }

    /// The values as libpq takes them: where each starts, how long it is, and that it is binary.
    /// They stay where they are: a batch has a megabyte.
    private func withParameters(
        _ values: [Value],
        _ body: (CInt, [UnsafePointer<CChar>?], [CInt], [CInt]) -> CInt
    ) -> Bool {
        let parts = values.map { value -> [UInt8] in
            switch value {
            case .integer(let number):
                (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * $0)) }
            case .bytes(let bytes): bytes
            case .text(let text): Array(text.utf8)
            }
        }
        let lengths = parts.map { CInt($0.count) }
        let ones = [CInt](repeating: 1, count: parts.count)
        // An empty value has a place too: no place means NULL.
        return unsafe [0 as CChar].withUnsafeBufferPointer { empty in
            var starts = unsafe [UnsafePointer<CChar>?]()
            func begin(_ rest: ArraySlice<[UInt8]>) -> CInt {
                guard let part = rest.first else {
                    return unsafe body(CInt(parts.count), starts, lengths, ones)
                }
                return unsafe part.withUnsafeBytes { bytes in
                    let start = unsafe bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
                    unsafe starts.append(part.isEmpty ? empty.baseAddress : start)
                    return begin(rest.dropFirst())
                }
            }
            return begin(parts[...]) == 1
        }
    }

    /// Collects results up to the pipeline's end. Only that end says that the transaction was
    /// committed: a commit can fail after every statement has succeeded.
    private func results(
        of count: Int, until deadline: ContinuousClock.Instant
    ) throws(PostgresError) -> [PostgresResult] {
        var found: [PostgresResult] = []
        var failure: PostgresError?
        var ends = 0
        while true {
            guard let result = try next(until: deadline) else {
                // Every statement's results end with nothing once; twice is nothing more at all.
                ends += 1
                guard ends < 3, unsafe PQstatus(connection) == CONNECTION_OK else {
                    throw failure.map(asLost) ?? lost()
                }
                continue
            }
            ends = 0
            switch result.status {
            case PGRES_PIPELINE_SYNC:
                if let failure { throw failure }
                guard found.count == count else {
                    throw PostgresError("it answered out of turn", isConnectionLost: true)
                }
                return found
            case PGRES_COMMAND_OK, PGRES_TUPLES_OK: found.append(result)
            case PGRES_PIPELINE_ABORTED: break
            default:
                failure =
                    failure
                    ?? PostgresError(
                        sqlState: result.field("C") ?? "",
                        address.withoutSecrets(result.field("M") ?? result.message))
                if unsafe PQstatus(connection) != CONNECTION_OK, let failure {
                    throw asLost(failure)
                }
            }
        }
    }

    /// The next result, or `nil` where the results of a statement end.
    private func next(
        until deadline: ContinuousClock.Instant
    ) throws(PostgresError) -> PostgresResult? {
        while true {
            let unsent = unsafe PQflush(connection)
            if unsent == 0, unsafe PQisBusy(connection) == 0 { break }
            if unsent >= 0 { try wait(writing: unsent == 1, until: deadline) }
            // Where the connection broke, the next result says how.
            if unsafe PQconsumeInput(connection) == 0 || unsent < 0 { break }
        }
        return unsafe PQgetResult(connection).map { unsafe PostgresResult($0) }
    }

    /// Waits until the socket can be read, or written if `writing`.
    private func wait(
        writing: Bool, until deadline: ContinuousClock.Instant
    ) throws(PostgresError) {
        let left = ContinuousClock.now.duration(to: deadline) / .milliseconds(1)
        guard left > 0 else {
            throw PostgresError(
                "it did not answer for \(timeout.components.seconds) s", isConnectionLost: true)
        }
        var poller = pollfd(
            fd: unsafe PQsocket(connection), events: Int16(POLLIN | (writing ? POLLOUT : 0)),
            revents: 0)
        guard unsafe poll(&poller, 1, CInt(min(left.rounded(.up), 60_000))) >= 0 || errno == EINTR
        else { throw lost() }
    }

    private func lost() -> PostgresError {
        let words = unsafe String(cString: PQerrorMessage(connection))
        return PostgresError(
            address.withoutSecrets(words.isEmpty ? "it is closed" : words), isConnectionLost: true)
    }

    private func asLost(_ error: PostgresError) -> PostgresError {
        PostgresError(sqlState: error.sqlState, error.words, isConnectionLost: true)
    }
}

/// What the server warned of.
private final class Warnings {
    var first: (sqlState: String, words: String)?

    /// libpq's notice receiver: `context` is a `Warnings`. Lesser notices are nobody's business.
    static func take(_ context: UnsafeMutableRawPointer?, _ notice: OpaquePointer?) {
        func field(_ name: Unicode.Scalar) -> String? {
            unsafe PQresultErrorField(notice, CInt(name.value)).map { unsafe String(cString: $0) }
        }
        guard let context = unsafe context, field("V") == "WARNING" else { return }
        let warnings = unsafe Unmanaged<Warnings>.fromOpaque(context).takeUnretainedValue()
        if warnings.first == nil { warnings.first = (field("C") ?? "", field("M") ?? "a warning") }
    }
}

/// C strings and the null that ends their list; to be freed by hand.
@unsafe
private struct CStrings {
    let pointers: [UnsafePointer<CChar>?]

    init(_ strings: [String]) {
        unsafe pointers = unsafe strings.map { unsafe UnsafePointer(strdup($0)) } + [nil]
    }

    func free() {
        for place in unsafe pointers.indices {
            unsafe release(UnsafeMutablePointer(mutating: pointers[place]))
        }
    }
}

/// `free` of the C library, under a name that no method hides.
private func release(_ pointer: UnsafeMutablePointer<CChar>?) { unsafe free(pointer) }
