import ArgumentParser
import Foundation
import LedgerServer
import Primitives
import Service
import Storage

/// `exchequer ledger`: the double-entry ledger by itself.
struct LedgerGroup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ledger",
        abstract: "Run the double-entry ledger by itself.",
        subcommands: [LedgerServeCommand.self, LedgerLoadCommand.self])
}

/// `exchequer ledger serve`: a ledger with a journal, over TCP.
struct LedgerServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serve a ledger: accounts, transfers, queries (docs/reference/ledger.md).",
        discussion: """
            The protocols are in docs/reference/ledger-protocol.md. Every answer is durable \
            before it \
            is given; all requests that wait share one commit. There are no users: \
            whoever reaches the port may move everything, so it listens on this machine only \
            unless told otherwise. Ctrl-C ends it without losing anything.

            When it is ready it prints one JSON line with its ports.

            EXAMPLES
              exchequer ledger serve --journal file:books
              exchequer ledger serve --journal sqlite:books.sqlite --port 7100
              exchequer ledger serve --journal 'postgres:host=/tmp dbname=books'
            """)

    @Option(help: "Where the journal is: file:FOLDER, sqlite:FILE or postgres:CONNINFO.")
    var journal: String
    @Option(
        help: """
            The folder for snapshots, which make starts quick. Without it PLACE.snapshots beside \
            the journal, and none for one in PostgreSQL.
            """)
    var snapshots: String?
    @Flag(help: "Neither take snapshots nor start from one.") var noSnapshots = false
    @Option(help: "Take a snapshot after so many transfers and accounts.")
    var snapshotEvents: UInt64 = 1_000_000
    @Option(help: "Take a snapshot after so many minutes, if anything came.")
    var snapshotMinutes: UInt32 = 10
    @Flag(help: "Take a snapshot when ending, which may take a while: for a planned restart.")
    var snapshotAtEnd = false
    @Option(help: "Where to listen.") var host = "127.0.0.1"
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

    func run() async throws {
        raiseFileLimit()
        let (stops, stopping) = AsyncStream.makeStream(of: Int32.self)
        let signals = StopSignals { stopping.yield($0) }
        let place = try JournalPlace(journal)
        let books = try place.openForWriting()
        let snapshots = try snapshotOptions(place)
        let service = try LedgerService(
            journal: books, snapshots: snapshots, clock: { .systemNow })
        var options = LedgerServer.Options()
        options.connections = connections
        let server = try await LedgerServer(
            service, host: host, port: port, httpPort: httpPort, options: options)
        try Console.put(
            json: Ready(
                port: server.port, httpPort: server.httpPort, sequence: service.head.sequence,
                process: ProcessInfo.processInfo.processIdentifier))
        for await _ in stops { break }
        try await service.stop()
        await server.close()
        if snapshotAtEnd, let snapshots { takeLast(of: place, snapshots) }
        withExtendedLifetime(signals) {}
    }

    private func snapshotOptions(_ place: JournalPlace) throws -> SnapshotOptions? {
        guard !noSnapshots, let folder = snapshots ?? place.snapshotFolder else { return nil }
        var options = SnapshotOptions(try SnapshotStore(folder: folder))
        options.events = max(snapshotEvents, 1)
        options.interval = .seconds(60 * Int64(max(snapshotMinutes, 1)))
        return options
    }

    func validate() throws {
        if noSnapshots, snapshots != nil || snapshotAtEnd {
            throw ValidationError("--no-snapshots goes with no other option about snapshots.")
        }
    }

    /// Everything is durable and answered by now: whatever fails here is said and no more.
    private func takeLast(of place: JournalPlace, _ snapshots: SnapshotOptions) {
        do {
            let journal = try place.openForReading()
            let info = try snapshots.store.take(ofWhole: journal, notice: snapshots.notice)
            if let info { snapshots.notice(.written(info)) }
        } catch {
            snapshots.notice(.failed("\(error)"))
        }
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
