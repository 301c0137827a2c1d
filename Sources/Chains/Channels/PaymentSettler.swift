public import Cryptography
public import Primitives

/// Settles the vouchers of a store on one Solana cluster, five a transaction. A transaction is
/// written down before it is sent, and its channels are not settled by another until it is in a
/// final block or can no longer be in one; a voucher counts once anyway, since the program takes
/// only sums above the last.
public struct PaymentSettler: Sendable {
    private let store: VoucherStore
    private let nodes: SolanaNodes
    private let payer: Ed25519.PrivateKey
    private let payee: Ed25519.PrivateKey?
    private let plan: SettlePlan

    /// A settler whose transactions `payer` pays for.
    ///
    /// - Parameters:
    ///   - nodes: what enough of them say of channels and transactions is believed, and no less.
    ///   - payee: the key of the channels' payee, which alone can seal a channel that the payer
    ///     closes; `nil` if the payer is it, or nobody here.
    ///   - computePrice: millionths of a lamport for a compute unit.
    ///   - tables: lookup tables that hold channels; without them four fit a transaction.
    public init(
        store: VoucherStore, nodes: SolanaNodes, payer: Ed25519.PrivateKey,
        payee: Ed25519.PrivateKey? = nil, computePrice: UInt64 = 0,
        tables: [SolanaLookupTable] = []
    ) {
        self.store = store
        self.nodes = nodes
        self.payer = payer
        self.payee = payee
        var plan = SettlePlan(payer: SolanaAddress(payer.publicKey))
        plan.computePrice = computePrice
        plan.tables = tables
        self.plan = plan
    }

    /// Asks the cluster about all channels, or those given: a call a node for each hundred. One on
    /// which the nodes do not agree stays as it is known.
    public func look(_ channels: [Digest]? = nil) async throws {
        let ids = channels ?? store.look { $0.channels }
        let all = ids.compactMap { channel($0) }
        for (channel, answer) in zip(all, try await nodes.states(of: all)) {
            guard let answer else { continue }
            let id = channel.address.value
            let old = store.look { $0.entry(id)?.sighting }
            var sighting = ChannelSighting(
                deposit: old?.deposit ?? 0, claimed: old?.claimed ?? 0, phase: .closed,
                height: answer.slot)
            if let state = answer.state {
                sighting = ChannelSighting(state, of: channel, slot: answer.slot)
            }
            try await store.see(id, sighting)
        }
    }

    /// Follows what is under way, and sends what is due; `everything` with whatever is unclaimed.
    public func step(everything: Bool = false) async throws -> ClaimRound {
        var round = ClaimRound()
        for claim in store.look({ $0.openClaims }) where !claim.transaction.isEmpty {
            try await follow(claim, &round)
        }
        let now = store.now
        let due = store.look { book in
            book.due(at: now, everything: everything).compactMap { book.entry($0) }
        }
        var open: [SettlePlan.Settle] = []
        for entry in due {
            guard case .payment(let channel) = entry.terms,
                let voucher = entry.claimable(at: now)
            else { continue }
            if entry.sighting.phase == .open {
                open.append(SettlePlan.Settle(channel, voucher))
            } else {
                try await seal(channel, voucher, &round)
            }
        }
        guard !open.isEmpty else { return round }
        let (hash, height) = try await nodes.blockhash()
        for (settles, message) in try plan.messages(of: open, blockhash: hash) {
            try await send(
                message, settles.map { ChannelClaim.Row($0.voucher, total: $0.voucher.cumulative) },
                height, &round)
        }
        return round
    }

    /// Pays out what was settled and not yet paid, a transaction for each channel; how many were
    /// sent, and the channels that must wait because somebody's account cannot be paid: what the
    /// program cannot pay it would give away for good. Sent twice it pays once. A channel on which
    /// the nodes do not agree is left for the next time.
    ///
    /// - Parameter treasury: the owner that the program was built with.
    public func distribute(
        treasury: SolanaAddress = PaymentChannel.standardTreasury
    ) async throws -> (sent: Int, held: [SolanaAddress]) {
        let all = store.look { $0.channels }.compactMap { channel($0) }
        var sent = 0
        var held: [SolanaAddress] = []
        for (channel, answer) in zip(all, try await nodes.states(of: all)) {
            guard let state = answer?.state,
                state.status == .sealed || state.status == .open && state.settled > state.paidOut
            else { continue }
            let owners = channel.recipients(treasury: treasury, isSealed: state.status == .sealed)
            guard try await nodes.recipients(owners, of: channel).allSatisfy({ $0 == .ready })
            else {
                held.append(channel.address)
                continue
            }
            let units = 60_000 + 20_000 * UInt32(channel.terms.splits.count)
            let message = try SolanaMessage(
                [.computeLimit(units), channel.distribute(treasury: treasury)],
                payer: plan.payer, blockhash: try await nodes.blockhash().hash,
                tables: plan.tables)
            let transaction = try SolanaTransaction(message, signedBy: [payer])
            if await nodes.submit(transaction.bytes, named: transaction.id) { sent += 1 }
        }
        return (sent, held)
    }

