import Clearing
import ClearingWorld
import Economics
import Ledger
import Primitives
import Storage
import Testing

/// Every column of every table of a house's read model is what the house says, after each part of a
/// random walk, filled in steps and rebuilt.
@Suite struct HouseModelTests {
    @Test(arguments: [false, true], [UInt64(4), 10])
    func everyTableIsTheHouse(inPostgres: Bool, seed: UInt64) throws {
        let model = inPostgres ? try ModelUnderTest.postgres() : try .sqlite()
        var world = World {
            $0.auditRatePerMillion = 1_000_000
            $0.challengeWindow = .seconds(20)
            $0.appealWindow = .seconds(30)
            $0.jobTimeoutSeconds = 40
        }
        var random = SplitMix64(seed: seed)
        let journal = MemoryJournal()
        var states: Set<String> = []
        for _ in 0..<3 {
            try walk(&world, &random, journal)
            // Twice by one filler, then by the next: one remembers what it wrote, the other cannot.
            var failure: (any Error)?
            var rounds = 0
            try fillReadModel(from: journal, into: model.place) { _ in
            } caughtUp: { _ in
                rounds += 1
                do { try walk(&world, &random, journal) } catch { failure = error }
                return rounds < 2
            }
            if let failure { throw failure }
            try fillReadModel(from: journal, into: model.place)
            try model.expectEqual(world.house)
            states.formUnion(try model.rows("SELECT state FROM job").map { $0[0] })
        }
        try fillReadModel(from: journal, into: model.place, rebuilding: true)
        try model.expectEqual(world.house)
        // All of it was there to be compared; not every walk has verdicts.
        for table in ModelUnderTest.houseTables.map(\.name) {
            #expect(try !model.rows("SELECT 1 FROM \(table)").isEmpty, "\(table) is empty")
        }
        #expect(states.count >= 3, "\(states)")
    }

    /// Goes on with a walk and journals what was accepted, a few commands a batch.
    private func walk(
        _ world: inout World, _ random: inout SplitMix64, _ journal: any Journal
    ) throws {
        var written = world.accepted.endIndex
        if journal.head.sequence == 0 { written = 0 }
        for _ in 0..<150 {
            let kind = Int(random.below(UInt64(World.kinds)))
            world.seconds += random.below(3)
            _ = world.apply(world.command(kind, &random))
        }
        while written < world.accepted.count {
            let end = min(written + 1 + Int(random.below(7)), world.accepted.count)
            try journal.append(
                world.accepted[written..<end].map {
                    JournalEntry(time: $0.time, command: $0.command.canonicalBytes())
                })
            written = end
        }
    }
}

extension ModelUnderTest {
    /// The tables of docs/reference/read-model.md, with their columns, and by what they are sorted.
    static let houseTables: [(name: String, columns: String, order: String)] = [
        ("house_account", "account, purpose, asset, party", "account"),
        (
            "party",
            "id, address, name, created_at, tombstoned, objective_faults, liveness_faults, "
                + "total_work, running_jobs, exposure", "id"
        ),
        ("node", "id, party, public_key, kernel, created_at, online", "id"),
        (
            "job",
            "id, buyer, model, state, attempt, prompt_tokens, max_tokens, output_tokens, hold, "
                + "hold_transfer, cost, opened_at, ended_at, auditor, verdict, failure", "id"
        ),
        ("job_stage", "job, stage, node, party, first_layer, end_layer, cost", "job, stage"),
        (
            "verdict",
            "id, job, attempt, code, finding, accused, accused_stage, auditor, state, "
                + "recorded_at, captured, burned, settled_on_chain", "id"
        ),
        ("settlement", "id, cut_at, state, root, chain_transaction, lines", "id"),
        (
            "settlement_line", "settlement, place, party, address, asset, cumulative",
            "settlement, place"
        ),
        ("epoch", "id, closed_at, emitted", "id"),
        ("epoch_share", "epoch, party, work, amount", "epoch, party"),
    ]

