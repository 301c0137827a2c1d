import Ledger
import Primitives

/// What a reorganisation took back of what a party had been credited, and the party had spent: the
/// accounts of the house that paid for it, and what none of them had. It is part of the party's
/// debt.
struct Advance: Hashable, Sendable {
    /// What of it was credited: the same, when it comes again, pays the house back.
    enum Credit: CaseIterable {
        case deposit
        case bond
    }

    /// Which accounts may have paid.
    static let pots: [Purpose] = [.fee, .insurance, .burn]
    /// What each of them paid.
    var paid = [Amount](repeating: .zero, count: pots.count)
    /// What none of them had: the books' mirror of the chain holds so much more than the chain.
    var missing = Amount.zero
}

/// A party's advances, by what was credited.
struct Advances: Hashable, Sendable {
    var deposit = Advance()
    var bond = Advance()

    subscript(_ credit: Advance.Credit) -> Advance {
        get { credit == .deposit ? deposit : bond }
        set { if credit == .deposit { deposit = newValue } else { bond = newValue } }
    }

    /// All of it; `nil` if that does not fit.
    var total: Amount? {
        Advance.Credit.allCases.flatMap { [self[$0].missing] + self[$0].paid }
            .reduce(Amount.zero) { sum, part in sum?.checkedAdding(part) }
    }
}

extension ClearingHouse {
    /// Takes money that never came in from who was credited, as far as it is still there, and then
    /// from the house: who was paid with it meanwhile keeps it, and the party owes it.
    mutating func takeBack(
        _ units: UInt128, _ credit: Advance.Credit, from account: EVMAddress,
        _ reference: ChainReference, at time: Timestamp, into events: inout [Event]
    ) throws(Rejection) {
        guard let party = index.partyByAddress[account] else { throw .partyNotFound }
        guard let amount = Asset.usd.amount(chainUnits: units) else { throw .invalidAmount }
        let own: [Purpose]
        let house: [Purpose]
        switch credit {
        case .deposit: (own, house) = ([.available, .payable], [.fee, .insurance])
        case .bond: (own, house) = ([.bonded, .unbonding], [.insurance, .burn])
        }
        var rest = collect(
            amount, [], orElse: own.map { AccountID($0, .usd, of: party) },
            into: .init(.chain, .usd), .reversal, reference.block, at: time)
        parties[party].payee.debt += rest
        for pot in house {
            let left = collect(
                rest, [], orElse: [.init(pot, .usd)], into: .init(.chain, .usd), .reversal,
                reference.block, at: time)
            for place in Advance.pots.indices where Advance.pots[place] == pot {
                parties[party].advances[credit].paid[place] += rest - left
            }
            rest = left
        }
        parties[party].advances[credit].missing += rest
        if !rest.isZero { events.append(.bondShortfall(party, amount: rest)) }
    }

    /// Pays back what the house advanced for a credit of a party, with up to `amount` out of an
    /// account; what is left of it.
    mutating func repay(
        _ credit: Advance.Credit, of party: PartyID, upTo amount: Amount, from source: AccountID,
        _ reason: TransferReason, _ reference: UInt64 = 0, at time: Timestamp
    ) -> Amount {
        var rest = amount
        let advance = parties[party].advances[credit]
        // What comes in only makes true what the mirror says already.
        let filled = min(rest, advance.missing)
        let mirror = AccountID(.chain, .usd)
        if source != mirror {
            move(filled, from: source, to: mirror, reason, reference, at: time)
        }
        parties[party].advances[credit].missing -= filled
        rest -= filled
        for (place, pot) in Advance.pots.enumerated() {
            let part = min(rest, advance.paid[place])
            move(part, from: source, to: .init(pot, .usd), reason, reference, at: time)
            parties[party].advances[credit].paid[place] -= part
            rest -= part
        }
        parties[party].payee.debt -= amount - rest
        return rest
    }
}

extension Advances: CanonicalCodable {
    func encode(into writer: inout ByteWriter) {
        for credit in Advance.Credit.allCases {
            writer.write(self[credit].missing)
            for amount in self[credit].paid { writer.write(amount) }
        }
    }

    init(from reader: inout ByteReader) throws(CodecError) {
        for credit in Advance.Credit.allCases {
            self[credit].missing = try reader.read()
            for place in Advance.pots.indices { self[credit].paid[place] = try reader.read() }
        }
    }
}
