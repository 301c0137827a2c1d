import Chains
import Clearing
import Primitives
import Synchronization

/// What the pool owes whom, and how it compares with the books.
/// How far the house's pool on Solana is.
public struct SolanaPoolReport: Encodable, Sendable {
    /// The pool, in base58.
    public let pool: String
    /// The slot of the final block that was read last; 0 before the first.
    public let slot: UInt64
    /// The last epoch that was committed, by whomever.
    public let epoch: UInt64
    /// The slot from which the root that waits may pay; `nil` if none does.
    public let activeFrom: UInt64?
    /// Why the next step cannot be taken.
    public let trouble: String?
}

extension SolanaSettlement {
    /// How far the pool is; `nil` without one.
    public var poolReport: SolanaPoolReport? {
        guard let pool else { return nil }
        let seen = pool.seen.withLock { $0 }
        return SolanaPoolReport(
            pool: "\(pool.pool.address)", slot: seen.slot, epoch: seen.state?.epoch ?? 0,
            activeFrom: seen.state?.waiting == nil ? nil : seen.state?.activeFrom,
            trouble: pool.hindrance ?? seen.trouble)
    }
}

extension SolanaPool {
    /// Why nothing may be sent on Solana, if the pool is the reason.
    nonisolated var hindrance: String? {
        seen.withLock { seen in
            if seen.state == nil { return "the pool is not read yet" }
            return seen.foreign.map { "the pool has a root of another hand, of epoch \($0.epoch)" }
        }
    }

    /// What an owner was paid, as its record says in a final block.
    func claimed(by owner: Digest) async throws(ChainError) -> UInt64 {
        let (place, program) = (pool.record(of: SolanaAddress(owner)), pool.program)
        return try await nodes.agreed { node throws(ChainError) in
            try await node.accounts([place], .finalized)[0]
                .flatMap { PayoutRecord($0, program: program) }?.cumulative ?? 0
        }
    }

    /// The pool against the books, as it was read last.
    func reconciliation(
        _ rules: StrandingRules, at now: Timestamp
    ) async throws -> (lines: [Reconciliation.Line], stranded: [StrandedItem]) {
        let seen = seen.withLock { $0 }
        let address = pool.address.value
        let open = try await sequencer.read { $0.openPoolRoot(in: address) }
        guard let state = seen.state, let at = seen.at else {
            return ([], [StrandedItem(.solanaUnread, solanaAccount: pool.address)])
        }
        var stranded: [StrandedItem] = []
        if at + SolanaWatch.patience <= now {
            stranded.append(StrandedItem(.solanaUnread, since: at, solanaAccount: pool.address))
        }
        if let foreign = seen.foreign {
            stranded.append(
                StrandedItem(
                    .poolForeign, .usd, UInt128(foreign.total), number: foreign.epoch,
                    solanaAccount: pool.address))
        }
        if let open, open.root?.stage == .disputed {
            stranded.append(item(.rootDisputed, open, since: open.madeAt))
        }
        if let open, open.root?.stage == .committed, let due = seen.dueSince,
            due + rules.overdue <= now
        {
            stranded.append(item(.rootNotActivated, open, since: due))
        }
        guard let booked = seen.booked else { return ([], stranded) }
        let promised = state.waiting ?? state.active
        var lines = [
            Reconciliation.Line(
                check: .poolPromised, asset: .usd, chain: UInt128(promised?.total ?? 0),
                books: booked.promised, explained: 0)
        ]
        if let held = seen.held.map({ UInt128($0) }) {
            lines.append(
                Reconciliation.Line(
                    check: .poolHeld, asset: .usd, chain: held, books: booked.funded,
                    // Anybody may give it something, which then is its payees'.
                    explained: held - min(held, booked.funded)))
        }
        return (lines, stranded)
    }

    private func item(
        _ kind: StrandedItem.Kind, _ dispersal: Dispersal, since: Timestamp
    ) -> StrandedItem {
        StrandedItem(
            kind, .usd, dispersal.openUnits, number: dispersal.id.rawValue, since: since,
            solanaAccount: pool.address)
    }
}

extension SolanaPool {
    /// The pool that a house is told to pay through, as the cluster has it; `nil` without one.
    /// Throws unless it is a pool of the house's, with keys that can be trusted apart, and the
    /// books know all that is in it.
    static func find(
        _ options: HouseConfiguration.Solana, _ nodes: SolanaNodes, genesis: Digest,
        _ sequencer: Sequencer
    ) async throws(HouseError) -> PayoutPool? {
        let (open, isReserved, known) = try await books(sequencer, options.pool)
        if let open, isReserved, open != options.pool?.value {
            throw HouseError(
                .configuration,
                "a root of the pool \(SolanaAddress(open)) does not pay yet: start with "
                    + "--solana-pool \(SolanaAddress(open)) until it does")
        }
        guard let address = options.pool else { return nil }
        let account: SolanaAccount?
        do throws(ChainError) {
            account = try await nodes.agreed { node throws(ChainError) in
                try await node.accounts([address], .finalized)
            }[0]
        } catch {
            throw HouseError(.network, "the Solana cluster does not tell the pool: \(error)")
        }
        guard let account, let state = PayoutPoolState(account, program: account.owner),
            state.pool.address == address
        else {
            throw HouseError(.configuration, "\(address) is no pool of the payout program")
        }
        // A root that is committed pays without any role, and whoever lost one must see it.
        let isOpen = open == address.value
        if let problem = problem(state, options, genesis, isKnown: known, isOpen: isOpen) {
            throw HouseError(.configuration, "the pool \(address) \(problem)")
        }
        return state.pool
    }

    /// Which pool has a root that does not pay yet, whether it is the house's turn or the chain's
    /// with it (and not a person's, who may have given the pool up), and whether the books know the
    /// pool given.
    private static func books(
        _ sequencer: Sequencer, _ pool: SolanaAddress?
    ) async throws(HouseError) -> (open: Digest?, isReserved: Bool, isKnown: Bool) {
        do throws(SequencerError) {
            return try await sequencer.read { house in
                let given = pool.flatMap { house.openPoolRoot(in: $0.value) }
                let root = (given ?? house.openPoolRoot)?.root
                return (
                    root?.pool, root.map { !$0.isFunded || $0.stage == .committed } ?? false,
                    house.dispersals.contains { $0.root != nil && $0.root?.pool == pool?.value }
                )
            }
        } catch {
            throw HouseError(.storage, "\(error)")
        }
    }

    private static func problem(
        _ state: PayoutPoolState, _ options: HouseConfiguration.Solana, _ genesis: Digest,
        isKnown: Bool, isOpen: Bool
    ) -> String? {
        let (pool, roles, house) = (state.pool, state.roles, options.key.address)
        if pool.mint != options.mint { return "pays another token, \(pool.mint)" }
        if pool.cluster != genesis { return "was opened for another cluster" }
        if isOpen { return nil }
        if roles.settler != house {
            return "has the settler \(roles.settler), and the house signs as \(house)"
        }
        if !options.allowsAnyRoles, roles.guardian == house || roles.admin == house {
            return "has the house's own key as guardian or admin: a thief could not be stopped. "
                + "Change them (exchequer pool roles), or give --any-roles for a test"
        }
        if !isKnown, state.epoch > 0 {
            return "has had roots that are not in these books: if the journal is an older copy, "
                + "put the newest back; else open a new pool"
        }
        return nil
    }
}
