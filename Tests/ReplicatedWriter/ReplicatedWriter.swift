import Cryptography
import Foundation
import Ledger
import Primitives
import Service
import Storage
import Synchronization

/// A ledger to be killed, stopped or cut off:
/// `replicatedwriter KIND JOURNAL PORT MODE RUN CLIENTS`.
///
/// KIND is `sqlite`, `file` or `postgres` (JOURNAL is then its conninfo and PORT its schema); MODE
/// is `sync` or `async`.
///
/// Each client creates accounts, one after the other, with ids made of run, client and counter, and
/// prints `+ ID` once the reply is there. Prints `leads TERM` first and `stops WORDS` at a failure.
@main struct ReplicatedWriter {
    static func main() {
        let arguments = CommandLine.arguments
        guard arguments.count == 7, let run = UInt64(arguments[5]), let clients = Int(arguments[6])
        else { return say("stops usage") }
        do throws(JournalError) {
            let journal = try open(arguments)
            let service = try LedgerService(journal: journal, clock: now) { error in
                say("stops \(error)")
                _exit(74)
            }
            say("leads \(journal.term)")
            for client in 0..<clients { submit(service, run << 40 | UInt64(client) << 32) }
            withExtendedLifetime(service) { while true { sleep(1) } }
        } catch {
            say("stops \(error)")
            exit(3)
        }
    }

    static func open(_ arguments: [String]) throws(JournalError) -> any Journal {
        let local: any Journal
        switch arguments[1] {
        case "postgres":
            var options = PostgresJournal.Options()
            options.timeout = .seconds(5)
            return try PostgresJournal(
                conninfo: arguments[2], schema: arguments[3], options: options)
        case "file":
            var options = FileJournal.Options()
            options.segmentBytes = 1 << 20
            local = try FileJournal(path: arguments[2], options: options)
        default: local = try SQLiteJournal(path: arguments[2])
        }
        guard let port = Int(arguments[3]), let leader = identity(1), let standby = identity(2)
        else { throw .cannotOpen(arguments[3], "no port") }
        var options = ReplicationOptions(
            host: "127.0.0.1", port: port, identity: leader, standby: standby.publicKey,
            acknowledgement: arguments[4] == "sync" ? .sync : .async)
        options.onFenced = { term in
            say("stops fenced by term \(term)")
            _exit(75)
        }
        return try ReplicatedJournal(local, options: options)
    }

    static func identity(_ fill: UInt8) -> Ed25519.PrivateKey? {
        Ed25519.PrivateKey(seed: [UInt8](repeating: fill, count: 32))
    }

    /// Submits the account after the one with this id, and on the reply the next.
    static func submit(_ service: LedgerService, _ last: UInt64) {
        let id = last + 1
        let account = Account(id: AccountID(UInt128(id)), ledger: 1, code: 1)
        let command = LedgerCommand.createAccounts([account])
        var batch = LedgerBatch()
        batch.submit(command, encoded: command.canonicalBytes()) { result in
            switch result {
            case .success(.accounts(let results)):
                say(results.count == 1 ? "+ \(id)" : "! \(id)")
                submit(service, id)
            case .success: say("! \(id)")
            case .failure(let refusal): say("stops \(refusal)")
            }
        }
        service.submit(batch)
    }

    static let now: @Sendable () -> Timestamp = {
        Timestamp(nanoseconds: UInt64(Date().timeIntervalSince1970 * 1_000_000_000))
    }

    /// One write for one line: what the parent reads whole was said.
    static func say(_ line: String) {
        let bytes = Array("\(line)\n".utf8)
        _ = unsafe write(1, bytes, bytes.count)
    }
}
