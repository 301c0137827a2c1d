public import Primitives

/// How an account behaves. The bits are TigerBeetle's, so records can be compared with its.
public struct AccountFlags: OptionSet, Hashable, Sendable, BitwiseCopyable {
    /// Sixteen bits; unknown ones are rejected with `reservedFlag`.
    public let rawValue: UInt16

    /// Flags with these bits.
    @inlinable
    public init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    /// This event and the next one of the batch succeed or fail together.
    @inlinable
    public static var linked: AccountFlags { AccountFlags(rawValue: 1 << 0) }
    /// Pending and posted debits together never exceed posted credits: a balance that cannot be
    /// overdrawn, as a customer's money at the house.
    @inlinable
    public static var debitsMustNotExceedCredits: AccountFlags { AccountFlags(rawValue: 1 << 1) }
    /// Pending and posted credits together never exceed posted debits: the mirror, for assets.
    @inlinable
    public static var creditsMustNotExceedDebits: AccountFlags { AccountFlags(rawValue: 1 << 2) }
    /// The account keeps its balances after each transfer (`LedgerState.accountBalances`).
    @inlinable
    public static var history: AccountFlags { AccountFlags(rawValue: 1 << 3) }
    /// Only voiding a pending transfer is allowed. Set at creation or by a closing transfer.
    @inlinable
    public static var closed: AccountFlags { AccountFlags(rawValue: 1 << 5) }

    /// Every bit with a meaning here.
    static let known: AccountFlags = [
        .linked, .debitsMustNotExceedCredits, .creditsMustNotExceedDebits, .history, .closed,
    ]
}

/// An account: four running totals of one asset. Nothing but transfers changes them.
///
/// The canonical encoding is 128 bytes, little endian, in the order of the fields: the layout of
/// TigerBeetle's account record.
public struct Account: Hashable, Sendable, BitwiseCopyable {
    /// Who it is; unique among accounts.
    public var id: AccountID
    /// Debits reserved by open pending transfers.
    public var debitsPending: Amount = .zero
    /// Debits that happened.
    public var debitsPosted: Amount = .zero
    /// Credits announced by open pending transfers; they cannot be spent yet.
    public var creditsPending: Amount = .zero
    /// Credits that happened.
    public var creditsPosted: Amount = .zero
    /// The owner's note, not interpreted.
    public var userData128: UInt128
    /// The owner's note, not interpreted.
    public var userData64: UInt64
    /// The owner's note, not interpreted.
    public var userData32: UInt32
    /// Zero; anything else is refused with `reservedField`.
    public var reserved: UInt32 = 0
    /// The asset: only accounts of one ledger transact with each other. Not zero.
    public var ledger: UInt32
    /// The kind of account in the chart of accounts. Not zero.
    public var code: UInt16
    /// How it behaves.
    public var flags: AccountFlags
    /// When it was created; zero in a request.
    public var timestamp: Timestamp = .zero

    /// A request for an account with empty balances.
    @inlinable
    public init(
        id: AccountID, ledger: UInt32, code: UInt16, flags: AccountFlags = [],
        userData128: UInt128 = 0, userData64: UInt64 = 0, userData32: UInt32 = 0
    ) {
        self.id = id
        self.userData128 = userData128
        self.userData64 = userData64
        self.userData32 = userData32
        self.ledger = ledger
        self.code = code
        self.flags = flags
    }

    /// What the account can still spend as a credit-balance account: posted credits less posted and
    /// pending debits, or zero.
    public var creditAvailable: Amount {
        Amount(creditsPosted.units.saturatingSubtracting(debitsPosted.units + debitsPending.units))
    }

    /// The mirror for a debit-balance account: posted debits less posted and pending credits, or
    /// zero.
    public var debitAvailable: Amount {
        Amount(debitsPosted.units.saturatingSubtracting(creditsPosted.units + creditsPending.units))
    }
}

extension UInt128 {
    /// The difference, or zero where it would be negative.
    @inline(__always)
    func saturatingSubtracting(_ other: UInt128) -> UInt128 {
        self > other ? self - other : 0
    }
}

extension Account: WireRecord {}
