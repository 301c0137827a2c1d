public import Clearing
public import Primitives

extension World {
    /// Party 5's address pays: in these worlds the verifier keeps the house's accounts.
    public static let payer = verifier

    /// Quotes under which anything may be sent; `change` makes others of them.
    public static func quotes(
        _ change: (inout SettlementQuotes) -> Void = { _ in }
    ) -> SettlementQuotes {
        let plenty = AssetSums(usd: Amount(1 << 100), tly: Amount(1 << 100))
        var quotes = SettlementQuotes(
            gasPrice: 3_000_000_000, payer: address(UInt8(payer.rawValue)), minimum: .zero,
            refundAbove: plenty, name: Digest(words: (3, 1, 4, 0)))
        quotes.pushFloat = plenty
        quotes.solanaFloat = plenty[.usd]
        change(&quotes)
        return quotes
    }

    /// Quotes of a pool on Solana whose roots cost this much in each part.
    public static func poolQuote(_ each: UInt64 = 0) -> PoolQuote {
        PoolQuote(pool: digest(700), commit: each, activate: each, claim: each, record: each)
    }

    /// What may be learned of a root of a pool, mostly in its order.
    private static func poolNote(of dispersal: Dispersal, _ kind: Int) -> PoolNote {
        switch (dispersal.root?.stage, kind) {
        case (.due, 0...1): .committed(epoch: (dispersal.root?.epoch ?? 0) + 1, signature(8))
        case (.committed, 0): .disputed
        case (.disputed, 0...1): .again
        default: .active
        }
    }

    /// A command about payouts, sensible or senseless.
    mutating func payouts(_ random: inout SplitMix64) -> Command {
        let party = PartyID(1 + random.below(7))
        let id = DispersalID(1 + random.below(UInt64(house.dispersals.count) + 1))
        switch random.below(10) {
        case 0, 1:
            let pushes = random.below(3) != 0
            let everyone = random.below(2) == 0
            let held = Amount(UInt128(random.below(1 << 40)))
            let isAsked = everyone && held.units % 2 == 0
            return .settle(
                World.quotes { quotes in
                    if !pushes { quotes.pushFloat = nil }
                    if everyone { quotes.bearing = .everyone }
                    quotes.solanaFloat = held
                    if isAsked { quotes.newHolders = NewHolders([.init(party, .usd)]) }
                    quotes.refundAbove.usd(Amount(UInt128(random.below(1 << 30))))
                    if held.units % 3 == 0 { quotes.pool = World.poolQuote() }
                })
        case 2, 3:
            let name = house.openDispersals.first?.name ?? World.digest(1)
            return .observeChain(nextReference(), .dispersed(name: name))
        case 4:
            let notes: [PaymentNote] = [.paid(World.signature(7)), .quarantined, .returned]
            let (place, kind) = (UInt32(random.below(3)), Int(random.below(3)))
            if let open = house.openPoolRoot, place < 2 {
                return .notePool(open.id, World.poolNote(of: open, kind))
            }
            return .notePayment(
                house.openDispersals.last?.id ?? id, payment: place, notes[kind])
        case 5: return .splitDispersal(id)
        case 6:
            let cost = ChainCost(
                random.below(2) == 0 ? .dispersal(id) : .batch(BatchID(id.rawValue)), .wei,
                units: UInt128(random.below(1 << 50)),
                transaction: World.digest(random.below(99)).bytes)
            return .bookCost(cost)
        case 7:
            let owner = random.below(2) == 0 ? World.digest(400 + party.rawValue) : nil
            return .setPayout(
                party,
                PayoutSettings(solana: owner, keep: Amount(UInt128(random.below(1 << 23)))))
        case 8:
            let first = house.lastSealedDispersal + random.below(3)
            return .sealDispersals(
                first: DispersalID(first), last: DispersalID(first + random.below(3)),
                books: LiabilityCommitment(
                    batch: random.below(9) == 0 ? BatchID(1) : .none, sequence: random.below(1_000),
                    head: World.digest(5), depth: 4, totals: .zero, top: World.digest(6)))
        default:
            let units = UInt128(1 + random.below(5))
            return .payOut(
                party, asset: .usd, amount: Amount(units * 1_000_000),
                key: World.digest(random.below(40)), quotes: World.quotes())
        }
    }

    /// A signature of 64 equal bytes.
    public static func signature(_ byte: UInt8) -> Signature {
        guard let signature = Signature(Array(repeating: byte, count: 64)) else {
            preconditionFailure("64 bytes")
        }
        return signature
    }
}

extension AssetSums {
    fileprivate mutating func usd(_ amount: Amount) { self[.usd] = amount }
}
