import Primitives

/// Why a query was not carried out. The numbers never change; the cases stand in order of
/// precedence. (TigerBeetle answers nothing in these cases.)
public enum QueryRefusal: UInt32, CaseIterable, Hashable, Sendable, Error {
    /// A flag without a meaning is set.
    case reservedFlag = 1
    /// The account's id is 0.
    case accountIDMustNotBeZero = 2
    /// The account's id is the largest number.
    case accountIDMustNotBeIntMax = 3
    /// Neither debits nor credits are wanted.
    case sideMustBeChosen = 4
    /// A timestamp is after `LedgerState.endOfTime`.
    case timestampOutOfRange = 5
    /// The earliest timestamp is after the latest.
    case timestampsMustBeOrdered = 6
    /// The limit is 0.
    case limitMustNotBeZero = 7

    static func check(
        _ earliest: Timestamp, _ latest: Timestamp, _ limit: UInt32
    ) throws(QueryRefusal) {
        if max(earliest, latest) > LedgerState.endOfTime { throw .timestampOutOfRange }
        if latest != .zero, earliest > latest { throw .timestampsMustBeOrdered }
        if limit == 0 { throw .limitMustNotBeZero }
    }
}
