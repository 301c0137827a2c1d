public import Primitives

/// What a transfer does. The bits are TigerBeetle's, so records can be compared with its.
public struct TransferFlags: OptionSet, Hashable, Sendable, BitwiseCopyable {
    /// Sixteen bits; unknown ones are rejected with `reservedFlag`.
    public let rawValue: UInt16

    /// Flags with these bits.
    @inlinable
    public init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    /// This event and the next one of the batch succeed or fail together.
    @inlinable
    public static var linked: TransferFlags { TransferFlags(rawValue: 1 << 0) }
    /// Reserves the amount until a post, a void or the timeout.
    @inlinable
    public static var pending: TransferFlags { TransferFlags(rawValue: 1 << 1) }
    /// Takes the amount of the pending transfer `pendingID`, in whole or in part, and releases the
    /// rest.
    @inlinable
    public static var postPending: TransferFlags { TransferFlags(rawValue: 1 << 2) }
    /// Releases the pending transfer `pendingID`.
    @inlinable
    public static var voidPending: TransferFlags { TransferFlags(rawValue: 1 << 3) }
    /// Moves at most what the debit account has available.
    @inlinable
    public static var balancingDebit: TransferFlags { TransferFlags(rawValue: 1 << 4) }
    /// Moves at most what the credit account has available on its debit side.
    @inlinable
    public static var balancingCredit: TransferFlags { TransferFlags(rawValue: 1 << 5) }
    /// Closes the debit account; only with `pending`. A void or the timeout reopens it.
    @inlinable
    public static var closingDebit: TransferFlags { TransferFlags(rawValue: 1 << 6) }
    /// Closes the credit account; only with `pending`. A void or the timeout reopens it.
    @inlinable
    public static var closingCredit: TransferFlags { TransferFlags(rawValue: 1 << 7) }

    /// Every bit with a meaning here.
    static let known: TransferFlags = [
        .linked, .pending, .postPending, .voidPending, .balancingDebit, .balancingCredit,
        .closingDebit, .closingCredit,
    ]
    /// Post or void.
    static let resolving: TransferFlags = [.postPending, .voidPending]
    /// What a post or void cannot be at the same time.
    static let unresolving: TransferFlags = [
        .pending, .balancingDebit, .balancingCredit, .closingDebit, .closingCredit,
    ]
}

/// A transfer: `amount` moves as a debit of one account and a credit of another. Never changed or
/// deleted once created.
///
/// The canonical encoding is 128 bytes, little endian, in the order of the fields: the layout of
/// TigerBeetle's transfer record.
public struct Transfer: Hashable, Sendable, BitwiseCopyable {
    /// The idempotency key; unique among transfers for ever.
    public var id: TransferID
    /// The account that is debited.
    public var debitAccount: AccountID
    /// The account that is credited.
    public var creditAccount: AccountID
    /// How much, in ledger units. Zero is legal. In a post the largest number means "all"; in a
    /// void zero means "all"; with a balancing flag it is the upper limit. Stored as what moved.
    public var amount: Amount
    /// The pending transfer that a post or void resolves; otherwise none.
    public var pendingID: TransferID
    /// The owner's note, not interpreted; 0 in a post or void inherits the pending transfer's.
    public var userData128: UInt128
    /// The owner's note, not interpreted; 0 in a post or void inherits the pending transfer's.
    public var userData64: UInt64
    /// The owner's note, not interpreted; 0 in a post or void inherits the pending transfer's.
    public var userData32: UInt32
    /// Seconds until a pending transfer expires; 0 means never.
    public var timeout: UInt32
    /// The asset, equal to both accounts'.
    public var ledger: UInt32
    /// Why the money moves. Not zero, except in a post or void, which inherit it.
    public var code: UInt16
    /// What it does.
    public var flags: TransferFlags
    /// When it was created; zero in a request.
    public var timestamp: Timestamp = .zero

    /// A request with all its fields.
    @inlinable
    public init(
        id: TransferID, debitAccount: AccountID, creditAccount: AccountID, amount: Amount,
        ledger: UInt32, code: UInt16, flags: TransferFlags = [], pendingID: TransferID = .none,
        timeout: UInt32 = 0,
        userData128: UInt128 = 0, userData64: UInt64 = 0, userData32: UInt32 = 0
    ) {
        self.id = id
        self.debitAccount = debitAccount
        self.creditAccount = creditAccount
        self.amount = amount
        self.pendingID = pendingID
        self.userData128 = userData128
        self.userData64 = userData64
        self.userData32 = userData32
        self.timeout = timeout
        self.ledger = ledger
        self.code = code
        self.flags = flags
    }

    /// A request to take a pending transfer: all of it, or `amount` and release the rest.
    @inlinable
    public static func post(
        _ pending: TransferID, id: TransferID, amount: Amount? = nil, flags: TransferFlags = []
    ) -> Transfer {
        Transfer(
            id: id, debitAccount: .none, creditAccount: .none, amount: amount ?? Amount(.max),
            ledger: 0, code: 0, flags: flags.union(.postPending), pendingID: pending)
    }

    /// A request to release a pending transfer.
    @inlinable
    public static func void(
        _ pending: TransferID, id: TransferID, flags: TransferFlags = []
    ) -> Transfer {
        Transfer(
            id: id, debitAccount: .none, creditAccount: .none, amount: .zero, ledger: 0, code: 0,
            flags: flags.union(.voidPending), pendingID: pending)
    }

    /// When a stored pending transfer expires; `nil` if it never does.
    public var expiresAt: Timestamp? {
        timeout == 0 ? nil : timestamp + .seconds(UInt64(timeout))
    }
}

/// What became of a transfer's reservation.
public enum PendingStatus: UInt8, CaseIterable, Hashable, Sendable, BitwiseCopyable {
    /// The transfer is not a pending one.
    case none = 0
    /// The amount is reserved.
    case pending = 1
    /// Posted, in whole or in part.
    case posted = 2
    /// Voided.
    case voided = 3
    /// Released by its timeout.
    case expired = 4
}

extension Transfer: WireRecord {}
