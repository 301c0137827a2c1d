public import Primitives

/// What became of a request for an account. The numbers are TigerBeetle's and never change; the
/// cases stand in order of precedence: of several that apply, the first is answered.
public enum CreateAccountStatus: UInt32, CaseIterable, Hashable, Sendable, Error {
    /// The account exists now.
    case created = 0xFFFF_FFFF
    /// Another event of its chain failed, so nothing of the chain happened.
    case linkedEventFailed = 1
    /// The last event of the batch says that another one follows.
    case linkedEventChainOpen = 2
    /// Kept for importing, which is not offered.
    case importedEventExpected = 22
    /// Kept for importing, which is not offered.
    case importedEventNotExpected = 23
    /// The sequencer gives timestamps, not the requester.
    case timestampMustBeZero = 3
    /// Kept for importing, which is not offered.
    case importedEventTimestampOutOfRange = 24
    /// Kept for importing, which is not offered.
    case importedEventTimestampMustNotAdvance = 25
    /// The bytes kept for later are not zero.
    case reservedField = 4
    /// A flag without a meaning is set.
    case reservedFlag = 5
    /// The id is 0.
    case idMustNotBeZero = 6
    /// The id is the largest number.
    case idMustNotBeIntMax = 7
    /// The id is taken by an account with other flags (closing an account changes them).
    case existsWithDifferentFlags = 15
    /// The id is taken by an account with another `userData128`.
    case existsWithDifferentUserData128 = 16
    /// The id is taken by an account with another `userData64`.
    case existsWithDifferentUserData64 = 17
    /// The id is taken by an account with another `userData32`.
    case existsWithDifferentUserData32 = 18
    /// The id is taken by an account on another ledger.
    case existsWithDifferentLedger = 19
    /// The id is taken by an account with another code.
    case existsWithDifferentCode = 20
    /// The same request was carried out before; its timestamp is answered.
    case exists = 21
    /// Both limits at once would allow no movement.
    case flagsAreMutuallyExclusive = 8
    /// An account starts empty.
    case debitsPendingMustBeZero = 9
    /// An account starts empty.
    case debitsPostedMustBeZero = 10
    /// An account starts empty.
    case creditsPendingMustBeZero = 11
    /// An account starts empty.
    case creditsPostedMustBeZero = 12
    /// The ledger is 0.
    case ledgerMustNotBeZero = 13
    /// The code is 0.
    case codeMustNotBeZero = 14
    /// Kept for importing, which is not offered.
    case importedEventTimestampMustNotRegress = 26

    /// Whether the number is only kept, and never answered by this ledger.
    public var isReserved: Bool {
        switch self {
        case .importedEventExpected, .importedEventNotExpected,
            .importedEventTimestampOutOfRange, .importedEventTimestampMustNotAdvance,
            .importedEventTimestampMustNotRegress:
            true
        default: false
        }
    }

    /// Whether the same request could succeed later. Never so for accounts.
    public var isTransient: Bool { false }
}

/// The answer to one requested account.
public struct CreateAccountResult: Hashable, Sendable {
    /// What became of it.
    public var status: CreateAccountStatus
    /// When it was created, if it was or existed; otherwise when it was refused.
    public var timestamp: Timestamp

    /// An answer.
    public init(status: CreateAccountStatus, timestamp: Timestamp) {
        self.status = status
        self.timestamp = timestamp
    }
}
