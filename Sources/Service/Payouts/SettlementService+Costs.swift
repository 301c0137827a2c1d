import Chains
import Clearing
import Primitives
import Synchronization

/// What the chain charged for what the house sends, as enough nodes told the transaction manager:
/// roots and making them pay, dispersals, slashes, channels; and whatever else its accounts paid
/// for.
extension SettlementService {
    /// Of which batches, dispersals, channels, verdicts and charges everything is booked.
    struct CostMarks: Sendable {
        var batches = DoneMark()
        var dispersals = DoneMark()
        var channels = DoneMark()
        var verdicts = DoneMark()
        var charges = EVMChargeMark()
    }

    /// How many of the batches, dispersals and verdicts that are not over are looked at together.
    private static let batchesAtOnce = 64
    private static let othersAtOnce = 256

    /// Something whose costs may not be booked yet.
    private struct Open: Sendable {
        /// Its place in the list of its kind.
        var place = 0
        let subject: ChainCost.Subject
        /// The keys of the orders that are for it.
        let keys: [Digest]
        /// Whether nothing more is sent for it.
        let isOver: Bool
    }

    /// Books what is not booked yet. O(batches, dispersals, channels and verdicts that are not
    /// over).
    func bookCosts() async throws {
        let (marks, active) = state.withLock { ($0.costMarks, $0.activeBatch) }
        // Before the rest is looked at: what is for one of those is booked for it below.
        let (charges, chargesEnd) = driver.charges(after: marks.charges)
        let (batches, dispersals, channels, verdicts) = try await sequencer.read { house in
            (
                Self.open(house.batches, marks.batches, atMost: Self.batchesAtOnce) {
                    Self.open($0, active: active)
                },
                Self.open(house.dispersals, marks.dispersals, atMost: Self.othersAtOnce, Self.open),
                Self.open(house.channels, marks.channels, Self.open),
                Self.open(house.verdicts, marks.verdicts, atMost: Self.othersAtOnce, Self.open)
            )
        }
        let doneBatches = try await book(batches)
        let doneDispersals = try await book(dispersals)
        let doneChannels = try await book(channels)
        let doneVerdicts = try await book(verdicts)
        let isAll =
            batches.count < Self.batchesAtOnce && dispersals.count < Self.othersAtOnce
            && verdicts.count < Self.othersAtOnce
        if isAll { try await bookUpkeep(charges) }
        state.withLock { state in
            state.costMarks.batches.end(doneBatches)
            state.costMarks.dispersals.end(doneDispersals)
            state.costMarks.channels.end(doneChannels)
            state.costMarks.verdicts.end(doneVerdicts)
            if isAll { state.costMarks.charges = chargesEnd }
        }
    }

    /// The first of a list that are not done with.
    private static func open<Subject>(
        _ all: some RandomAccessCollection<Subject>, _ mark: DoneMark, atMost limit: Int = .max,
        _ open: (Subject) -> Open
    ) -> [Open] {
        mark.open(of: all.count, atMost: limit).map { place in
            var found = open(all[all.index(all.startIndex, offsetBy: place)])
            found.place = place
            return found
        }
    }

    /// A root is over when it pays, or a later one does, or it never will.
    private static func open(_ batch: Batch, active: BatchID?) -> Open {
        let isPaying = active.map { $0.rawValue >= batch.id.rawValue } ?? false
        return Open(
            subject: .batch(batch.id),
            keys: [
                SettlementOrder.key(ofBatch: batch.id.rawValue, root: batch.root),
                SettlementOrder.key(ofActivation: batch.id.rawValue, root: batch.root),
            ], isOver: batch.state == .disputed || batch.state == .confirmed && isPaying)
    }

    private static func open(_ dispersal: Dispersal) -> Open {
        Open(
            subject: .dispersal(dispersal.id),
            keys: [SettlementOrder.key(ofDispersal: dispersal.name)],
            isOver: dispersal.rail != .push || !dispersal.isOpen)
    }

    private static func open(_ verdict: VerdictRecord) -> Open {
        let isSlash = Asset.usd.chainUnits(verdict.captured) > 0
        let isOver =
            switch verdict.state {
            case .final, .overturned: true
            case .executed, .forgone: verdict.settledOnChain || !isSlash
            case .appealable, .appealed: false
            }
        return Open(
            subject: .verdict(verdict.id),
            keys: isSlash
                ? [
                    verdict.slashKey, SettlementOrder.key(ofExecution: verdict.slashKey),
                    SettlementOrder.key(ofLapse: verdict.slashKey),
                ] : [],
            isOver: isOver)
    }

    /// Books as upkeep what was for nothing of the above: the leave to disperse, signs of life, and
    /// empty transactions that filled nonces.
    private func bookUpkeep(_ charges: [EVMInclusion]) async throws {
        for inclusion in try await unbooked(charges) {
            _ = try await sequencer.submit(Self.cost(.upkeep, inclusion))
        }
    }

    /// Those of some transactions whose cost is not in the books.
    private func unbooked(_ all: [EVMInclusion]) async throws -> [EVMInclusion] {
        if all.isEmpty { return [] }
        return try await sequencer.read { house in
            all.filter { house.cost(of: $0.transaction.bytes) == nil }
        }
    }

    private static func open(_ channel: HouseChannel) -> Open {
        Open(subject: .channel(channel.id), keys: channel.orderKeys, isOver: channel.isOver)
    }

    /// Books the costs of some; the places of those that are done with.
    private func book(_ all: [Open]) async throws -> [Int] {
        var done: [Int] = []
        for open in all {
            let (found, isClosed) = included(for: open.keys)
            for inclusion in try await unbooked(found) {
                _ = try await sequencer.submit(Self.cost(open.subject, inclusion))
            }
            if open.isOver, isClosed { done.append(open.place) }
        }
        return done
    }

    /// The blocks that some orders' transactions are in, and whether none is still on its way.
    private func included(for keys: [Digest]) -> (found: [EVMInclusion], isClosed: Bool) {
        state.withLock { state in
            keys.reduce(into: ([], true)) { all, key in
                let one = state.orders.inclusions(of: key) { driver.status(of: $0) }
                all.0 += one.found
                all.1 = all.1 && one.isClosed
            }
        }
    }

    private static func cost(
        _ subject: ChainCost.Subject, _ inclusion: EVMInclusion
    ) -> Command {
        .bookCost(
            ChainCost(
                subject, .wei, units: inclusion.cost, gas: inclusion.gasUsed,
                transaction: inclusion.transaction.bytes))
    }
}
