import Chains
import Clearing
import Primitives
import Synchronization

/// Whose money is stuck: what a reconciliation lists beside its comparisons
/// (docs/reference/reconciliation.md has what to do about it).
extension SettlementService {
    /// Providers that one look asks the contract about.
    private static let providersALook = 200

    /// What the books and the contract's own words tell is stuck.
    static func left(
        _ books: BookView, _ holdings: SettlementHoldings, _ strays: StrayTransfers,
        at now: Timestamp, _ rules: StrandingRules
    ) -> [StrandedItem] {
        func item(_ kind: StrandedItem.Kind, _ holder: BookView.Holder) -> StrandedItem {
            StrandedItem(
                kind, holder.asset, holder.amount, account: holder.account,
                number: holder.channel, since: holder.since)
        }
        var items = books.ownerless.map { item(.ownerlessDeposit, $0) }
        items += books.unclaimed.map { item(.unclaimed, $0) }
        items += books.vouchers.map { item(.voucherUnclaimed, $0) }
        items += books.unpaid.holders.map { item(.unpaid, $0) }
        items += books.shutOut.map { item(.bondAfterExit, $0) }
        for asset in Asset.allCases {
            guard let (parties, units) = books.unpaid.belowMinimum[asset] else { continue }
            items.append(StrandedItem(.belowMinimum, asset, units, number: parties))
        }
        items += books.heldSlashes.map {
            StrandedItem(
                .slashForgone, .usd, Asset.usd.chainUnits($0.captured), number: $0.id.rawValue,
                since: $0.deadline)
        }
        for dispersal in books.dispersals {
            // Whose receiver cannot be paid is told of by itself.
            let units = dispersal.payments.reduce(UInt128(0)) {
                $1.state.isOpen && $1.state != .quarantined ? $0 + $1.units : $0
            }
            // Nor is a root that waits for its pool's delay, or for a person.
            guard units > 0, !(dispersal.root?.isFunded ?? false) else { continue }
            items.append(
                StrandedItem(
                    .dispersalOpen, dispersal.asset, units, number: dispersal.id.rawValue,
                    since: dispersal.madeAt))
        }
        return items + batchesLeft(books, holdings, at: now, rules)
            + uncovered(books, holdings, strays)
    }

    private static func batchesLeft(
        _ books: BookView, _ holdings: SettlementHoldings, at now: Timestamp,
        _ rules: StrandingRules
    ) -> [StrandedItem] {
        var items: [StrandedItem] = []
        let due = Timestamp(chainSeconds: holdings.activeFrom)
        let chainNow = Timestamp(chainSeconds: holdings.timestamp)
        if holdings.isRootWaiting, due + rules.overdue <= chainNow {
            items += self.items(
                .rootNotActivated, holdings.batch, books.committed(holdings), since: due)
        }
        if let batch = books.disputed {
            items += self.items(.rootDisputed, batch.id.rawValue, batch, since: batch.cutAt)
        }
        if let batch = books.open, batch.cutAt + rules.overdue <= now {
            items += self.items(.batchStuck, batch.id.rawValue, batch, since: batch.cutAt)
        }
        return items
    }

    /// One item for each asset that a batch newly allots, or one without money.
    private static func items(
        _ kind: StrandedItem.Kind, _ number: UInt64, _ batch: Batch?, since: Timestamp
    ) -> [StrandedItem] {
        let name = batch.flatMap { $0.transaction == .zero ? nil : $0.transaction }
        let items = Asset.allCases.compactMap { asset -> StrandedItem? in
            guard let units = batch?.added(asset), units > 0 else { return nil }
            return StrandedItem(
                kind, asset, units, number: number, transaction: name, since: since)
        }
        return items.isEmpty
            ? [StrandedItem(kind, number: number, transaction: name, since: since)] : items
    }

    /// What is owed and not there, and what nobody can be paid any more.
    private static func uncovered(
        _ books: BookView, _ holdings: SettlementHoldings, _ strays: StrayTransfers
    ) -> [StrandedItem] {
        var items: [StrandedItem] = []
        for asset in Asset.allCases {
            let token = asset == .usd ? holdings.usd : holdings.tly
            let stray = strays.sum(asset)
            let held = token.held - min(token.held, stray)
            let owed = asset.chainUnits(books.owed[asset] ?? .zero)
            if owed > held { items.append(StrandedItem(.uncovered, asset, owed - held)) }
            guard holdings.isAbandoned else { continue }
            // Bonds can be taken out, and what the last root says claimed: the rest is lost.
            let claimable = token.active - min(token.active, books.claimed[asset] ?? 0)
            let waiting = holdings.isRootWaiting ? books.committed(holdings)?.added(asset) ?? 0 : 0
            let safe = (asset == .usd ? holdings.bonds : 0).saturatingSum(claimable)
                .saturatingSum(waiting)
            if owed > safe {
                items.append(StrandedItem(.abandoned, asset, owed - safe))
            }
        }
        return items
    }

