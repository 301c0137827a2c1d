import Cryptography
import Foundation
import Ledger
import Primitives
import ProcessHarness
import Service
import Storage
import Testing

/// A running `replicatedwriter`.
final class Leader: Sendable {
    private let program: RunningProgram

    init(
        _ kind: String, _ journal: String, _ port: String, _ mode: String = "sync", run: Int = 1,
        clients: Int = 8
    ) throws {
        program = try RunningProgram(
            "replicatedwriter", [kind, journal, port, mode, "\(run)", "\(clients)"])
    }

    var lines: [String] { program.lines }

    /// The ids that were acknowledged.
    var acknowledged: [UInt64] {
        lines.compactMap { $0.hasPrefix("+ ") ? UInt64($0.dropFirst(2)) : nil }
    }

    func signal(_ number: Int32) { program.signal(number) }

    /// Waits until so many commands are acknowledged.
    func acknowledges(_ count: Int) async throws {
        try await eventually { self.acknowledged.count >= count }
    }

    /// Waits for its end; everything that it said is there then.
    func end() async throws -> Int32 { try await program.end() }
}

/// What the tests of standbys need.
enum Pair {
    static func identity(_ fill: UInt8) throws -> Ed25519.PrivateKey {
        try #require(Ed25519.PrivateKey(seed: [UInt8](repeating: fill, count: 32)))
    }

    /// What a standby has unless told otherwise.
    static var usualPatience: Duration {
        get throws {
            try StandbyOptions(
                .file(folder: "copy"), identity: identity(2), leader: identity(1).publicKey
            ).patience
        }
    }

    static func standby(
        _ kind: JournalKind, _ path: String, port: Int = 0, patience: Duration = .seconds(30),
        reports: Collected<String> = Collected()
    ) async throws -> Standby<LedgerMachine> {
        let place: JournalPlace =
            switch kind {
            case .sqlite: .sqlite(path: path)
            case .file, .buffered: .file(folder: path)
            }
        var options = try StandbyOptions(
            place, identity: identity(2), leader: identity(1).publicKey)
        options.port = port
        options.patience = patience
        // Tests that run beside every other one can be slow.
        options.answerTimeout = .seconds(60)
        options.report = { reports.add($0) }
        return try await Standby(options)
    }

    static func replication(
        _ port: Int, _ acknowledgement: ReplicationOptions.Acknowledgement = .sync,
        timeout: Duration = .seconds(60)
    ) throws -> ReplicationOptions {
        var options = try ReplicationOptions(
            host: "127.0.0.1", port: port, identity: identity(1),
            standby: identity(2).publicKey, acknowledgement: acknowledgement)
        options.timeout = timeout
        return options
    }

    /// The batch after the head that creates one account.
    static func batch(_ journal: any Journal, _ id: UInt64) throws -> JournalBatch {
        let account = Account(id: AccountID(UInt128(id)), ledger: 1, code: 1)
        let time = Timestamp(nanoseconds: journal.head.time.nanoseconds + 1)
        let command = LedgerCommand.createAccounts([account]).canonicalBytes()
        return try JournalBatch(
            following: journal.head, term: journal.term,
            entries: [JournalEntry(time: time, command: command)])
    }

    /// The ids of the accounts that a journal's commands create, once for each time.
    static func created(_ journal: any Journal) throws -> [UInt64] {
        var found: [UInt64] = []
        _ = try journal.recover { (_, entries) throws(JournalError) in
            for entry in entries {
                let command = try? LedgerCommand(canonicalBytes: entry.command)
                guard case .createAccounts(let accounts)? = command else { continue }
                found += accounts.map { UInt64(truncatingIfNeeded: $0.id.value) }
            }
        }
        return found
    }

    /// Serves what was promoted, creates one more account, and gives what its journal then holds
    /// and its machine knows.
    static func serve(
        _ promotion: Promotion<LedgerMachine>, creating id: UInt64
    ) async throws -> (created: [UInt64], known: Int) {
        let service = try LedgerService(
            promotion, clock: { Timestamp(seconds: 4_000_000_000) }, onFailure: { _ in })
        try await withCheckedThrowingContinuation {
            (continuation: CheckedContinuation<Void, any Error>) in
            let account = Account(id: AccountID(UInt128(id)), ledger: 1, code: 1)
            let command = LedgerCommand.createAccounts([account])
            var batch = LedgerBatch()
            batch.submit(command, encoded: command.canonicalBytes()) {
                continuation.resume(with: $0.map { _ in }.mapError { $0 as any Error })
            }
            service.submit(batch)
        }
        let reader = try promotion.journal.reader()
        var created: [UInt64] = []
        var last: UInt64 = 0
        while true {
            let page = try reader.batches(after: last)
            if page.isEmpty { break }
            let memory = MemoryCopy(page)
            created += memory.created
            last += UInt64(page.count)
        }
        reader.close()
        let ids = created
        let known: Int = try await withCheckedThrowingContinuation { continuation in
            var batch = LedgerBatch()
            batch.read(
                { machine in
                    ids.count { machine.ledger.account(AccountID(UInt128($0))) != nil }
                }, reply: { continuation.resume(with: $0.map(\.0).mapError { $0 as any Error }) })
            service.submit(batch)
        }
        try await service.stop()
        return (ids, known)
    }

    /// What some batches create.
    private struct MemoryCopy {
        var created: [UInt64] = []

        init(_ page: [JournalBatch]) {
            for batch in page {
                var reader = ByteReader(batch.body)
                for _ in 0..<batch.count {
                    guard (try? reader.readUInt64()) != nil,
                        let bytes = try? reader.readBytes(limit: JournalLimits.commandBytes),
                        case .createAccounts(let accounts)? = try? LedgerCommand(
                            canonicalBytes: bytes)
                    else { continue }
                    created += accounts.map { UInt64(truncatingIfNeeded: $0.id.value) }
                }
            }
        }
    }
}
