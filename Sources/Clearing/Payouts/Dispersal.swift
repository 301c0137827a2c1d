public import Primitives

/// Where a payment goes.
public enum PayoutReceiver: Hashable, Sendable {
    /// An account on the EVM chain.
    case evm(EVMAddress)
    /// The owner of a token account on Solana: the 32 bytes of its address.
    case solana(Digest)
}

/// Where a payment stands. Numbers are stable for ever.
public enum PaymentState: UInt8, CaseIterable, Hashable, Sendable {
    /// It is to be made, is on its way, or its outcome is not known: its money stays reserved.
    case due = 1
    /// The chain has made it.
    case paid = 2
    /// Its receiver cannot be paid now; it stays due.
    case quarantined = 3
    /// It will never be made, and its money is the payee's again.
    case returned = 4
    /// It is part of a smaller dispersal now.
    case moved = 5

    /// Whether its money is still reserved for it.
    public var isOpen: Bool { self == .due || self == .quarantined }
}

/// What a party is sent.
public struct Payment: Hashable, Sendable {
    /// Whose money it is.
    public let party: PartyID
    /// Where it goes.
    public let receiver: PayoutReceiver
    /// How much, in chain units.
    public let units: UInt128
    /// Where it stands.
    public internal(set) var state = PaymentState.due
    /// The Solana transaction that made it, or put it into a pool's vault under a root.
    public internal(set) var transaction: Signature?

    init(party: PartyID, receiver: PayoutReceiver, units: UInt128) {
        self.party = party
        self.receiver = receiver
        self.units = units
    }
}

/// Payments of one asset that the house sends together: one transaction on the EVM chain, as many
/// as it takes on Solana; or that are leaves of one root of a pool there.
///
/// The money is the payer's, who takes over the payees' claims when the chain has paid them: what
/// lies in the contract is its from then on, and the next root gives it back.
public struct Dispersal: Hashable, Sendable {
    /// The dispersal's number, from 1, without gaps.
    public let id: DispersalID
    /// How it is sent: `push`, `solana` or `pool`.
    public let rail: PayoutRail
    /// In what.
    public let asset: Asset
    /// When it was decided.
    public let madeAt: Timestamp
    /// Whose money is sent.
    public let payer: PartyID
    /// What the contract knows it by: it takes each name of a sender once.
    public let name: Digest
    /// The key of the withdrawal it is; `nil` for a part of a settlement.
    public let withdrawal: Digest?
    /// Who is paid.
    public internal(set) var payments: [Payment]
    /// The transaction that paid it; zero until then, and on Solana.
    public internal(set) var transaction: Digest = .zero
    /// Where the root stands that it is; `nil` unless it is one of a pool on Solana.
    public internal(set) var root: PoolRoot?

    init(
        id: DispersalID, rail: PayoutRail, asset: Asset, madeAt: Timestamp, payer: PartyID,
        name: Digest, withdrawal: Digest?, payments: [Payment]
    ) {
        self.id = id
        self.rail = rail
        self.asset = asset
        self.madeAt = madeAt
        self.payer = payer
        self.name = name
        self.withdrawal = withdrawal
        self.payments = payments
    }

    /// Whether a payment of it is still to be made.
    public var isOpen: Bool { payments.contains { $0.state.isOpen } }

    /// What it pays in all, in chain units.
    public var units: UInt128 { payments.reduce(0) { $0.saturatingSum($1.units) } }

    /// What is still to be paid, in chain units.
    public var openUnits: UInt128 {
        payments.reduce(0) { $1.state.isOpen ? $0 + $1.units : $0 }
    }
}

/// What the house learned of a payment on Solana.
public enum PaymentNote: Hashable, Sendable {
    /// A final block has it.
    case paid(Signature)
    /// Its receiver cannot be paid now.
    case quarantined
    /// It was called off before it was on its way, and never will be.
    case returned
}

/// One settlement that was planned: by which quotes, and what came of it.
public struct SettlementRecord: Hashable, Sendable {
    /// When.
    public let madeAt: Timestamp
    /// By which quotes.
    public let quotes: SettlementQuotes
    /// The gas that counted.
    public let gas: UInt64
    /// The batch of those who are leaves of a root; none if nobody is.
    public let batch: BatchID
    /// The first of its dispersals, and how many there are.
    public let firstDispersal: DispersalID
    /// See `firstDispersal`.
    public let dispersals: UInt32
    /// How many positions wait for a later one.
    public let carried: UInt32
    /// Dollars that were netted: credited to the same parties' spending, or against their debts.
    public let netted: Amount
    /// How many positions were paid by voucher.
    public let vouchers: UInt32
    /// The lamports that counted; 0 unless a root of a pool on Solana was compared with transfers.
    public let lamports: UInt64
}
