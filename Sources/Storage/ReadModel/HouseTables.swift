import Clearing
import Ledger
import Primitives

/// The tables that a house's read model has beside a ledger's.
enum HouseTables {
    static let all = [
        houseAccount, party, node, job, jobStage, verdict, settlement, settlementLine, epoch,
        epochShare,
    ]

    static let houseAccount = ReadModelTable(
        "house_account",
        [("account", .wide), ("purpose", .text), ("asset", .text), ("party", .integer)],
        indexes: ["party, asset"])

    static let party = ReadModelTable(
        "party",
        [
            ("id", .integer), ("address", .text), ("name", .text), ("created_at", .integer),
            ("tombstoned", .integer), ("objective_faults", .integer),
            ("liveness_faults", .integer), ("total_work", .number(digits: 20)),
            ("running_jobs", .integer), ("exposure", .wide),
        ],
        indexes: ["address"])

    static let node = ReadModelTable(
        "node",
        [
            ("id", .integer), ("party", .integer), ("public_key", .text), ("kernel", .text),
            ("created_at", .integer), ("online", .integer),
        ],
        indexes: ["party"])

    static let job = ReadModelTable(
        "job",
        [
            ("id", .integer), ("buyer", .integer), ("model", .integer), ("state", .text),
            ("attempt", .integer), ("prompt_tokens", .integer), ("max_tokens", .integer),
            ("output_tokens", .integer), ("hold", .wide), ("hold_transfer", .wide),
            ("cost", .wide), ("opened_at", .integer), ("ended_at", .integer),
            ("auditor", .integer), ("verdict", .integer), ("failure", .text),
        ], optional: ["ended_at", "auditor", "verdict", "failure"],
        indexes: ["buyer, opened_at", "state"])

    static let jobStage = ReadModelTable(
        "job_stage", key: 2,
        [
            ("job", .integer), ("stage", .integer), ("node", .integer), ("party", .integer),
            ("first_layer", .integer), ("end_layer", .integer), ("cost", .wide),
        ],
        indexes: ["party", "node"])

    static let verdict = ReadModelTable(
        "verdict",
        [
            ("id", .integer), ("job", .integer), ("attempt", .integer), ("code", .integer),
            ("finding", .text), ("accused", .integer), ("accused_stage", .integer),
            ("auditor", .integer), ("state", .text), ("recorded_at", .integer),
            ("captured", .wide), ("burned", .wide), ("settled_on_chain", .integer),
        ], optional: ["accused", "accused_stage"],
        indexes: ["job", "accused"])

    static let settlement = ReadModelTable(
        "settlement",
        [
            ("id", .integer), ("cut_at", .integer), ("state", .text), ("root", .text),
            ("chain_transaction", .text), ("lines", .integer),
        ])

    static let settlementLine = ReadModelTable(
        "settlement_line", key: 2,
        [
            ("settlement", .integer), ("place", .integer), ("party", .integer),
            ("address", .text), ("asset", .text), ("cumulative", .wide),
        ],
        indexes: ["party"])

    static let epoch = ReadModelTable(
        "epoch", [("id", .integer), ("closed_at", .integer), ("emitted", .wide)])

    static let epochShare = ReadModelTable(
        "epoch_share", key: 2,
        [
            ("epoch", .integer), ("party", .integer), ("work", .number(digits: 20)),
            ("amount", .wide),
        ],
        indexes: ["party"])
}

/// Turns a house's records into rows, each time those that differ from what was given before.
/// O(records of the house).
struct HouseProjection {
    /// By table and key: the hash of the last row that was given. It only saves writing.
    private var given: [String: [[ReadModelCell]: Int]] = [:]
    /// By job: how many stages the model may have of it.
    private var stages: [JobID: Int] = [:]
    /// Whether the model may hold rows of an earlier filling.
    private let isResuming: Bool

    init(isResuming: Bool) { self.isResuming = isResuming }

    mutating func takeRows(_ house: ClearingHouse) -> [ReadModelRows] {
        var all: [ReadModelRows] = []
        func give(_ table: ReadModelTable, _ rows: [[ReadModelCell]]) {
            var changed = ReadModelRows(table)
            var memory = given[table.name] ?? [:]
            for row in rows {
                let key = Array(row.prefix(table.keyColumns))
                let hash = row.hashValue
                if memory.updateValue(hash, forKey: key) != hash { changed.add(row) }
            }
            given[table.name] = memory
            all.append(changed)
        }
        give(HouseTables.houseAccount, house.ledger.accounts.map(HouseProjection.row))
        give(HouseTables.party, house.parties.map(HouseProjection.row))
        give(HouseTables.node, house.nodes.map(HouseProjection.row))
        give(HouseTables.job, house.jobs.map(HouseProjection.row))
        give(HouseTables.jobStage, house.jobs.flatMap(HouseProjection.stages))
        all[all.count - 1].shortened = shortened(house)
        give(HouseTables.verdict, house.verdicts.map(HouseProjection.row))
        give(HouseTables.settlement, house.batches.map(HouseProjection.row))
        give(HouseTables.settlementLine, house.batches.flatMap(HouseProjection.lines))
        give(HouseTables.epoch, house.epochs.map(HouseProjection.row))
        give(HouseTables.epochShare, house.epochs.flatMap(HouseProjection.shares))
        return all
    }

