import Foundation
import Ledger
import LedgerServer
import Primitives
import Service
import Storage
import Testing

/// Random histories through a real server with a file journal, over both protocols, from several
/// clients at once, with restarts. Every answer must be the naive ledger's, in the order of the
/// journal, and every query's too. `EXCHEQUER_WIRE_OPERATIONS` sets how many events at least,
/// `EXCHEQUER_WIRE_SEED` where to start; what clients do at once is not repeated by a seed.
@Suite(.serialized) struct WireDifferentialTests {
    private static func setting(_ name: String, _ standard: UInt64) -> UInt64 {
        ProcessInfo.processInfo.environment[name].flatMap(UInt64.init) ?? standard
    }

    private static let operations = Int(setting("EXCHEQUER_WIRE_OPERATIONS", 2_000))
    private static let roundsPerHistory = 40

    @Test func aServerAnswersWhatTheNaiveLedgerDoes() async throws {
        var seed = Self.setting("EXCHEQUER_WIRE_SEED", .random(in: 1...1 << 40))
        var events = 0
        var queries = 0
        var transfers: Set<CreateTransferStatus> = []
        var accounts: Set<CreateAccountStatus> = []
        while events < Self.operations {
            let history = WireHistory(seed: seed)
            let folder = FileManager.default.temporaryDirectory
                .appendingPathComponent("wire-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(at: folder) }
            try await play(history, folder.path, seed)
            if !history.differences.isEmpty {
                Issue.record("seed \(seed): \(history.differences.prefix(3))")
                return
            }
            events += history.events
            queries += history.queries
            transfers.formUnion(history.transfers)
            accounts.formUnion(history.accounts)
            if events / 100_000 != (events - history.events) / 100_000 {
                print("wire: \(events) events, \(queries) rounds of queries, seed \(seed)")
            }
            seed += 1
        }
        print("wire: \(events) events, \(transfers.count) transfer statuses, last seed \(seed - 1)")
        #expect(transfers.count > 20 && accounts.count > 5)
        guard Self.operations >= 1_000_000 else { return }
        for status in CreateTransferStatus.allCases where !status.isReserved {
            #expect(transfers.contains(status), "transfer \(status) never happened")
        }
    }

    /// Plays one history, on a journal that is opened anew every few rounds, with a snapshot or
    /// without.
    private func play(_ history: WireHistory, _ folder: String, _ seed: UInt64) async throws {
        let path = "\(folder)/books"
        var options = FileJournal.Options()
        options.segmentBytes = 128 << 10
        options.usesDirectWrites = seed % 2 == 0
        var commit = LedgerService.usualOptions
        commit.commandsPerBatch = [1, 3, 8_192][Int(seed % 3)]
        var round = 0
        while round < Self.roundsPerHistory, history.differences.isEmpty {
            let journal = try FileJournal(path: path, options: options)
            let store = try SnapshotStore(folder: path + ".snapshots")
            let running = try await RunningLedger(
                journal: journal, commit: commit,
                snapshots: round % 3 == 0 ? nil : SnapshotOptions(store),
                clock: { [clock = history.clock] in clock.now })
            for _ in 0..<(3 + (seed &+ UInt64(round)) % 7) {
                try history.playRound(running.port, running.httpPort, journal)
                round += 1
            }
            await running.end()
            try compare(history, path, store, takes: round % 2 == 0)
        }
    }

    /// What the next start will recover; sometimes a snapshot for it.
    private func compare(
        _ history: WireHistory, _ path: String, _ store: SnapshotStore, takes: Bool
    ) throws {
        let journal = try FileJournal(readingOnly: path)
        if takes { _ = try store.take(ofWhole: journal) }
        let recovery = try Recovery(of: journal, empty: LedgerMachine(), snapshots: store)
        history.compare(recovery.machine)
        try journal.close()
    }
}