    /// Bonds that could be taken out for long and were not. Anybody may have a bond of one unit: of
    /// many, one look asks for some, and the next for those behind them.
    func bondsLeft(
        _ books: BookView, _ holdings: SettlementHoldings, _ rules: StrandingRules
    ) async -> [StrandedItem] {
        let all = books.leaving
        let next = state.withLock { $0.leavingBonds.next }
        let start = next < all.count ? next : 0
        let some = Array(all[start..<min(start + Self.providersALook, all.count)])
        // Nodes that do not tell hold up no other comparison.
        let told =
            some.isEmpty ? nil : try? await reader.leavingBonds(some, at: holdings.block)
        let here = Set(all)
        let bonds = state.withLock { state in
            state.leavingBonds.told = state.leavingBonds.told.filter { here.contains($0.key) }
            if let told {
                for (provider, bond) in zip(some, told) {
                    state.leavingBonds.told[provider] = bond
                }
                state.leavingBonds.next = start + some.count
            }
            return state.leavingBonds.told
        }
        let patience = rules.unclaimed.nanoseconds / 1_000_000_000
        return all.compactMap { provider in
            bonds[provider]?.left(for: patience, at: holdings.timestamp).map { units, since in
                StrandedItem(
                    .bondAfterExit, .usd, units, account: provider,
                    since: Timestamp(chainSeconds: since))
            }
        }
    }

    /// Slashes that could be carried out and were not, or that were not even requested.
    func slashesLeft(
        _ books: BookView, at block: UInt64, now: Timestamp, _ rules: StrandingRules
    ) async throws(ChainError) -> [StrandedItem] {
        if books.openSlashes.isEmpty { return [] }
        let (second, moments) = try await reader.executableFrom(
            books.openSlashes.map(\.slashKey), at: block)
        let chainNow = Timestamp(chainSeconds: second)
        // What the chain has no request of has not ended there either: its log would be booked.
        let missing = zip(books.openSlashes, moments).filter { $0.1 == nil }.map(\.0.slashKey)
        let seen = state.withLock { state in
            state.unrequested.look(now, at: missing.map { ($0, true) })
            return state.unrequested
        }
        return zip(books.openSlashes, moments).compactMap { slash, moment in
            let due = moment.map { Timestamp(chainSeconds: $0) } ?? seen[slash.slashKey] ?? now
            guard due + rules.overdue <= (moment == nil ? now : chainNow) else { return nil }
            return StrandedItem(
                .slashNotExecuted, .usd, Asset.usd.chainUnits(slash.captured),
                number: slash.id.rawValue, since: due)
        }
    }

    /// The house's own money in payment channels that does not come back, or that is to go there
    /// and does not.
    func channelsLeft(
        _ books: BookView, _ holdings: SettlementHoldings, at now: Timestamp,
        _ rules: StrandingRules
    ) async -> [StrandedItem] {
        let account = payer?.account
        let seen = state.withLock { state in
            state.channels.look(now, at: books.channels.map { ($0.id, $0.standing) })
            return state.channels
        }
        var items: [StrandedItem] = []
        for channel in books.channels {
            var since = seen[channel.id] ?? now
            var clock = now
            if channel.isWithdrawing {
                // A node that has not the block any more holds up no other comparison.
                let said = try? await timestamp(of: channel.withdrawingSince)
                let delay = channel.terms.withdrawDelay
                if let said {
                    since = Timestamp(chainSeconds: said.saturatingSum(delay))
                    clock = Timestamp(chainSeconds: holdings.timestamp)
                } else {
                    since = since + .seconds(delay)
                }
            } else if channel.terms.payer != account, channel.openDeposit == 0 {
                since = channel.madeAt
            }
            guard since + rules.overdue <= clock else { continue }
            items.append(
                StrandedItem(
                    .channelDeposit, channel.asset,
                    channel.openDeposit > 0 ? channel.openDeposit : channel.rest,
                    account: channel.terms.payer, number: channel.id.rawValue, since: since))
        }
        return items
    }
}

extension HouseChannel {
    /// How its deposit stands, whatever is promised and claimed meanwhile.
    struct Standing: Equatable, Sendable {
        let targets: [UInt128]
        let received, returned: UInt128
        let isWithdrawing, isClosing: Bool
    }

    var standing: Standing {
        Standing(
            targets: targets, received: received, returned: returned,
            isWithdrawing: isWithdrawing, isClosing: isClosing)
    }
}

extension Timestamp {
    /// A moment as a chain tells it, in Unix seconds: the end of time if it is beyond that.
    fileprivate init(chainSeconds seconds: UInt64) {
        let (nanoseconds, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        self.init(nanoseconds: overflow ? .max : nanoseconds)
    }
}
