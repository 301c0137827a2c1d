import ArgumentParser
import Foundation
import LedgerServer
import Primitives
import Service
import Storage
import Transport

/// How a ledger is served: what a leader and a standby that took over have in common.
struct LedgerServing: ParsableArguments {
    @Option(
        help: """
            The folder for snapshots, which make starts quick. Without it PLACE.snapshots beside \
            the journal, and none for one in PostgreSQL.
            """)
    var snapshots: String?
    @Flag(help: "Neither take snapshots nor start from one.") var noSnapshots = false
    @Option(help: "Take a snapshot after so many transfers and accounts.")
    var snapshotEvents: UInt64 = 4_000_000
    @Option(help: "Take a snapshot after so many minutes, if anything came.")
    var snapshotMinutes: UInt32 = 10
    @Flag(help: "Take a snapshot when ending, which may take a while: for a planned restart.")
    var snapshotAtEnd = false
    @Option(help: "Where to serve.") var host = "127.0.0.1"
    @Option(help: "The port of the binary protocol; 0 for any free one.") var port = 7_100
    @Option(help: "The port of the HTTP API, 0 for any free one; without it there is none.")
    var httpPort: Int?
    @Option(
        help: """
            Serve the binary protocol on a Unix socket at this path too, for clients of this user \
            on this machine: about a third faster than TCP.
            """)
    var socket: String?
    @Option(help: "Connections at once.") var connections = 12_000

    private struct Ready: Encodable {
        let port: Int
        let httpPort: Int?
        let sequence: UInt64
        let process: Int32
    }

    func validate() throws {
        if noSnapshots, snapshots != nil || snapshotAtEnd {
            throw ValidationError("--no-snapshots goes with no other option about snapshots.")
        }
    }

    /// Where the snapshots of the journal at a place are and when one is taken, if ever.
    func snapshotOptions(beside place: JournalPlace) throws(JournalError) -> SnapshotOptions? {
        guard !noSnapshots, let folder = snapshots ?? place.snapshotFolder else { return nil }
        var options = SnapshotOptions(try SnapshotStore(folder: folder))
        options.events = max(snapshotEvents, 1)
        options.interval = .seconds(60 * Int64(max(snapshotMinutes, 1)))
        return options
    }

    /// With `--snapshot-at-end`, takes one. Everything is durable and answered by then: whatever
    /// fails here is said and no more.
    func takeLast(of place: JournalPlace, _ snapshots: SnapshotOptions?) {
        guard snapshotAtEnd, let snapshots else { return }
        do {
            let journal = try place.openForReading()
            let info = try snapshots.store.take(ofWhole: journal, notice: snapshots.notice)
            if let info { snapshots.notice(.written(info)) }
        } catch {
            snapshots.notice(.failed("\(error)"))
        }
    }

    /// Serves until something comes through `stops`, then ends the service in order. Prints the
    /// ports as one JSON line when it is ready.
    func serve(_ service: LedgerService, until stops: AsyncStream<Void>) async throws {
        raiseFileLimit()
        var options = LedgerServer.Options()
        options.connections = connections
        let server: LedgerServer
        do {
            server = try await LedgerServer(
                service, host: host, port: port, httpPort: httpPort, socket: socket,
                options: options)
        } catch {
            try? await service.stop()
            Console.say("exchequer: the ledger cannot be served on \(host): \(error)")
            throw Exit.network
        }
        try Console.put(
            json: Ready(
                port: server.port, httpPort: server.httpPort, sequence: service.head.sequence,
                process: ProcessInfo.processInfo.processIdentifier))
        for await _ in stops { break }
        try await service.stop()
        await server.close()
    }

    /// As many connections as the system allows this process.
    private func raiseFileLimit() {
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
            return
        }
        limit.rlim_cur = limit.rlim_max
        _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}

/// Why a ledger does not start or go on, as an exit code.
enum LedgerFailure {
    /// Runs `body`; says what went wrong and exits with the code for it.
    static func exiting(_ body: () async throws -> Void) async throws {
        do {
            try await body()
        } catch let error as JournalError {
            Console.say("exchequer: \(error)")
            throw error.exitCode
        } catch let error as SecureLinkError {
            Console.say("exchequer: the standby cannot listen for its leader: \(error)")
            throw Exit.network
        } catch let error as SecretFileError {
            Console.say("exchequer: \(error)")
            throw Exit.configuration
        }
    }
}
