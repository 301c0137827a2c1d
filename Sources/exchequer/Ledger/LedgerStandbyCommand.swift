import ArgumentParser
import Cryptography
import Dispatch
import Foundation
import Ledger
import Primitives
import Service
import Storage

/// `exchequer ledger standby`: follows a leader, and serves the ledger when that one is gone.
struct LedgerStandbyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "standby",
        abstract: "Follow a ledger's leader, and take over when it is gone.",
        discussion: """
            Keeps a verified, durable copy of the leader's journal and the state that it leads to \
            (docs/operating/standby.md). When it listens it prints one JSON line with its port and \
            its public key; after a takeover another one, as `exchequer ledger serve` does, and \
            serves as that does. What happens in between it says on standard error.

            It takes over by itself when it was in sync with a leader in sync mode and has heard \
            nothing for --patience seconds. Otherwise, and from a leader that was started with \
            --acknowledge async or --alone, only when an operator says so: kill -USR1 PROCESS. \
            Make sure first that the old leader is off.

            A journal in PostgreSQL has no copy and needs no keys: such a standby reads the \
            leader's database and takes over when its lease is 3 seconds old.

            EXAMPLES
              exchequer ledger standby --journal file:copy --identity standby.key \\
                  --listen 10.0.0.2:7200 --leader-key 64_DIGITS --port 7100
              exchequer ledger standby --journal 'postgres:host=db dbname=books'
            """)

    @Option(
        help: "Where the copy is: file:FOLDER or sqlite:FILE; or the leader's postgres:CONNINFO.")
    var journal: String
    @Option(help: "Where it listens for its leader: HOST:PORT, or PORT on this machine; 0: any.")
    var listen: Endpoint?
    @Option(help: "The leader's public key.", transform: MachineKey.publicKey)
    var leaderKey: PublicKey?
    @OptionGroup var own: MachineIdentity
    @Option(help: "Seconds without a word from the leader until it is gone; 2.5 if left out.")
    var patience: Double?
    @OptionGroup var serving: LedgerServing

    func validate() throws {
        guard let patience, !(1...3_600).contains(patience) else { return }
        throw ValidationError("--patience is from 1 to 3,600 seconds.")
    }

    private struct Ready: Encodable {
        let key: String?
        let listen: Int?
        let sequence: UInt64
        let process = ProcessInfo.processInfo.processIdentifier
    }

    /// What follows: how it is told something, and what comes of it.
    private struct Follower: Sendable {
        let ready: Ready
        let snapshots: SnapshotOptions?
        let promote, stop: @Sendable () -> Void
        /// Waits for the takeover; `nil` after `stop`.
        let promotion: @Sendable () async throws -> Promotion<LedgerMachine>?
    }

    func run() async throws {
        // Until there is something to promote, the signal must not end this process.
        signal(SIGUSR1, SIG_IGN)
        try await LedgerFailure.exiting {
            let place = try JournalPlace(journal)
            let follower = try await follow(place)
            let (stops, stopping) = AsyncStream.makeStream(of: Void.self)
            let signals = StopSignals { _ in
                follower.stop()
                stopping.yield()
            }
            let promoting = DispatchSource.makeSignalSource(signal: SIGUSR1, queue: .global())
            promoting.setEventHandler {
                Console.say("exchequer: told to take over")
                follower.promote()
            }
            promoting.activate()
            defer { promoting.cancel() }
            try Console.put(json: follower.ready)
            if let promotion = try await follower.promotion() {
                let service = try LedgerService(
                    promotion, snapshots: follower.snapshots, clock: { .systemNow })
                try await serving.serve(service, until: stops)
                serving.takeLast(of: place, follower.snapshots)
            }
            if let signal = signals.received { throw ExitCode(128 + signal) }
        }
    }

    private func follow(_ place: JournalPlace) async throws -> Follower {
        if case .postgres(let conninfo, let schema) = place {
            return try follow(
                conninfo: conninfo, schema: schema,
                snapshots: try serving.snapshotOptions(beside: place))
        }
        guard let listen, let leaderKey, own.identity != nil else {
            throw ValidationError("\(place) goes with --listen, --leader-key and --identity.")
        }
        let key = try own.key(peer: leaderKey)
        var options = try StandbyOptions(place, identity: key, leader: leaderKey)
        options.host = listen.host
        options.port = listen.port
        if let patience { options.patience = .milliseconds(Int64(patience * 1_000)) }
        let snapshots = try serving.snapshotOptions(beside: place)
        options.snapshots = snapshots?.store
        options.report = { Console.say("exchequer: \($0)") }
        let standby = try await Standby(options, empty: LedgerService.empty)
        return Follower(
            ready: Ready(
                key: key.publicKey.hex, listen: standby.port, sequence: standby.head.sequence),
            snapshots: snapshots, promote: { standby.promote() },
            stop: { standby.stop() },
            promotion: { try await standby.promotion() })
    }

    private func follow(
        conninfo: String, schema: String, snapshots: SnapshotOptions?
    ) throws -> Follower {
        if listen != nil || leaderKey != nil || own.identity != nil || patience != nil {
            throw ValidationError(
                "--listen, --leader-key, --identity and --patience go with a copy, and a journal "
                    + "in PostgreSQL has none.")
        }
        var options = PostgresJournal.Options()
        options.onFenced = Sequencer.endFencedProcess
        let standby = PostgresStandby<LedgerMachine>(
            conninfo: conninfo, schema: schema, options: options,
            report: { Console.say("exchequer: \($0)") })
        return Follower(
            ready: Ready(key: nil, listen: nil, sequence: standby.head.sequence),
            snapshots: snapshots, promote: { standby.promote() }, stop: { standby.stop() },
            promotion: {
                try await withCheckedThrowingContinuation { waiting in
                    Thread.detachNewThread {
                        waiting.resume(with: Result { try standby.run(empty: LedgerService.empty) })
                    }
                }
            })
    }
}
