public import Primitives

/// What became of a requested transfer. The numbers are TigerBeetle's and never change; the cases
/// stand in order of precedence: of several that apply, the first is answered.
public enum CreateTransferStatus: UInt32, CaseIterable, Hashable, Sendable, Error {
    /// The transfer happened now.
    case created = 0xFFFF_FFFF
    /// Another event of its chain failed, so nothing of the chain happened.
    case linkedEventFailed = 1
    /// The last event of the batch says that another one follows.
    case linkedEventChainOpen = 2
    /// Kept for importing, which is not offered.
    case importedEventExpected = 56
    /// Kept for importing, which is not offered.
    case importedEventNotExpected = 57
    /// The sequencer gives timestamps, not the requester.
    case timestampMustBeZero = 3
    /// Kept for importing, which is not offered.
    case importedEventTimestampOutOfRange = 58
    /// Kept for importing, which is not offered.
    case importedEventTimestampMustNotAdvance = 59
    /// A flag without a meaning is set.
    case reservedFlag = 4
    /// The id is 0.
    case idMustNotBeZero = 5
    /// The id is the largest number.
    case idMustNotBeIntMax = 6
    /// The id is taken by a transfer with other flags.
    case existsWithDifferentFlags = 36
    /// The id is taken by a transfer that resolved another pending transfer.
    case existsWithDifferentPendingID = 40
    /// The id is taken by a transfer with another timeout.
    case existsWithDifferentTimeout = 44
    /// The id is taken by a transfer with another debit account.
    case existsWithDifferentDebitAccountID = 37
    /// The id is taken by a transfer with another credit account.
    case existsWithDifferentCreditAccountID = 38
    /// The id is taken by a transfer with another amount.
    case existsWithDifferentAmount = 39
    /// The id is taken by a transfer with another `userData128`.
    case existsWithDifferentUserData128 = 41
    /// The id is taken by a transfer with another `userData64`.
    case existsWithDifferentUserData64 = 42
    /// The id is taken by a transfer with another `userData32`.
    case existsWithDifferentUserData32 = 43
    /// The id is taken by a transfer on another ledger.
    case existsWithDifferentLedger = 67
    /// The id is taken by a transfer with another code.
    case existsWithDifferentCode = 45
    /// The same request was carried out before; its timestamp is answered and nothing moves.
    case exists = 46
    /// A request with this id failed for a transient reason, which used the id up.
    case idAlreadyFailed = 68
    /// Post and void exclude each other and every flag but `linked`.
    case flagsAreMutuallyExclusive = 7
    /// The debit account's id is 0.
    case debitAccountIDMustNotBeZero = 8
    /// The debit account's id is the largest number.
    case debitAccountIDMustNotBeIntMax = 9
    /// The credit account's id is 0.
    case creditAccountIDMustNotBeZero = 10
    /// The credit account's id is the largest number.
    case creditAccountIDMustNotBeIntMax = 11
    /// Money cannot move from an account to itself.
    case accountsMustBeDifferent = 12
    /// Only a post or void names a pending transfer.
    case pendingIDMustBeZero = 13
    /// A post or void must name a pending transfer.
    case pendingIDMustNotBeZero = 14
    /// The pending id is the largest number.
    case pendingIDMustNotBeIntMax = 15
    /// A post or void cannot resolve itself.
    case pendingIDMustBeDifferent = 16
    /// Only a pending transfer has a timeout.
    case timeoutReservedForPendingTransfer = 17
    /// Only a pending transfer can close an account.
    case closingTransferMustBePending = 64
    /// The ledger is 0.
    case ledgerMustNotBeZero = 19
    /// The code is 0.
    case codeMustNotBeZero = 20
    /// There is no such debit account. Transient: uses the id up.
    case debitAccountNotFound = 21
    /// There is no such credit account. Transient: uses the id up.
    case creditAccountNotFound = 22
    /// The accounts hold different assets.
    case accountsMustHaveTheSameLedger = 23
    /// The transfer names another asset than its accounts.
    case transferMustHaveTheSameLedgerAsAccounts = 24
    /// There is no such pending transfer. Transient: uses the id up.
    case pendingTransferNotFound = 25
    /// The transfer to resolve was never pending.
    case pendingTransferNotPending = 26
    /// The pending transfer has another debit account.
    case pendingTransferHasDifferentDebitAccountID = 27
    /// The pending transfer has another credit account.
    case pendingTransferHasDifferentCreditAccountID = 28
    /// The pending transfer is on another ledger.
    case pendingTransferHasDifferentLedger = 29
    /// The pending transfer has another code.
    case pendingTransferHasDifferentCode = 30
    /// More is to be posted or voided than was reserved.
    case exceedsPendingTransferAmount = 31
    /// A void is of the whole amount or none.
    case pendingTransferHasDifferentAmount = 32
    /// The pending transfer was posted before.
    case pendingTransferAlreadyPosted = 33
    /// The pending transfer was voided before.
    case pendingTransferAlreadyVoided = 34
    /// The pending transfer's time is over, whether or not it was released yet.
    case pendingTransferExpired = 35
    /// Kept for importing, which is not offered.
    case importedEventTimestampMustNotRegress = 60
    /// Kept for importing, which is not offered.
    case importedEventTimestampMustPostdateDebitAccount = 61
    /// Kept for importing, which is not offered.
    case importedEventTimestampMustPostdateCreditAccount = 62
    /// Kept for importing, which is not offered.
    case importedEventTimeoutMustBeZero = 63
    /// The debit account is closed. Transient: uses the id up.
    case debitAccountAlreadyClosed = 65
    /// The credit account is closed. Transient: uses the id up.
    case creditAccountAlreadyClosed = 66
    /// The debit account's pending debits would not fit 128 bits.
    case overflowsDebitsPending = 47
    /// The credit account's pending credits would not fit 128 bits.
    case overflowsCreditsPending = 48
    /// The debit account's posted debits would not fit 128 bits.
    case overflowsDebitsPosted = 49
    /// The credit account's posted credits would not fit 128 bits.
    case overflowsCreditsPosted = 50
    /// The debit account's pending and posted debits together would not fit 128 bits.
    case overflowsDebits = 51
    /// The credit account's pending and posted credits together would not fit 128 bits.
    case overflowsCredits = 52
    /// The transfer would expire after `LedgerState.endOfTime`.
    case overflowsTimeout = 53
    /// The debit account's debits, pending ones included, would exceed its posted credits.
    /// Transient: uses the id up.
    case exceedsCredits = 54
    /// The credit account's credits, pending ones included, would exceed its posted debits.
    /// Transient: uses the id up.
    case exceedsDebits = 55
    /// Retired: an amount of zero is legal.
    case amountMustNotBeZero = 18

