import Chains
import Clearing
import Logging
import Primitives
import Synchronization

/// A party that may be sent an asset, and its account.
struct DuePayee: Sendable {
    let holder: NewHolders.Holder
    let account: EVMAddress
    let amount: Amount
}

/// What settling costs on the EVM chain, and what the account that pays there can send.
extension SettlementService {
    /// What settling costs now; `nil` if the house does not settle by plan. What a rollup charges
    /// beside gas is asked only where ways to pay are compared.
    func prices(compares: Bool) async throws(ChainError) -> SettlementQuotes? {
        guard let payer else { return nil }
        let options = payer.options
        let price = try await gasPrice()
        var quotes = SettlementQuotes(
            gasPrice: price, payer: payer.account, minimum: options.minimum,
            refundAbove: options.refundAbove, name: payer.name)
        quotes.gas = options.gas
        quotes.bearing = options.bearing
        quotes.batchesPerClaim = options.batchesPerClaim
        if compares {
            let rollup = await rollupQuote(price: price) ?? .none
            quotes.gas = rollup.table(options.gas)
            quotes.gas.voucher = voucherGas(rollup)
        }
        quotes.vouches = channels.options != nil
        quotes.datesVouchers = quotes.vouches
        return quotes
    }

    /// Settlements wait no longer to hear who holds a token.
    private static let holderPatience = Duration.seconds(3)

    /// Who of those that may be sent money holds none of the token, as enough nodes tell of one
    /// block; `nil` if they are too many, or if too few nodes tell it soon. Dust is not sent, nor
    /// is anything to the payer.
    func newHolders(among due: [DuePayee]) async -> NewHolders? {
        guard let payer else { return nil }
        let asked = due.filter {
            $0.amount >= payer.options.minimum[$0.holder.asset] && $0.account != payer.account
        }
        if asked.count > NewHolders.most { return nil }
        let held = await withTaskGroup(of: [UInt128]?.self) { group in
            group.addTask {
                try? await self.reader.balances(
                    asked.map { ($0.account, self.token(of: $0.holder.asset)) },
                    at: self.freshHeight())
            }
            group.addTask {
                try? await Task.sleep(for: Self.holderPatience)
                return nil
            }
            let first = await group.next() ?? nil
            group.cancelAll()
            return first
        }
        let isNew = state.withLock { state in
            defer { state.isHolderUntold = held == nil }
            return held == nil && !state.isHolderUntold
        }
        if isNew {
            log.warning("settlements are planned without who holds a token: too few nodes tell it")
        }
        guard let held else { return nil }
        var found = NewHolders(zip(asked, held).filter { $1 == 0 }.map(\.0.holder))
        found.gas = payer.options.newHolderGas
        return found
    }

    /// Wei for a unit of gas, as enough nodes have reached it.
    func gasPrice() async throws(ChainError) -> UInt128 {
        let answers = await nodes.answers { node throws(ChainError) in
            let (tip, limit) = try await node.fees()
            return GasPrice(tip: tip, limit: limit)
        }
        guard let price = nodes.quorum.reached(answers.compactMap { try? $0.get().wei }) else {
            throw .inconsistentNode("too few nodes tell what gas costs")
        }
        return price
    }

    /// A node's prices for a unit of gas.
    private struct GasPrice: Sendable {
        let wei: UInt128

        /// The limit is the tip and twice what is burned.
        init(tip: UInt128, limit: UInt128) { wei = tip + (limit - tip) / 2 }
    }

    /// The newest block that enough nodes have. What they tell of an older one than the books are
    /// of would be news to nobody.
    func freshHeight() async throws(ChainError) -> UInt64 {
        let booked = try await booked { $0.chainCursor.block }
        let watched = state.withLock { $0.watchedTo } ?? 0
        let height = try await nodes.commonHeight()
        guard height >= max(booked, watched) else {
            throw .waits("the nodes are behind the block whose logs are booked")
        }
        return height
    }

    /// What the books tell.
    private func booked<Value: Sendable>(
        _ read: @escaping @Sendable (borrowing ClearingHouse) -> Value
    ) async throws(ChainError) -> Value {
        do throws(SequencerError) {
            return try await sequencer.read(read)
        } catch {
            throw .waits("the books do not answer: \(error)")
        }
    }

    /// What the payer can send, and of which assets it can send nothing yet because the leave to
    /// disperse is on its way. What open dispersals took of it by then is in it still: whoever
    /// plans takes all that is open off, and does so at once, before more of it is booked. (What a
    /// channel's deposit took by then is taken off twice until it is booked: too little is sent.)
    func pushFloat() async throws(ChainError) -> (sums: AssetSums, awaited: [Asset]) {
        guard let payer else { return (.zero, []) }
        let height = try await freshHeight()
        let told = try await payer.account(at: height, usd: usd, tly: tly, contract, nodes)
        var sums = AssetSums.zero
        var awaited: [Asset] = []
        let mined = try await minedUnits(payer, at: height, nonce: told.nonce)
        for (asset, held) in [(Asset.usd, told.usd), (.tly, told.tly)] {
            if !held.isApproved { state.withLock { $0.isApproved = false } }
            if awaitsLeave(held, payer, at: height) { awaited.append(asset) }
            sums[asset] = held.amount(with: mined[asset] ?? 0)
        }
        return (sums, awaited)
    }

    /// Whether the contract will be let take what is held, and is not yet. What it was let take
    /// and is no more, somebody has forbidden it.
    private func awaitsLeave(
        _ held: TokenHoldings, _ payer: DispersalPayer, at height: UInt64
    ) -> Bool {
        guard held.wantsLeave(payer.options.minimum) else { return false }
        let key = SettlementOrder.key(ofApproval: token(of: held.asset), by: payer.account)
        return switch look(at: key).step {
        case .submit, .wait: true
        case .done(let inclusion): inclusion.blockNumber > height
        case .refused, .withoutBond: false
        }
    }

    /// What dispersals that are open in the books have taken of the payer's tokens by a block, as
    /// the contract says, in chain units. It is asked for those that may have.
    ///
    /// - Parameter nonce: how many transactions of the payer's are in the chain by then.
    private func minedUnits(
        _ payer: DispersalPayer, at height: UInt64, nonce: UInt64
    ) async throws(ChainError) -> [Asset: UInt128] {
        let before = try await openPushes(of: payer.account)
        let mayBe = before.filter { dispersal in
            switch look(at: SettlementOrder.key(ofDispersal: dispersal.name)).step {
            case .wait(.inFlight(let used, _)): used < nonce
            case .done: true
            case .wait, .submit, .refused, .withoutBond: false
            }
        }
        if mayBe.isEmpty { return [:] }
        let made = try await reader.areDispersed(
            mayBe.map(\.name), by: payer.account, at: height)
        // Those that were booked meanwhile nobody takes off any more.
        let open = Set(try await openPushes(of: payer.account).map(\.id))
        var units: [Asset: UInt128] = [:]
        for (dispersal, isMade) in zip(mayBe, made) where isMade && open.contains(dispersal.id) {
            units[dispersal.asset, default: 0] += dispersal.openUnits
        }
        return units
    }

    private func openPushes(of account: EVMAddress) async throws(ChainError) -> [Dispersal] {
        try await booked { house in
            house.openDispersals.filter { dispersal in
                dispersal.isOpen && dispersal.rail == .push
                    && house.party(dispersal.payer)?.address == account
            }
        }
    }
}
