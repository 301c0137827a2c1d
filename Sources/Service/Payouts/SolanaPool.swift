import Chains
import Clearing
import Cryptography
import Logging
import Primitives
import Synchronization

/// Carries the house's roots to its pool on Solana, a step at a time, by what final blocks say of
/// the pool (docs/reference/settling.md, "Roots on Solana").
///
/// Nothing here has to be remembered for the money's sake: what a root adds is moved into the vault
/// by the transaction that commits it, which the program takes once for each epoch. Which
/// transaction that was, `solana-costs.sqlite` knows, where every one is noted before it is sent.
actor SolanaPool {
    /// The pool.
    nonisolated let pool: PayoutPool
    /// What was seen last, for whoever asks.
    nonisolated let seen = Mutex(Seen())
    let nodes: SolanaNodes
    let sequencer: Sequencer

    private let key: NotedSigner
    private let sealing: DispersalSealing
    private let trees: PoolTrees
    private let feeLimit: UInt64
    private let given: PoolLamports
    private let log: Logger
    private var newestSlot: UInt64 = 0
    private var rent: UInt64?
    private var sent: Sent?
    /// How often in a row blocks undid what was sent, and until when nothing is for that.
    private var undone = (times: 0, until: ContinuousClock.now)
    /// Whether a step is taken now, which nobody else may meanwhile.
    private var isBusy = false
    /// The root that an operator gives up: it is not committed any more.
    private var calledOff: DispersalID?
    /// The first final height that was heard of: what another process signed before may count.
    private var firstHeight: UInt64?

    /// More than a transfer and a commit take together, with the token program of before 2026.
    private static let units: UInt32 = 60_000
    /// For a compute unit, in millionths of a lamport.
    private static let leastPrice: UInt64 = 1_000

    /// What was sent last, and up to which height a block may take it.
    private struct Sent {
        let step: PayoutPoolStep
        let transaction: Signature
        let bound: UInt64
        let price: UInt64
    }

    /// What a final block said of the pool, and what the books said once they had its news.
    struct Seen: Sendable {
        var state: PayoutPoolState?
        var slot: UInt64 = 0
        var at: Timestamp?
        /// What the vault held and what was claimed out of it, together; `nil` if it is not told.
        var held: UInt64?
        /// What was moved into the vault, and what roots promise that wait or pay; `nil` while the
        /// block is older than the books, or they do not have its news.
        var booked: (funded: UInt128, promised: UInt128)?
        /// A root in it that is none of the house's.
        var foreign: PayoutRoot?
        /// Since when the root that waits could be made active.
        var dueSince: Timestamp?
        /// Why the next step cannot be taken.
        var trouble: String?
    }

    /// The keeper of a pool, with a key whose signatures are noted.
    init(
        _ pool: PayoutPool, _ nodes: SolanaNodes, _ options: HouseConfiguration.Solana,
        key: NotedSigner, _ sequencer: Sequencer, _ sealing: DispersalSealing,
        _ trees: PoolTrees, log: Logger
    ) {
        self.pool = pool
        self.nodes = nodes
        self.key = key
        self.sequencer = sequencer
        self.sealing = sealing
        self.trees = trees
        feeLimit = options.feeLimit
        given = options.poolLamports
        self.log = log
    }

    // MARK: Steps

    /// What the books say of the pool's roots.
    private struct Position: Sendable {
        /// The root that does not pay yet.
        var open: (id: DispersalID, root: PoolRoot, books: LiabilityCommitment?)?
        /// What the open one adds.
        var units: UInt128 = 0
        /// The last one that pays.
        let paying: DispersalID?
        /// The last epoch in the books.
        let epoch: UInt64
        /// What was moved into the vault.
        let funded: UInt128

        init(_ house: borrowing ClearingHouse, _ pool: Digest) {
            if let dispersal = house.openPoolRoot(in: pool), let root = dispersal.root {
                open = (dispersal.id, root, house.books(of: dispersal.id))
                units = dispersal.openUnits
            }
            paying = house.lastPaying(in: pool)
            epoch = house.lastEpoch(of: pool)
            funded = house.poolSums(pool).funded
        }
    }

    /// What came of a step.
    private struct Outcome {
        var foreign: PayoutRoot?
        var trouble: String?
        /// Whether the books learned something, so that there may be another step.
        var isNews = false
        /// Whether there is news that the books cannot be told yet.
        var isPending = false
    }

    /// Looks at the pool and takes the next step.
    func look() async throws {
        if isBusy { return }
        isBusy = true
        defer { isBusy = false }
        if firstHeight == nil { firstHeight = try await nodes.finalHeight() }
        let state = try await read()
        // What keeps a step from being taken does not end what was seen.
        var outcome = Outcome(foreign: seen.withLock { $0.foreign })
        var failure: (any Error)?
        do {
            // What a block says may be news more than once: committed, and dropped.
            for _ in 0..<4 {
                outcome = try await step(try await position(), state)
                if !outcome.isNews { break }
            }
        } catch {
            outcome.trouble = "\(error)"
            failure = error
        }
        let (held, address) = (await held(), pool.address.value)
        let (booked, last) = try await sequencer.read {
            ($0.poolSums(address), $0.lastEpoch(of: address))
        }
        let isCurrent = state.epoch >= last && !outcome.isPending
        publish(state, held, isCurrent ? booked : nil, outcome)
        if let failure { throw failure }
    }

    private func publish(
        _ state: PayoutPoolState, _ held: UInt64?, _ booked: (UInt128, UInt128)?,
        _ outcome: Outcome
    ) {
        let (slot, now) = (newestSlot, Timestamp.systemNow)
        let isDue = state.waiting != nil && slot >= state.activeFrom
        let before = seen.withLock { seen in
            defer {
                seen = Seen(
                    state: state, slot: slot, at: now, held: held, booked: booked,
                    foreign: outcome.foreign, dueSince: isDue ? seen.dueSince ?? now : nil,
                    trouble: outcome.trouble)
            }
            return seen
        }
        if let foreign = outcome.foreign, foreign != before.foreign {
            log.critical(
                "the pool on Solana has a root that is none of the house's: dispute it",
                metadata: ["epoch": "\(foreign.epoch)", "root": "\(foreign.root.hex)"])
        }
        if let trouble = outcome.trouble, trouble != before.trouble {
            log.warning("a root on Solana waits", metadata: ["why": "\(trouble)"])
        }
    }

    private func position() async throws -> Position {
        let pool = pool.address.value
        let found = try await sequencer.read { Position($0, pool) }
        guard let open = found.open, open.books == nil else { return found }
        _ = try await sealing.seal()
        return try await sequencer.read { Position($0, pool) }
    }

    private func claims(of dispersal: DispersalID?) async throws -> PayoutPoolRoot.Claims? {
        guard let dispersal else { return nil }
        return try await trees.tree(of: dispersal, in: pool.address).claims
    }

    private func step(_ position: Position, _ state: PayoutPoolState) async throws -> Outcome {
        let paying = try await claims(of: position.paying)
        guard let open = position.open, let claims = try await claims(of: open.id) else {
            sent = nil
            return Outcome(
                foreign: PayoutPoolStep.foreign(in: state, paying: paying, since: position.epoch))
        }
        let root = PayoutPoolRoot(claims, open.root.known, epoch: position.epoch, after: paying)
        let step = PayoutPoolStep(state, root, at: newestSlot)
        switch step {
        case .wait: return Outcome()
        case .foreign(let foreign): return Outcome(foreign: foreign)
        case .isCommitted(let epoch):
            switch try await funding(claims, under: epoch) {
            case .untold:
                return Outcome(
                    trouble: "the nodes do not tell yet what committed it", isPending: true)
            case .known(let transaction):
                return try await note(open.id, .committed(epoch: epoch, transaction))
            }
        case .isDropped:
            log.critical(
                "a root on Solana was dropped by the pool's guardian",
                metadata: ["dispersal": "\(open.id)", "epoch": "\(open.root.epoch)"])
            return try await note(open.id, .disputed)
        case .isActive: return try await note(open.id, .active)
        case .activate:
            await key.spending.activates(open.root.epoch)
            return Outcome(trouble: try await send(step, [pool.activate()]))
        case .commit(let epoch):
            if let gone = try await committedAndGone(claims, position, before: epoch) {
                return try await note(open.id, gone)
            }
            return Outcome(trouble: try await commit(claims, epoch: epoch, position, state))
        }
    }

    private func note(_ id: DispersalID, _ note: PoolNote) async throws -> Outcome {
        (sent, undone.times) = (nil, 0)
        if case .committed = note { calledOff = nil }
        if case .failure(let rejection) = try await sequencer.submit(.notePool(id, note)) {
            log.error("a root on Solana is not booked", metadata: ["why": "\(rejection)"])
            return Outcome(trouble: "\(rejection)")
        }
        return Outcome(isNews: true)
    }

    // MARK: The chain

    /// The pool in a final block that is not older than any before, but for what anybody may change
    /// at any time.
    private func read() async throws(ChainError) -> PayoutPoolState {
        let slot = max(newestSlot, try await nodes.finalSlot())
        let (pool, program) = (pool, pool.program)
        let state = try await nodes.agreed { node throws(ChainError) in
            try await node.accounts([pool.address], .finalized, since: slot)[0]
                .flatMap { PayoutPoolState($0, program: program) }?.withoutClaims
        }
        guard let state, state.pool == pool else {
            throw .inconsistentNode("\(pool.address) is no pool any more")
        }
        newestSlot = slot
        await key.spending.passed(slot)
        return state
    }

    /// What the vault holds and what was claimed out of it, together, as enough nodes have seen it
    /// since the pool was read. It never becomes less.
    private func held() async -> UInt64? {
        let (pool, program, slot) = (pool, pool.program, newestSlot)
        let told = await nodes.answers { node throws(ChainError) -> UInt64? in
            let found = try await node.accounts(
                [pool.address, pool.vault], .finalized, since: slot)
            let state = found[0].flatMap { PayoutPoolState($0, program: program) }
            return state.map { $0.claimedTotal.saturatingSum(found[1]?.tokens ?? 0) }
        }
        return nodes.quorum.reached(told.compactMap { try? $0.get() })
    }

    /// What was signed to commit a root, and whether it moves its money.
    private func signed(
        _ claims: PayoutPoolRoot.Claims
    ) async -> [(epoch: UInt64, transaction: Signature, pays: Bool)] {
        let address = pool.address
        return await key.spending.notes.compactMap { note in
            guard let call = note.pool?.call, call.pool == address,
                case .commit(let epoch, claims.root, claims.total) = call.kind
            else { return nil }
            return (epoch, note.transaction, note.pays)
        }
    }

    /// Whether a transaction is carried out in a final block; `nil` if it is in none that enough
    /// nodes tell of.
    private func isCarriedOut(_ transaction: Signature) async -> Bool? {
        let charge = try? await nodes.agreed { node throws(ChainError) in
            try await node.charge(of: transaction)
        }
        return charge.flatMap { $0 }.map { !$0.isUndone }
    }

    /// By what the money of a root came into the vault.
    private enum Funding {
        /// By this one, if it is known at all.
        case known(Signature?)
        /// Nodes may tell yet of one that was sent for it.
        case untold
    }

    /// The transaction that committed a root under an epoch, if it moved its money. Of several that
    /// were sent one was carried out.
    private func funding(
        _ claims: PayoutPoolRoot.Claims, under epoch: UInt64
    ) async throws -> Funding {
        var mayBeTold = false
        let height = try await nodes.finalHeight()
        for one in await signed(claims) where one.epoch == epoch {
            switch await isCarriedOut(one.transaction) {
            case true?: return .known(one.pays ? one.transaction : nil)
            case false?: continue
            case nil:
                let bound = await key.spending.bound(of: one.transaction, final: height)
                mayBeTold = mayBeTold || height <= bound
            }
        }
        if mayBeTold { return .untold }
        log.warning(
            "which transaction committed a root on Solana is not known any more",
            metadata: ["epoch": "\(epoch)"])
        return .known(nil)
    }

    /// Whether a root was committed under an epoch that the books do not know, and is gone again:
    /// the transaction says so, or the vault, which has its money.
    private func committedAndGone(
        _ claims: PayoutPoolRoot.Claims, _ position: Position, before next: UInt64
    ) async throws -> PoolNote? {
        guard let open = position.open, next > 0, next - 1 > position.epoch else { return nil }
        for one in await signed(claims) where one.epoch > position.epoch && one.epoch < next {
            guard await isCarriedOut(one.transaction) == true else { continue }
            return .committed(epoch: one.epoch, one.pays ? one.transaction : nil)
        }
        if open.root.isFunded { return nil }
        guard let held = await held() else {
            throw ChainError.inconsistentNode("too few nodes tell what the vault holds")
        }
        let isThere = UInt128(held) >= position.funded.saturatingSum(position.units)
        return isThere ? .committed(epoch: next - 1, nil) : nil
    }

    /// Commits a root, with what it adds unless that is in the vault; or says why not.
    private func commit(
        _ claims: PayoutPoolRoot.Claims, epoch: UInt64, _ position: Position,
        _ state: PayoutPoolState
    ) async throws -> String? {
        guard let open = position.open else { return nil }
        if calledOff == open.id { return "it is called off, once nothing of it is on its way" }
        guard let books = open.books else { return "its books are not sealed yet" }
        guard state.roles.settler == key.address else {
            return "the pool's settler is \(state.roles.settler), and the house is not: give it "
                + (open.root.isFunded ? "the role again" : "the role again, or call it off")
        }
        var instructions: [SolanaInstruction] = []
        if !open.root.isFunded {
            guard let units = UInt64(exactly: position.units) else { return "too much at once" }
            let source = SolanaAddress.tokenAccount(
                of: key.address, mint: pool.mint, program: pool.token)
            let slot = newestSlot
            let held = try await nodes.agreed { node throws(ChainError) in
                try await node.accounts([source], .finalized, since: slot)[0]?.tokens ?? 0
            }
            if held < units { return "the account that pays holds \(held) units of \(units)" }
            instructions.append(
                .transfer(
                    units, of: pool.mint, decimals: UInt8(Asset.usd.chainDecimals), from: source,
                    to: pool.vault, authority: key.address, program: pool.token))
        }
        let root = PayoutRoot(
            epoch: epoch, root: claims.root, total: claims.total, journalHead: books.head,
            liabilities: books.root)
        return try await send(
            .commit(epoch: epoch), instructions + [pool.commit(root, settler: key.address)])
    }

    /// Sends what a step takes, unless it is on its way; again at twice the price if no block took
    /// it, and after a while if one undid it. Says why nothing is sent.
    private func send(
        _ step: PayoutPoolStep, _ instructions: [SolanaInstruction]
    ) async throws -> String? {
        let height = try await nodes.finalHeight()
        var price = try await marketPrice()
        if let sent, sent.step == step {
            if await isCarriedOut(sent.transaction) == false {
                undone.times += 1
                undone.until = .now + .seconds(min(30 << min(undone.times, 7), 3_600))
                self.sent = nil
            } else if height <= sent.bound {
                return nil
            }
            price = max(price, sent.price.saturatingSum(sent.price))
        }
        guard ContinuousClock.now >= undone.until else {
            return "the cluster undid it \(undone.times) times: it is tried again after a while"
        }
        price = min(price, mostPrice)
        let made = try await nodes.send(
            [.computeLimit(Self.units), .computePrice(price)] + instructions, by: key)
        if let made {
            // Two lives of a blockhash: how old the one was that a node told, only it knows.
            let bound = height.saturatingSum(2 * 150)
            sent = Sent(step: step, transaction: made.id, bound: bound, price: price)
        }
        return nil
    }

    /// The price at which a transaction costs no more than one may.
    private var mostPrice: UInt64 {
        let rest = feeLimit - min(feeLimit, TokenPayoutPlan.signatureFee)
        return min(rest, 1 << 40) * 1_000_000 / UInt64(Self.units)
    }

    private func marketPrice() async throws(ChainError) -> UInt64 {
        let told = await nodes.answers { node throws(ChainError) in try await node.recentPrice() }
        guard let price = nodes.quorum.reached(told.compactMap { try? $0.get() }) else {
            throw .inconsistentNode("too few nodes tell what computing costs")
        }
        return max(price, Self.leastPrice)
    }

    // MARK: Asked by others

    /// Gives a root up that was never committed, once nothing of it is on its way any more: until
    /// then it is sent no more, and this returns `nil`. Otherwise what the books say.
    func callOff(_ id: DispersalID) async throws -> Sequencer.Outcome? {
        while isBusy { try await Task.sleep(for: .milliseconds(20)) }
        isBusy = true
        defer { isBusy = false }
        let position = try await position()
        if let open = position.open, open.id == id, !open.root.isFunded {
            calledOff = id
            guard try await isOver(open.id, position) else { return nil }
            calledOff = nil
        }
        return try await sequencer.submit(.notePool(id, .returned))
    }

    /// Whether a root that the books take for not committed is not, and nothing that was signed for
    /// it can be carried out any more: by this process, or by one before whose notes are lost.
    private func isOver(_ id: DispersalID, _ position: Position) async throws -> Bool {
        let height = try await nodes.finalHeight()
        let state = try await read()
        guard let claims = try await claims(of: id), let first = firstHeight,
            height > first.saturatingSum(2 * 150), state.epoch >= position.epoch
        else { return false }
        let isThere = [state.active, state.waiting].contains {
            $0?.root == claims.root && $0?.total == claims.total
        }
        if isThere { return false }
        for one in await signed(claims) {
            let bound = await key.spending.bound(of: one.transaction, final: height)
            guard height > bound, state.epoch < one.epoch else { return false }
        }
        if state.epoch == position.epoch { return true }
        // Epochs were used up: the vault says whether one was this root's.
        guard let held = await held() else { return false }
        return UInt128(held) < position.funded.saturatingSum(position.units)
    }

    /// Adds to quotes what paying through the pool costs, and what a full transaction of transfers
    /// offers beside its signature; nothing while its roots are not to be gone on with.
    func quote(_ quotes: inout SettlementQuotes) async throws(ChainError) {
        let (state, foreign) = seen.withLock { ($0.state, $0.foreign) }
        guard let state, foreign == nil, state.roles.settler == key.address else { return }
        let price = min(try await marketPrice(), mostPrice)
        if rent == nil {
            rent = try await nodes.agreed { node throws(ChainError) in
                try await node.rent(of: PayoutRecord.byteCount)
            }
        }
        let signature = quotes.signatureLamports
        let each = signature + Self.lamports(Self.units, price)
        let transfers =
            UInt32(SettlementPlan.payeesPerTransaction) * TokenPayoutPlan.usualUnitsPerTransfer
        quotes.priorityLamports = Self.lamports(transfers, price)
        quotes.pool = PoolQuote(
            pool: pool.address.value, commit: given.commit ?? each,
            activate: given.activate ?? each, claim: given.claim ?? signature,
            record: given.record ?? (rent ?? 0).saturatingSum(signature))
    }

    private static func lamports(_ units: UInt32, _ price: UInt64) -> UInt64 {
        (UInt64(units) * min(price, 1 << 30) + 999_999) / 1_000_000
    }

    /// What was signed to commit a root that is not in the books.
    func commits() async -> [Signature] {
        let address = pool.address
        return await key.spending.notes
            .filter { $0.pool?.call.pool == address && $0.pays }.map(\.transaction)
    }
}

/// Lamports that an operator reckons with in place of what is asked.
public struct PoolLamports: Hashable, Sendable {
    /// See ``PoolQuote``.
    public var commit, activate, claim, record: UInt64?

    /// None.
    public init() {}
}

extension PoolRoot {
    /// How far it is, as the pool's steps take it.
    fileprivate var known: PayoutPoolRoot.Stage {
        switch stage {
        case .due: .due
        case .disputed: .dropped
        case .committed, .active: .committed
        }
    }
}
