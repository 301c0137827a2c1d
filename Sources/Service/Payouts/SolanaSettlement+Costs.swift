import Chains
import Clearing
import Logging
import Primitives
import Synchronization

/// What the cluster charged, as its final blocks say: each transaction once, by its name.
extension SolanaSettlement {
    private static let costInterval = Duration.seconds(1)

    /// What is known of a transaction that was signed.
    private enum Fate: Hashable, Sendable {
        case charged(SolanaCharge)
        /// It is in no final block, and no block can take it any more.
        case never
        case open
        /// No block can take it any more, and too few nodes have every block that it may be in.
        case unproven
    }

    /// After how long that is asked again, which takes many calls.
    private static let proofRetry = Duration.seconds(10)

    /// Books what the cluster charged: for the payments of the dispersals that are over, and for
    /// everything that was signed.
    func bookCosts() async throws {
        guard isTimeForCosts() else { return }
        try await bookDispersals()
        try await bookSpending()
    }

    /// How many transactions were signed and not booked: on their way, or the nodes have forgotten
    /// the time they are of.
    public func unbookedTransactions() async -> Int { await spending.notes.count }

    private func isTimeForCosts() -> Bool {
        state.withLock { state in
            let now = ContinuousClock.now
            guard now >= state.nextCosts else { return false }
            state.nextCosts = now + Self.costInterval
            return true
        }
    }

    private func bookDispersals() async throws {
        let mark = state.withLock { $0.costMark }
        let found = try await sequencer.read { house in
            house.dispersals.dropFirst(mark).prefix(256).map { dispersal in
                let paid = dispersal.rail == .solana ? dispersal.payments : []
                let unbooked = paid.compactMap(\.transaction).filter {
                    house.cost(of: $0.bytes) == nil
                }
                return (dispersal, unbooked)
            }
        }
        var done = mark
        var isPrefix = true
        var seen: Set<Signature> = []
        for (dispersal, unbooked) in found {
            for transaction in unbooked where seen.insert(transaction).inserted {
                let charge = try await nodes.agreed { node throws(ChainError) in
                    try await node.charge(of: transaction)
                }
                if let charge {
                    _ = try await book(.dispersal(dispersal.id), transaction, charge.fee)
                }
            }
            // What a pool's roots cost is booked as what was signed.
            isPrefix = isPrefix && (!dispersal.isOpen || dispersal.rail == .pool)
            if isPrefix { done += 1 }
        }
        let last = done
        state.withLock { $0.costMark = last }
    }

    /// Books what was signed, once the chain has it for good, and forgets what it never will have.
    private func bookSpending() async throws {
        let notes = await spending.notes
        if notes.isEmpty { return }
        var done = try await sequencer.read { house in
            notes.filter { house.cost(of: $0.transaction.bytes) != nil }.map(\.transaction)
        }
        let now = ContinuousClock.now
        let unproven = state.withLock { state in
            state.unproven = state.unproven.filter { $0.value > now }
            return state.unproven
        }
        for note in notes where !done.contains(note.transaction) {
            if unproven[note.transaction] != nil { continue }
            // Nodes that are not of one mind are asked again.
            guard let fate = try? await fate(of: note) else { continue }
            switch fate {
            case .open: continue
            case .unproven:
                state.withLock { $0.unproven[note.transaction] = now + Self.proofRetry }
            case .never: done.append(note.transaction)
            case .charged(let charge):
                if try await book(note, charge) { done.append(note.transaction) }
            }
        }
        try await spending.forget(done)
    }

    private func fate(of note: SolanaSpending.Note) async throws(ChainError) -> Fate {
        let bound = await spending.bound(
            of: note.transaction, final: try await nodes.finalHeight())
        await spending.passed(try await nodes.finalSlot())
        return try await nodes.agreed { node throws(ChainError) in
            // The height first: whatever block could still take it is final then, and known.
            let height = try await node.blockHeight(.finalized)
            // The nonce too: what has used it up by now is known below.
            let used = try await node.accounts(note.nonce.map { [$0.account] } ?? [], .finalized)
            let value = used.first??.durableNonce?.value
            if let charge = try await node.charge(of: note.transaction) { return .charged(charge) }
            guard height > bound, note.nonce == nil || value != note.nonce?.value else {
                return .open
            }
            // That it is in no block is known to who has every block: before it is asked once more,
            // and still after that, since it may forget or learn again meanwhile.
            guard try await node.hasEveryBlock(from: note.after + 1, to: height) else {
                return .unproven
            }
            if let charge = try await node.charge(of: note.transaction) { return .charged(charge) }
            return try await node.firstAvailableSlot() <= note.after + 1 ? .never : .unproven
        }
    }

    /// Books what one transaction cost; false if that is not known to the books yet.
    private func book(
        _ note: SolanaSpending.Note, _ charge: SolanaCharge
    ) async throws -> Bool {
        let transaction = note.transaction
        if let step = note.pool, step.epoch > 0, !charge.isUndone {
            let (pool, epoch) = (step.call.pool.value, step.epoch)
            let root = try await sequencer.read { $0.poolRoot(committedIn: pool, epoch: epoch) }
            guard let root else { return false }
            return try await book(.dispersal(root.id), transaction, charge.fee)
        }
        if note.pays, !charge.isUndone {
            let dispersal = try await sequencer.read { $0.dispersal(paidBy: transaction) }
            guard let dispersal else { return false }
            return try await book(.dispersal(dispersal), transaction, charge.fee)
        }
        if let said = note.books, !charge.isUndone {
            let last = DispersalID(said.last)
            // A journal put back to an older copy may have sealed others since.
            let head = try await sequencer.read { $0.books(of: last)?.head }
            if head == said.books.journalHead {
                return try await book(.books(last), transaction, charge.fee)
            }
        }
        if charge.gained > 0 { return try await book(.rentReturn, transaction, charge.gained) }
        return try await book(.upkeep, transaction, charge.spent)
    }

    /// Whether the books have it, or refuse it for good.
    private func book(
        _ subject: ChainCost.Subject, _ transaction: Signature, _ lamports: UInt64
    ) async throws -> Bool {
        if lamports == 0 { return true }
        let outcome = try await sequencer.submit(
            .bookCost(
                ChainCost(
                    subject, .lamports, units: UInt128(lamports), transaction: transaction.bytes)))
        if case .failure(let rejection) = outcome, rejection != .costBooked {
            log.error(
                "what a Solana transaction cost was refused",
                metadata: [
                    "transaction": "\(PayoutOwner.text(transaction))", "why": "\(rejection)",
                ])
        }
        return true
    }
}
