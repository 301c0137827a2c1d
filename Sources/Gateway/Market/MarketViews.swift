import Clearing
import Cryptography
import Economics
import Primitives
import Service

/// How the API shows the market's records. Amounts are decimal text, times milliseconds.
enum MarketViews {
    struct Offer: Encodable, Sendable {
        let offer, party, node: UInt64
        let provider, model, modelName, inputPrice, outputPrice, region, state, numerics: String
        let layers: [UInt16]
        let concurrency, running: UInt16
        let context: UInt32
        let online: Bool
        let expiresAt: UInt64

        init(_ offer: Clearing.Offer, in house: borrowing ClearingHouse) {
            let draft = offer.draft
            self.offer = offer.id.rawValue
            party = offer.party.rawValue
            node = draft.node.rawValue
            provider = house.party(offer.party)?.publicName ?? ""
            model = house.model(draft.model)?.draft.root.hex ?? ""
            modelName = house.model(draft.model)?.draft.name ?? ""
            inputPrice = Asset.usd.format(Amount(UInt128(draft.inputPrice.perMillion)))
            outputPrice = Asset.usd.format(Amount(UInt128(draft.outputPrice.perMillion)))
            region = draft.region
            state = "\(offer.state)"
            numerics = draft.numerics.name
            layers = [draft.layers.first, draft.layers.end]
            concurrency = draft.concurrency
            running = offer.running
            context = draft.context
            online = house.node(draft.node)?.online ?? false
            expiresAt = draft.expiresAt.milliseconds
        }
    }

    struct Provider: Encodable, Sendable {
        let party: UInt64
        let name, address, bond, requiredBond: String
        let nodes, online: Int
        let tombstoned: Bool
        let objectiveFaults, livenessFaults: UInt32
        let totalWork, epochWork: UInt64

        init(_ party: Party, in house: borrowing ClearingHouse) {
            self.party = party.id.rawValue
            name = party.publicName
            address = party.address.hex
            bond = Asset.usd.format(house.balance(.bonded, .usd, of: party.id))
            requiredBond = house.requiredBond(of: party.id).map { Asset.usd.format($0) } ?? ""
            nodes = party.nodes.count
            online = party.nodes.count { house.node($0)?.online == true }
            tombstoned = party.tombstoned
            objectiveFaults = party.objectiveFaults
            livenessFaults = party.livenessFaults
            totalWork = party.totalWork
            epochWork = party.epochWork
        }
    }

    struct Stage: Encodable, Sendable {
        let offer, node, party: UInt64
        let provider, cost: String
        let layers: [UInt16]
        let signed: Bool
        let inputRoot, outputRoot: String?
    }

    struct Job: Encodable, Sendable {
        let job, buyer: UInt64
        let model, state, hold, cost: String
        let promptTokens, maxTokens, outputTokens, attempt: UInt32
        let pipeline: [Stage]
        let auditor, verdict: UInt64?
        let failure: String?
        let openedAt: UInt64
        let endedAt: UInt64?

        init(_ job: Clearing.Job, in house: borrowing ClearingHouse) {
            self.job = job.id.rawValue
            buyer = job.demand.buyer.rawValue
            model = house.model(job.demand.model)?.draft.name ?? ""
            state = "\(job.state)"
            hold = Asset.usd.format(job.hold)
            cost = Asset.usd.format(job.cost)
            promptTokens = job.demand.promptTokens
            maxTokens = job.demand.maxTokens
            outputTokens = job.outputTokens
            attempt = job.attempt
            var stages: [Stage] = []
            for stage in job.pipeline {
                stages.append(
                    Stage(
                        offer: stage.offer.rawValue, node: stage.node.rawValue,
                        party: stage.party.rawValue,
                        provider: house.party(stage.party)?.publicName ?? "",
                        cost: Asset.usd.format(stage.cost),
                        layers: [stage.layers.first, stage.layers.end],
                        signed: stage.roots != nil, inputRoot: stage.roots?.input.hex,
                        outputRoot: stage.roots?.output.hex))
            }
            pipeline = stages
            auditor = job.auditor == .none ? nil : job.auditor.rawValue
            verdict = job.verdict == .none ? nil : job.verdict.rawValue
            failure = job.failure?.name
            openedAt = job.openedAt.milliseconds
            endedAt = job.endedAt == .zero ? nil : job.endedAt.milliseconds
        }
    }

