import Chains
import Clearing
import Primitives
import Synchronization

/// What the chain charged for roots and dispersals, as enough nodes told the transaction manager.
extension SettlementService {
    /// Before which batches, dispersals and channels everything is booked.
    struct CostMarks: Sendable {
        var batches = 0
        var dispersals = 0
        var channels = 0
    }

    /// A root, a dispersal or a channel whose costs may not be booked yet.
    private struct Open: Sendable {
        let subject: ChainCost.Subject
        /// The keys of its orders.
        let keys: [Digest]
        /// Whether nothing more is sent for it.
        let isOver: Bool
        let booked: Set<[UInt8]>
    }

    /// Books what is not booked yet. O(batches, dispersals and channels that are not over).
    func bookCosts() async throws {
        let marks = state.withLock { $0.costMarks }
        let (batches, dispersals, channels) = try await sequencer.read { house in
            (
                house.batches.dropFirst(marks.batches).prefix(64).map {
                    Self.open($0, house)
                },
                house.dispersals.dropFirst(marks.dispersals).prefix(256).map {
                    Self.open($0, house)
                },
                house.channels.dropFirst(marks.channels).map { Self.open($0, house) }
            )
        }
        let doneBatches = try await book(batches)
        let doneDispersals = try await book(dispersals)
        let doneChannels = try await book(channels)
        state.withLock { state in
            state.costMarks.batches = marks.batches + doneBatches
            state.costMarks.dispersals = marks.dispersals + doneDispersals
            state.costMarks.channels = marks.channels + doneChannels
        }
    }

    private static func open(_ batch: Batch, _ house: borrowing ClearingHouse) -> Open {
        let subject = ChainCost.Subject.batch(batch.id)
        return Open(
            subject: subject,
            keys: [SettlementOrder.key(ofBatch: batch.id.rawValue, root: batch.root)],
            isOver: batch.state == .confirmed,
            booked: Set(house.costs(of: subject).map(\.transaction)))
    }

    private static func open(_ dispersal: Dispersal, _ house: borrowing ClearingHouse) -> Open {
        let subject = ChainCost.Subject.dispersal(dispersal.id)
        return Open(
            subject: subject, keys: [SettlementOrder.key(ofDispersal: dispersal.name)],
            isOver: dispersal.rail != .push || !dispersal.isOpen,
            booked: Set(house.costs(of: subject).map(\.transaction)))
    }

    private static func open(_ channel: HouseChannel, _ house: borrowing ClearingHouse) -> Open {
        let subject = ChainCost.Subject.channel(channel.id)
        return Open(
            subject: subject, keys: channel.orderKeys, isOver: channel.isOver,
            booked: Set(house.costs(of: subject).map(\.transaction)))
    }

    /// Books the costs of some; how many of the first are done with.
    private func book(_ all: [Open]) async throws -> Int {
        var done = 0
        var isPrefix = true
        for open in all {
            var isClosed = true
            for key in open.keys {
                let (found, isDone) = state.withLock { state in
                    state.orders.inclusions(of: key) { driver.status(of: $0) }
                }
                for inclusion in found where !open.booked.contains(inclusion.transaction.bytes) {
                    _ = try await sequencer.submit(Self.cost(open.subject, inclusion))
                }
                isClosed = isClosed && isDone
            }
            isPrefix = isPrefix && open.isOver && isClosed
            if isPrefix { done += 1 }
        }
        return done
    }

    private static func cost(
        _ subject: ChainCost.Subject, _ inclusion: EVMInclusion
    ) -> Command {
        let (wei, overflow) = inclusion.gasPrice.multipliedReportingOverflow(
            by: UInt128(inclusion.gasUsed))
        return .bookCost(
            ChainCost(
                subject, .wei, units: overflow ? .max : wei, gas: inclusion.gasUsed,
                transaction: inclusion.transaction.bytes))
    }
}
