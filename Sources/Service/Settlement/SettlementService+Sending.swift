import Chains
import Clearing
import Cryptography
import Logging
import Primitives
import Storage
import Synchronization

/// What the chain is told: slashes and roots, as intents of the transaction manager.
extension SettlementService {
    /// After so many records a state takes their place.
    private static let recordsKept: Int64 = 2_000

    /// Runs the transaction manager; if what it decides cannot be written down, all sending stops.
    func drive() async {
        do throws(EVMManagerDriverError) {
            try await driver.run()
        } catch {
            halt(
                "what settlement decides cannot be written down: nothing is sent any more",
                ["why": "\(error)"])
        }
    }

    func act() async {
        var replaced: Int64 = 0
        var isFirst = true
        while !Task.isCancelled {
            try? await Task.sleep(for: pollInterval)
            if isHalted { continue }
            do {
                // They are handed over again, with what one may cost from now on.
                if isFirst { try await driver.cancelWaiting() }
                isFirst = false
                // A root that pays slashed money is refused until the slash is mined.
                if try await sendSlashes() { try await sendRoot() }
                // What cannot be seen of dispersals holds up neither channels nor costs.
                var trouble: (any Error)?
                do { try await sendDispersals() } catch { trouble = error }
                try await keepChannels()
                try await bookCosts()
                if let trouble { throw trouble }
                let made = records.lastNumber - firstRecord
                if made - replaced >= Self.recordsKept {
                    let (bytes, count) = try await driver.state()
                    try await records.replace(upTo: firstRecord + Int64(count), with: bytes)
                    replaced = Int64(count)
                }
            } catch {
                if error as? EVMManagerDriverError == .stopped { return }
                metrics.chainFailed()
                log.warning("settlement waits", metadata: ["error": "\(error)"])
                try? await Task.sleep(for: .seconds(2))
            }
        }
    }

    /// Sends what is executed in the books and not on chain; whether roots may go on. A slash that
    /// the contract refuses holds nobody else's money back: it is tried again later, and counted.
    private func sendSlashes() async throws -> Bool {
        let requested = state.withLock { $0.requestedSlashes }
        let due = try await sequencer.read { house in
            house.unsettledSlashes.filter { !requested.contains($0.slashKey) }
                .map { ($0, house.party($0.accused)?.address) }
        }
        var isClear = true
        var refused = 0
        for (record, address) in due {
            guard let address else {
                isClear = false
                continue
            }
            let order = SettlementOrder.slash(
                provider: address, amount: Asset.usd.chainUnits(record.captured),
                burned: Asset.usd.chainUnits(record.burned), verdict: record.slashKey)
            switch step(of: record.slashKey) {
            case .submit(let id):
                try await submit(id, order, "the slash of verdict \(record.id)")
                isClear = false
            case .wait: isClear = false
            case .refused: refused += 1
            case .withoutBond:
                let isOver = try await forgoWithoutBond(
                    record, of: address, record.slashKey, isRequested: false)
                if !isOver { refused += 1 }
            // The log comes.
            case .done: continue
            }
        }
        state.withLock { $0.refusedSlashes = refused }
        return isClear
    }

    /// Sends the root of the last batch if the chain does not have it, and if that of the batch
    /// before can be disputed no more: its sums are in this one too. A dispute may be in the chain
    /// and not in the books yet.
    private func sendRoot() async throws {
        var refused = 0
        defer { state.withLock { $0.refusedRoots = refused } }
        let found = try await sequencer.read { house -> (last: Batch, before: Batch?)? in
            guard let last = house.oldestUnsettledBatch else { return nil }
            return (last, house.batch(BatchID(last.id.rawValue - 1)))
        }
        guard let (last, before) = found else { return }
        switch last.state {
        case .confirmed, .disputed, .held: return
        case .cut:
            let root = await claimTree(of: last).root
            let owed = try await liabilities.commit(last.id, from: sequencer)
            _ = try await sequencer.submit(.sealBatch(last.id, root: root, liabilities: owed))
        case .sealed:
            switch step(of: SettlementOrder.key(ofBatch: last.id.rawValue, root: last.root)) {
            case .submit(let id):
                let undisputed = state.withLock { $0.undisputed }
                if let before, before.state == .confirmed, before.id != undisputed { return }
                try await submit(id, rootOrder(of: last), "the root of batch \(last.id)")
            case .refused: refused = 1
            case .wait, .withoutBond, .done: return
            }
        }
    }

    private func rootOrder(of batch: Batch) -> SettlementOrder {
        var totals: [Asset: UInt128] = [:]
        for line in batch.lines { totals[line.asset, default: 0] += line.cumulative }
        return .commitRoot(
            batch: batch.id.rawValue, root: batch.root, totalUSD: totals[.usd] ?? 0,
            totalTLY: totals[.tly] ?? 0, journalHead: sequencer.head.hash,
            liabilities: batch.liabilities?.root ?? .zero)
    }

    private func step(of key: Digest) -> SettlementOrders.Step { look(at: key).step }

    /// What comes next of the order with a key, and the id of its last intent.
    func look(
        at key: Digest, writesOff: Bool = true
    ) -> (step: SettlementOrders.Step, id: Digest) {
        state.withLock { state in
            let orphans = state.orphans
            let step = state.orders.step(
                of: key, at: .systemNow, without: orphans, writesOff: writesOff
            ) { driver.status(of: $0) }
            return (step, state.orders.lastID(of: key))
        }
    }

    /// Hands an intent to the manager; returns when that is durable.
    func submit(_ id: Digest, _ order: SettlementOrder, _ name: String) async throws {
        let intent = try state.withLock { try $0.orders.intent(id, for: order) }
        notes.name(id, name)
        try await driver.submit(intent)
    }
}
