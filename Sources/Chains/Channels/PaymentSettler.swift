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
    ///   - computePrice: millionths of a lamport for a compute unit of what has a voucher believed.
    ///     What pays out waits for no deadline, and offers nothing.
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

    /// Pays out what was settled and not yet paid, a transaction for each channel, in which guards
    /// stand before the payout (`DistributePlan`): what the program cannot pay it would give away
    /// for good. A channel waits while somebody's account cannot be paid. Sent twice it pays once.
    ///
    /// - Parameters:
    ///   - treasury: the owner that the program was built with.
    ///   - earlier: the last round, whose payouts are followed; none is sent beside them, and one
    ///     that was undone is not tried again.
    public func distribute(
        treasury: SolanaAddress = PaymentChannel.standardTreasury,
        after earlier: DistributeRound = DistributeRound()
    ) async throws -> DistributeRound {
        let all = store.look { $0.channels }.compactMap { channel($0) }
        var round = DistributeRound()
        for (channel, answer) in zip(all, try await nodes.states(of: all)) {
            let sent = earlier.pending.first { $0.plan.channel == channel }
            guard let answer else {
                if let sent { round.pending.append(sent) }
                continue
            }
            guard let state = answer.state,
                state.status == .sealed || state.status == .open && state.settled > state.paidOut
            else { continue }
            if let sent, await follow(sent, &round) { continue }
            if let failed = earlier.held.first(where: { $0.channel == channel && $0.isUndone }) {
                round.held.append(failed)
                continue
            }
            switch try await pay(channel, state, treasury) {
            case .success(let sent):
                round.sent += 1
                round.pending.append(sent)
            case .failure(let hold): round.held.append(hold)
            }
        }
        return round
    }

    /// What has become of a payout; whether nothing is to be sent for its channel now.
    private func follow(
        _ sent: DistributeRound.Sent, _ round: inout DistributeRound
    ) async -> Bool {
        switch await nodes.resolve(sent.id, lastValidHeight: sent.lastHeight) {
        // Paid, and more was settled since; or in no block.
        case .settled, .expired: return false
        case .undone(let words, _): round.held.append(sent.plan.hold(after: words))
        case .refused, .unknown:
            await nodes.submit(sent.transaction, named: sent.id)
            round.pending.append(sent)
        }
        return true
    }

    private func pay(
        _ channel: PaymentChannel, _ state: PaymentChannelState, _ treasury: SolanaAddress
    ) async throws -> Result<DistributeRound.Sent, DistributeHold> {
        let sight: DistributeSight
        do throws(ChainError) {
            sight = try await nodes.sight(for: channel, treasury: treasury, sender: plan.payer)
        } catch {
            guard case .inconsistentNode(let words) = error else { throw error }
            return .failure(DistributeHold(channel, .unclear(words)))
        }
        let payout: DistributePlan
        do throws(DistributeHold) {
            payout = try DistributePlan(
                channel, state, treasury: treasury, sender: plan.payer, sight, makesMissing: false)
        } catch { return .failure(error) }
        let (hash, height) = try await nodes.blockhash()
        let message: SolanaMessage
        do throws(SolanaError) {
            message = try payout.message(blockhash: hash, tables: plan.tables)
        } catch { return .failure(payout.hold(error)) }
        let transaction = try SolanaTransaction(message, signedBy: [payer])
        await nodes.submit(transaction.bytes, named: transaction.id)
        return .success(
            DistributeRound.Sent(
                plan: payout, transaction: transaction.bytes, id: transaction.id,
                lastHeight: height))
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
            plan.budget(for: 1) + pair, payer: plan.payer, blockhash: hash, tables: plan.tables)
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