    /// Checks every table, those of the ledger too.
    func expectEqual(_ house: ClearingHouse) throws {
        try expectEqual(house.ledger) { _ in true }
        for (table, expected) in zip(Self.houseTables, Self.rows(of: house)) {
            let found = try rows(
                "SELECT \(table.columns) FROM \(table.name) ORDER BY \(table.order)")
            #expect(found == expected, "\(table.name)")
        }
    }

    private static func rows(of house: ClearingHouse) -> [[[String]]] {
        let accounts = house.ledger.accounts.sorted { $0.id.value < $1.id.value }
        return [
            accounts.map {
                [
                    "\($0.id.value)", $0.id.purpose.map { "\($0)" } ?? "",
                    $0.id.asset?.code ?? $0.id.coin.map { "\($0)" } ?? "", "\($0.id.owner)",
                ]
            },
            house.parties.map {
                [
                    "\($0.id)", $0.address.hex, $0.name, "\($0.createdAt.nanoseconds)",
                    $0.tombstoned ? "1" : "0", "\($0.objectiveFaults)", "\($0.livenessFaults)",
                    "\($0.totalWork)", "\($0.runningJobs)", "\($0.exposure.units)",
                ]
            },
            house.nodes.map {
                [
                    "\($0.id)", "\($0.party)", $0.key.hex, $0.kernel,
                    "\($0.createdAt.nanoseconds)", $0.online ? "1" : "0",
                ]
            },
            house.jobs.map(row), house.jobs.flatMap(stages), house.verdicts.map(row),
            house.batches.map {
                [
                    "\($0.id)", "\($0.cutAt.nanoseconds)", "\($0.state)", $0.root.hex,
                    $0.transaction.hex, "\($0.lines.count)",
                ]
            },
            house.batches.flatMap { batch in
                batch.lines.enumerated().map { place, line in
                    [
                        "\(batch.id)", "\(place)", "\(line.party)", line.address.hex,
                        line.asset.code, "\(line.cumulative)",
                    ]
                }
            },
            house.epochs.map { ["\($0.id)", "\($0.closedAt.nanoseconds)", "\($0.emitted.units)"] },
            house.epochs.flatMap { epoch in
                epoch.shares.sorted { $0.party.rawValue < $1.party.rawValue }.map {
                    ["\(epoch.id)", "\($0.party)", "\($0.work)", "\($0.amount.units)"]
                }
            },
        ]
    }

    private static func row(_ job: Job) -> [String] {
        let demand = job.demand
        return [
            "\(job.id)", "\(demand.buyer)", "\(demand.model)", "\(job.state)", "\(job.attempt)",
            "\(demand.promptTokens)", "\(demand.maxTokens)", "\(job.outputTokens)",
            "\(job.hold.units)", "\(job.holdTransfer.value)", "\(job.cost.units)",
            "\(job.openedAt.nanoseconds)", optional(job.endedAt.nanoseconds),
            optional(job.auditor.rawValue), optional(job.verdict.rawValue),
            job.failure.map { "\($0)" } ?? "-",
        ]
    }

    private static func stages(_ job: Job) -> [[String]] {
        job.pipeline.enumerated().map { place, stage in
            [
                "\(job.id)", "\(place)", "\(stage.node)", "\(stage.party)",
                "\(stage.layers.first)", "\(stage.layers.end)", "\(stage.cost.units)",
            ]
        }
    }

    private static func row(_ record: VerdictRecord) -> [String] {
        let verdict = record.verdict.body
        return [
            "\(record.id)", "\(verdict.job)", "\(verdict.attempt)", "\(record.code.rawValue)",
            "\(record.code)", optional(record.accused.rawValue),
            verdict.accusedStage.map { "\($0)" } ?? "-", "\(record.auditor)", "\(record.state)",
            "\(record.recordedAt.nanoseconds)", "\(record.captured.units)",
            "\(record.burned.units)", record.settledOnChain ? "1" : "0",
        ]
    }

    /// 0 stands for nothing.
    private static func optional(_ number: UInt64) -> String { number == 0 ? "-" : "\(number)" }
}