    private func channel(_ id: Digest) -> PaymentChannel? {
        guard case .payment(let channel)? = store.look({ $0.entry(id)?.terms }) else { return nil }
        return channel
    }

    /// While the payer closes, only the payee can have a voucher believed, and seals with it.
    private func seal(
        _ channel: PaymentChannel, _ voucher: Voucher, _ round: inout ClaimRound
    ) async throws {
        let keys = [payer] + (payee.map { [$0] } ?? [])
        guard keys.contains(where: { SolanaAddress($0.publicKey) == channel.terms.payee }) else {
            round.refused.append("\(channel.address) closes, and its payee's key is not here")
            return
        }
        guard let pair = channel.settleAndSeal(voucher) else { return }
        let (hash, height) = try await nodes.blockhash()
        let message = try SolanaMessage(
            [.computeLimit(SettlePlan.unitsPerSettle + 300)] + pair, payer: plan.payer,
            blockhash: hash, tables: plan.tables)
        try await send(
            message, [ChannelClaim.Row(voucher, total: voucher.cumulative)], height, &round)
    }

    /// Settles each of several alone after they were undone together, so that a bad one holds no
    /// others back.
    private func settleEach(_ rows: [ChannelClaim.Row], _ round: inout ClaimRound) async throws {
        guard rows.count > 1 else { return }
        let (hash, height) = try await nodes.blockhash()
        for row in rows {
            guard let channel = channel(row.voucher.channel) else { continue }
            let settle = SettlePlan.Settle(channel, row.voucher)
            let message = try plan.message(of: [settle], blockhash: hash)
            try await send(message, [row], height, &round)
        }
    }

    /// Signs, writes down, and only then sends.
    private func send(
        _ message: SolanaMessage, _ rows: [ChannelClaim.Row], _ height: UInt64,
        _ round: inout ClaimRound
    ) async throws {
        let keys = [payer] + (payee.map { [$0] } ?? [])
        let transaction = try SolanaTransaction(message, signedBy: keys)
        let claim = ChannelClaim(
            id: SHA256.hash(message.bytes), rows: rows, transaction: transaction.bytes,
            lastHeight: height)
        try await store.take(.claiming(claim))
        // Without a trial: what fails is undone in a block, which is an end.
        await nodes.submit(transaction.bytes, named: transaction.id)
        round.sent += 1
        round.open += 1
    }

    private func follow(_ claim: ChannelClaim, _ round: inout ClaimRound) async throws {
        guard let id = Signature(Array(claim.transaction[1..<65])) else { return }
        switch await nodes.resolve(id, lastValidHeight: claim.lastHeight) {
        case .settled:
            try await store.take(.ended(claim.id, isSettled: true))
            round.settled += 1
        case .undone(let words, _):
            round.refused.append(words)
            try await store.take(.ended(claim.id, isSettled: false))
            try await settleEach(claim.rows, &round)
        case .expired: try await store.take(.ended(claim.id, isSettled: false))
        case .refused, .unknown:
            await nodes.submit(claim.transaction, named: id)
            round.open += 1
        }
    }
}

extension PaymentChannel {
    /// Whom `distribute` pays: the payee, the splits and the treasury, and the payer what is left
    /// once the channel is sealed.
    public func recipients(treasury: SolanaAddress, isSealed: Bool) -> [SolanaAddress] {
        [terms.payee, treasury] + terms.splits.map(\.recipient) + (isSealed ? [terms.payer] : [])
    }
}

extension ChainNodes<SolanaChain> {
    /// How enough nodes say that the accounts of a channel's recipients are, in their order. What
    /// the program cannot pay it gives to the treasury for good.
    public func recipients(
        _ owners: [SolanaAddress], of channel: PaymentChannel
    ) async throws(ChainError) -> [TokenRecipient] {
        try await agreed { node throws(ChainError) in
            let found = try await node.accounts(owners.map { channel.tokenAccount(of: $0) })
            return zip(owners, found).map { owner, account in
                TokenRecipient(
                    account, owner: owner, mint: channel.terms.mint, program: channel.token)
            }
        }
    }
}
