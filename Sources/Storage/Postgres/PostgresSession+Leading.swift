import Primitives

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

// Who leads, and what is there.
extension PostgresSession {
    /// Becomes the leader; gives the new term. From the commit on no append of an earlier term
    /// can be committed: those under way were waited for, later ones see the new term.
    ///
    /// Throws `locked` if the leader is alive and `takeOver` was not asked for.
    func takeLead(_ connection: PostgresConnection) throws(JournalError) -> UInt64 {
        do throws(JournalError) {
            try checkLease(connection)
            try connection.ask([.run("BEGIN"), .run(schema.lockLeader)])
            // Someone may have come first while this waited for the row. If so, the connection
            // is closed, and the transaction with it.
            try checkLease(connection)
            let term = try max(leader(connection), head(connection).term) + 1
            let value = PostgresConnection.Value.integer(Int64(term))
            let holder = options.holder.isEmpty ? PostgresSession.ownName : options.holder
            try connection.ask([
                .run(schema.takeLeader, [value, .text(String(holder.prefix(200)))]),
                .run(schema.takeLease, [value]), .run("COMMIT"),
            ])
            return term
        } catch {
            throw error.whileOpening(place)
        }
    }

    private func checkLease(_ connection: PostgresConnection) throws(JournalError) {
        let lease = try PostgresLease.Reading(try connection.ask(schema.selectLease))
        if options.takeOver || !lease.isAlive { return }
        throw .locked("\(place), led by \(lease.holder) in term \(lease.term)", holder: nil)
    }

    /// The leader's term.
    func leader(_ connection: PostgresConnection) throws(JournalError) -> UInt64 {
        let result = try connection.ask(schema.selectLeader)
        guard result.rows == 1, let term = result.integer(0, 0).flatMap({ UInt64(exactly: $0) })
        else { throw .damagedFile("it has not exactly one leader") }
        return term
    }

    /// What the last row says, whatever it is.
    func head(_ connection: PostgresConnection) throws(JournalError) -> JournalHead {
        let result = try connection.ask(schema.selectLast)
        guard result.rows > 0, let sequence = result.integer(0, 0) else { return .empty }
        return try JournalBatch(result, row: 0, expected: UInt64(max(sequence, 1))).head
    }

    /// The recorded state hashes, by sequence.
    func checkpoints(_ connection: PostgresConnection) throws(JournalError) -> [StateCheckpoint] {
        let result = try connection.ask(schema.selectCheckpoints)
        return try (0..<result.rows).map { (row) throws(JournalError) in
            guard let sequence = result.integer(row, 0).flatMap({ UInt64(exactly: $0) }),
                let hash = result.bytes(row, 1).flatMap({ Digest($0) })
            else { throw .damagedFile("a checkpoint has a wrong value") }
            return StateCheckpoint(sequence: sequence, stateHash: hash)
        }
    }

    /// This machine and process.
    private static var ownName: String {
        var name = [CChar](repeating: 0, count: 256)
        let isKnown = unsafe gethostname(&name, name.count - 1) == 0
        let bytes = name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        let machine = isKnown ? String(decoding: bytes, as: UTF8.self) : "unknown"
        return "\(machine):\(getpid())"
    }
}