    /// The jobs that may have more stages in the model than in the house: a stage that was replaced
    /// can leave a job with fewer, or with none.
    private mutating func shortened(_ house: ClearingHouse) -> [ReadModelRows.Shortening] {
        var found: [ReadModelRows.Shortening] = []
        for job in house.jobs {
            let count = job.pipeline.count
            let before = stages.updateValue(count, forKey: job.id) ?? (isResuming ? .max : 0)
            if before > count {
                found.append(.init(owner: Int64(clamping: job.id.rawValue), end: Int64(count)))
            }
        }
        return found
    }

    private static func row(_ account: Account) -> [ReadModelCell] {
        [
            .number(account.id.value), .text(account.id.purpose.map { "\($0)" } ?? ""),
            .text(account.id.asset?.code ?? account.id.coin.map { "\($0)" } ?? ""),
            .integer(account.id.owner.rawValue),
        ]
    }

    private static func row(_ party: Party) -> [ReadModelCell] {
        [
            .integer(party.id.rawValue), .text(party.address.hex), .text(party.name),
            .integer(party.createdAt.nanoseconds), .integer(party.tombstoned ? 1 as Int64 : 0),
            .integer(Int64(party.objectiveFaults)), .integer(Int64(party.livenessFaults)),
            .number(UInt128(party.totalWork)), .integer(Int64(party.runningJobs)),
            .number(party.exposure.units),
        ]
    }

    private static func row(_ node: NodeRecord) -> [ReadModelCell] {
        [
            .integer(node.id.rawValue), .integer(node.party.rawValue), .text(node.key.hex),
            .text(node.kernel), .integer(node.createdAt.nanoseconds),
            .integer(node.online ? 1 as Int64 : 0),
        ]
    }

    private static func row(_ job: Job) -> [ReadModelCell] {
        [
            .integer(job.id.rawValue), .integer(job.demand.buyer.rawValue),
            .integer(job.demand.model.rawValue), .text("\(job.state)"),
            .integer(Int64(job.attempt)), .integer(Int64(job.demand.promptTokens)),
            .integer(Int64(job.demand.maxTokens)), .integer(Int64(job.outputTokens)),
            .number(job.hold.units), .number(job.holdTransfer.value), .number(job.cost.units),
            .integer(job.openedAt.nanoseconds), optional(job.endedAt.nanoseconds),
            optional(job.auditor.rawValue), optional(job.verdict.rawValue),
            job.failure.map { .text("\($0)") } ?? .null,
        ]
    }

    private static func stages(_ job: Job) -> [[ReadModelCell]] {
        job.pipeline.enumerated().map { place, stage in
            [
                .integer(job.id.rawValue), .integer(Int64(place)), .integer(stage.node.rawValue),
                .integer(stage.party.rawValue), .integer(Int64(stage.layers.first)),
                .integer(Int64(stage.layers.end)), .number(stage.cost.units),
            ]
        }
    }

    private static func row(_ record: VerdictRecord) -> [ReadModelCell] {
        let verdict = record.verdict.body
        return [
            .integer(record.id.rawValue), .integer(verdict.job.rawValue),
            .integer(Int64(verdict.attempt)), .integer(Int64(record.code.rawValue)),
            .text("\(record.code)"), optional(record.accused.rawValue),
            verdict.accusedStage.map { .integer(Int64($0)) } ?? .null,
            .integer(record.auditor.rawValue), .text("\(record.state)"),
            .integer(record.recordedAt.nanoseconds), .number(record.captured.units),
            .number(record.burned.units), .integer(record.settledOnChain ? 1 as Int64 : 0),
        ]
    }

    private static func row(_ batch: Batch) -> [ReadModelCell] {
        [
            .integer(batch.id.rawValue), .integer(batch.cutAt.nanoseconds),
            .text("\(batch.state)"), .text(batch.root.hex), .text(batch.transaction.hex),
            .integer(Int64(batch.lines.count)),
        ]
    }

    private static func lines(_ batch: Batch) -> [[ReadModelCell]] {
        batch.lines.enumerated().map { place, line in
            [
                .integer(batch.id.rawValue), .integer(Int64(place)),
                .integer(line.party.rawValue), .text(line.address.hex), .text(line.asset.code),
                .number(line.cumulative),
            ]
        }
    }

    private static func row(_ epoch: EpochRecord) -> [ReadModelCell] {
        [
            .integer(epoch.id.rawValue), .integer(epoch.closedAt.nanoseconds),
            .number(epoch.emitted.units),
        ]
    }

    private static func shares(_ epoch: EpochRecord) -> [[ReadModelCell]] {
        epoch.shares.map { share in
            [
                .integer(epoch.id.rawValue), .integer(share.party.rawValue),
                .number(UInt128(share.work)), .number(share.amount.units),
            ]
        }
    }

    /// 0 stands for nothing.
    private static func optional(_ value: UInt64) -> ReadModelCell {
        value == 0 ? .null : .integer(value)
    }
}