    struct Verdict: Encodable, Sendable {
        let verdict, job, auditor: UInt64
        let state, fault, faultClass, rung, captured, burned, evidence, recomputedRoot: String
        let code: UInt16
        let accused: UInt64?
        let accusedStage: UInt16?
        let recordedAt: UInt64
        let appealUntil: UInt64?
        let settledOnChain: Bool

        init(_ record: VerdictRecord) {
            let body = record.verdict.body
            verdict = record.id.rawValue
            job = body.job.rawValue
            auditor = record.auditor.rawValue
            state = "\(record.state)"
            fault = "\(record.code)"
            faultClass = "\(record.code.faultClass)"
            rung = "\(record.rung)"
            captured = Asset.usd.format(record.captured)
            burned = Asset.usd.format(record.burned)
            evidence = body.evidence.hex
            recomputedRoot = body.recomputedRoot.hex
            code = record.code.rawValue
            accused = record.accused == .none ? nil : record.accused.rawValue
            accusedStage = body.accusedStage
            recordedAt = record.recordedAt.milliseconds
            appealUntil = record.deadline == .zero ? nil : record.deadline.milliseconds
            settledOnChain = record.settledOnChain
        }
    }

    struct Epoch: Encodable, Sendable {
        struct Share: Encodable, Sendable {
            let party, work: UInt64
            let amount: String
        }

        let epoch, closedAt: UInt64
        let emitted: String
        let shares: [Share]

        init(_ record: EpochRecord) {
            epoch = record.id.rawValue
            closedAt = record.closedAt.milliseconds
            emitted = Asset.tly.format(record.emitted)
            shares = record.shares.map {
                Share(
                    party: $0.party.rawValue, work: $0.work, amount: Asset.tly.format($0.amount))
            }
        }
    }

    struct Batch: Encodable, Sendable {
        struct Line: Encodable, Sendable {
            let party: UInt64
            let address, asset, cumulative, cumulativeUnits: String
        }

        struct Rail: Encodable, Sendable {
            let network, finality, stage: String
            let transaction: String?
        }

        let batch, cutAt: UInt64
        let rail: Rail?
        let state, root, liabilitiesRoot, transaction, addedUsd, addedTly: String
        let lineCount: Int
        /// What the chain charged for the root.
        let costs: [PayoutViews.Cost]
        /// That in all, and for each leaf, rounded up.
        let costUnits, costPerLeaf: String?
        let lines: [Line]?

        init(
            _ batch: Clearing.Batch, _ settlement: SettlementService?,
            costs: [ChainCost], withLines: Bool
        ) {
            self.costs = costs.map(PayoutViews.Cost.init)
            let charged = PayoutViews.Charged(costs, among: batch.lines.count)
            (costUnits, costPerLeaf) = (charged.total, charged.each)
            self.batch = batch.id.rawValue
            rail = settlement.map { settlement in
                let rail = settlement.rail(of: batch)
                return Rail(
                    network: settlement.network, finality: settlement.finality.rawValue,
                    stage: rail.stage.rawValue, transaction: rail.transaction?.hex)
            }
            cutAt = batch.cutAt.milliseconds
            state = "\(batch.state)"
            root = batch.root.hex
            liabilitiesRoot = (batch.liabilities?.root ?? .zero).hex
            transaction = batch.transaction.hex
            addedUsd = Self.text(batch.added(.usd), .usd)
            addedTly = Self.text(batch.added(.tly), .tly)
            lineCount = batch.lines.count
            lines =
                !withLines
                ? nil
                : batch.lines.map { line in
                    Line(
                        party: line.party.rawValue, address: line.address.hex,
                        asset: line.asset.code,
                        cumulative: Self.text(line.cumulative, line.asset),
                        cumulativeUnits: "\(line.cumulative)")
                }
        }

        private static func text(_ units: UInt128, _ asset: Asset) -> String {
            asset.amount(chainUnits: units).map { asset.format($0) } ?? "\(units) units"
        }
    }
}
