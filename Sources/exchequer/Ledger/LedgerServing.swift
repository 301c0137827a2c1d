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
    @Option(help: "Where to serve.") var host = "127.0.0.1"
    @Option(help: "The port of the binary protocol; 0 for any free one.") var port = 7_100
    @Option(help: "The port of the HTTP API, 0 for any free one; without it there is none.")
    var httpPort: Int?
    @Option(help: "Connections at once.") var connections = 12_000

    private struct Ready: Encodable {
        let port: Int
        let httpPort: Int?
        let sequence: UInt64
        let process: Int32
    }

    /// The snapshots of the journal at a place, if it has any.
    func snapshotStore(beside place: JournalPlace) throws(JournalError) -> SnapshotStore? {
        guard let folder = snapshots ?? place.snapshotFolder else { return nil }
        return try SnapshotStore(folder: folder)
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
                service, host: host, port: port, httpPort: httpPort, options: options)
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
