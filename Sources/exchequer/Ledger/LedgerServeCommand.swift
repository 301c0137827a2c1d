import ArgumentParser
import Foundation
import Primitives
import Service
import Storage

/// `exchequer ledger`: the double-entry ledger by itself.
struct LedgerGroup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ledger",
        abstract: "Run the double-entry ledger by itself.",
        subcommands: [
            LedgerServeCommand.self, LedgerStandbyCommand.self, LedgerLoadCommand.self,
        ])
}

/// `exchequer ledger serve`: a ledger with a journal, over TCP.
struct LedgerServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serve a ledger: accounts, transfers, queries (docs/reference/ledger.md).",
        discussion: """
            The protocols are in docs/reference/ledger-protocol.md. Every answer is durable before \
            it is given; all requests that wait share one commit. There are no users: whoever \
            reaches the port may move everything, so it listens on this machine only unless told \
            otherwise. Ctrl-C ends it without losing anything.

            With --replicate-to the journal is kept on a second machine too, whose standby takes \
            over when this one is gone (docs/operating/standby.md).

            When it is ready it prints one JSON line with its ports. Exit code 75 says that \
            another process leads now: do not start this one again.

            EXAMPLES
              exchequer ledger serve --journal file:books
              exchequer ledger serve --journal sqlite:books.sqlite --port 7100
              exchequer ledger serve --journal 'postgres:host=/tmp dbname=books'
              exchequer ledger serve --journal file:books --identity leader.key \\
                  --replicate-to 10.0.0.2:7200 --standby-key 64_DIGITS
            """)

    @Option(help: "Where the journal is: file:FOLDER, sqlite:FILE or postgres:CONNINFO.")
    var journal: String
    @OptionGroup var serving: LedgerServing
    @OptionGroup var replication: ReplicationArguments

    func run() async throws {
        let (stops, stopping) = AsyncStream.makeStream(of: Void.self)
        let signals = StopSignals { _ in stopping.yield() }
        try await LedgerFailure.exiting {
            let place = try JournalPlace(journal)
            let replicated = try replication.options(for: place)
            let snapshots = try serving.snapshotOptions(beside: place)
            var books = try place.openForWriting(onFenced: Sequencer.endFencedProcess)
            if let replicated { books = try ReplicatedJournal(books, options: replicated) }
            let service = try LedgerService(
                journal: books, snapshots: snapshots, clock: { .systemNow })
            try await serving.serve(service, until: stops)
            serving.takeLast(of: place, snapshots)
        }
        if let signal = signals.received { throw ExitCode(128 + signal) }
    }
}