    /// Whether the number is only kept, and never answered by this ledger.
    public var isReserved: Bool {
        switch self {
        case .importedEventExpected, .importedEventNotExpected,
            .importedEventTimestampOutOfRange, .importedEventTimestampMustNotAdvance,
            .importedEventTimestampMustNotRegress,
            .importedEventTimestampMustPostdateDebitAccount,
            .importedEventTimestampMustPostdateCreditAccount,
            .importedEventTimeoutMustBeZero, .amountMustNotBeZero:
            true
        default: false
        }
    }

    /// Whether the outcome hangs on what else is in the ledger at the moment, so that the same
    /// request could succeed later. It is never allowed to: the id is used up, and a retry needs a
    /// new one, so that a requester who saw the failure can rely on it.
    @inlinable
    public var isTransient: Bool {
        switch self {
        case .debitAccountNotFound, .creditAccountNotFound, .pendingTransferNotFound,
            .exceedsCredits, .exceedsDebits, .debitAccountAlreadyClosed,
            .creditAccountAlreadyClosed:
            true
        default: false
        }
    }
}

/// The answer to one requested transfer.
public struct CreateTransferResult: Hashable, Sendable {
    /// What became of it.
    public var status: CreateTransferStatus
    /// When it was created, if it was or existed; otherwise when it was refused.
    public var timestamp: Timestamp

    /// An answer.
    public init(status: CreateTransferStatus, timestamp: Timestamp) {
        self.status = status
        self.timestamp = timestamp
    }
}
