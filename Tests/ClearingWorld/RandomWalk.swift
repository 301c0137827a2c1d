public import Clearing
public import Primitives

extension World {
    /// Kinds of commands of a random walk.
    public static let kinds = 18

    /// A command of one of `kinds` kinds, sensible or senseless.
    public mutating func command(_ kind: Int, _ random: inout SplitMix64) -> Command {
        let job = JobID(1 + random.below(UInt64(house.jobs.count) + 1))
        let party = PartyID(1 + random.below(6))
        switch kind {
        case 0...3:
            var demand = demand(prompt: UInt32(random.below(40)), output: 20)
            request += 1
            if random.below(3) == 0 { demand.only = [World.whole] }
            demand.sort = RouteSort(rawValue: UInt8(random.below(3))) ?? .price
            return .openJob(demand)
        case 4...6:
            var delivery = delivery(job, output: UInt32(1 + random.below(21)))
            if random.below(5) == 0, !delivery.receipts.isEmpty { delivery.receipts.removeLast() }
            return .submitReceipts(delivery)
        case 7: return .drawAudits(beacon: World.digest(random.next()))
        case 8:
            let guilty = random.below(4) == 0
            return .recordVerdict(
                verdict(
                    job, guilty ? .outputMismatch : .reproduced,
                    stage: guilty ? UInt16(random.below(3)) : nil))
        case 9: return .failJob(job, reason: .cancelled)
        case 10:
            let stage = UInt16(random.below(3))
            switch random.below(4) {
            case 0: return .replaceDoubted(job, attempt: 1, stage: stage)
            case 1:
                let node = NodeID(1 + random.below(UInt64(house.nodes.count)))
                return .replaceByStandIn(
                    job, attempt: 1, stage: stage, code: .abandoned, standIn: node)
            default: return .replaceStage(job, attempt: 1, stage: stage, code: .abandoned)
            }
        case 11:
            let units = UInt128(1 + random.below(5_000_000))
            let address = World.address(UInt8(party.rawValue))
            return .observeChain(
                nextReference(),
                random.below(2) == 0
                    ? .deposited(account: address, chainUnits: units)
                    : .bonded(account: address, chainUnits: units))
        case 12:
            let offer = offer(
                node: 1 + random.below(4), World.range(0, 30), price: 200 + random.below(300))
            return .postOffer(offer)
        case 13: return settlement()
        case 14:
            let verdict = VerdictID(1 + random.below(UInt64(house.verdicts.count) + 1))
            guard let record = house.verdict(verdict) else { return .closeEpoch }
            return record.state == .appealed
                ? .resolveAppeal(verdict, upheld: random.below(2) == 0)
                : .openAppeal(verdict, by: record.accused)
        case 15: return measures(&random)
        case 16: return random.below(3) == 0 ? .closeEpoch : .pulse
        default: return payouts(&random)
        }
    }

    private func measures(_ random: inout SplitMix64) -> Command {
        var measures = NodeMeasures()
        measures.roundTrip = UInt32(random.below(9)) * 1_000
        let first = UInt16(random.below(3)) * 10
        measures.paces = [
            StagePace(
                model: World.model, layers: World.range(first, first + 10),
                tokenTime: UInt32(random.below(9)) * 1_000, promptTime: UInt32(random.below(9)))
        ]
        return .recordMeasures([
            NodeMeasurement(node: NodeID(1 + random.below(5)), measures: measures)
        ])
    }

    private mutating func settlement() -> Command {
        guard let batch = house.batches.last else { return .cutBatch }
        switch batch.state {
        case .cut:
            let root = World.digest(batch.id.rawValue)
            if batch.id.rawValue % 3 == 0 { return .sealBatch(batch.id, root: root) }
            let owed = World.commitment(batch.id, house)
            return .sealBatch(batch.id, root: root, liabilities: owed)
        case .sealed:
            return .observeChain(
                nextReference(), .rootCommitted(batch: batch.id, root: batch.root))
        case .confirmed:
            if batch.id.rawValue % 4 == 2 {
                return .observeChain(nextReference(), .rootDisputed(batch: batch.id))
            }
            return .cutBatch
        case .disputed, .held: return .replaceBatch
        }
    }
}

extension SplitMix64 {
    public mutating func below(_ limit: UInt64) -> UInt64 { next() % limit }
}
