public import Clearing
public import Primitives

/// Whether a deposit in a payment channel is worth its gas. Each voucher saves what sending the
/// money would have cost; a deposit costs gas each time it is made. So it pays if it lasts for as
/// many settlements as pay it back.
public struct ChannelReckoning: Hashable, Sendable {
    /// Gas of the first deposit in a channel, as measured on the tests' counterpart with a token
    /// of ours (docs/reference/channels.md), rounded up; a later one takes less.
    public static let depositGas: UInt64 = 130_000
    /// Gas of a channel's first claim and of the transfer, there too.
    public static let claimGas: UInt64 = 158_000

    /// What a settlement sent a party, and the gas it took for it.
    public struct Payout: Hashable, Sendable {
        /// How much, in chain units.
        public var units: UInt128
        /// Its share of the gas.
        public var gas: UInt64

        /// So much, for so much gas.
        public init(units: UInt128, gas: UInt64) {
            self.units = units
            self.gas = gas
        }
    }

    /// After how many vouchers a deposit has paid itself back; `nil` if none saves anything.
    public let paysBackAfter: UInt64?
    /// For how many vouchers it lasts.
    public let lasts: UInt128

    /// Reckons with what a party was paid before.
    ///
    /// - Parameters:
    ///   - deposit: what is paid in, in chain units.
    ///   - depositGas: what paying it in counts, in gas.
    ///   - voucherGas: what the claim of a voucher counts, in gas.
    public init(
        _ payouts: [Payout], deposit: UInt128, depositGas: UInt64 = ChannelReckoning.depositGas,
        voucherGas: UInt64
    ) {
        let count = UInt64(payouts.count)
        guard count > 0 else {
            paysBackAfter = nil
            lasts = 0
            return
        }
        let units = payouts.reduce(UInt128(0)) { $0 + $1.units } / UInt128(count)
        let gas = payouts.reduce(UInt64(0)) { $0 + $1.gas } / count
        lasts = deposit / max(units, 1)
        let saved = gas - min(gas, voucherGas)
        paysBackAfter =
            saved == 0 ? nil : depositGas / saved + (depositGas % saved == 0 ? 0 : 1)
    }

    /// Whether it lasts until it has paid itself back.
    public var isWorthIt: Bool { paysBackAfter.map { UInt128($0) <= lasts } ?? false }
}

extension ClearingHouse {
    /// How many of the last settlements are looked at.
    private static var settlementsALook: Int { 32 }

    /// What the last settlements sent a party of an asset, and its share of the gas. Leaves are
    /// left out: one more in a root costs the house nothing. O(payments of 32 settlements).
    public func payouts(
        to party: PartyID, _ asset: Asset, since start: Timestamp
    ) -> [ChannelReckoning.Payout] {
        var found: [ChannelReckoning.Payout] = []
        for settlement in settlements.suffix(Self.settlementsALook)
        where settlement.madeAt > start {
            let first = settlement.firstDispersal.rawValue
            for number in first..<first + UInt64(settlement.dispersals) {
                guard let sent = dispersal(DispersalID(number)), sent.rail == .push,
                    sent.asset == asset,
                    let payment = sent.payments.first(where: { $0.party == party }),
                    payment.state == .paid
                else { continue }
                let table = settlement.quotes.gas
                let share = table.dispersal / UInt64(sent.payments.count)
                found.append(.init(units: payment.units, gas: table.payee + share))
            }
        }
        return found
    }

    /// What the vouchers of a channel would have cost if the money had been sent.
    /// O(32 settlements).
    public func payouts(through channel: HouseChannel) -> [ChannelReckoning.Payout] {
        guard channel.vouchers > 0 else { return [] }
        let units = channel.promised / UInt128(channel.vouchers)
        return settlements.suffix(Self.settlementsALook).filter {
            $0.vouchers > 0 && $0.madeAt > channel.madeAt
        }.map { settlement in
            let first = settlement.firstDispersal.rawValue
            var payees = UInt64(settlement.vouchers)
            for number in first..<first + UInt64(settlement.dispersals) {
                guard let sent = dispersal(DispersalID(number)), sent.rail == .push else {
                    continue
                }
                payees += UInt64(sent.payments.count)
            }
            let table = settlement.quotes.gas
            return .init(units: units, gas: table.payee + table.dispersal / payees)
        }
    }
}
