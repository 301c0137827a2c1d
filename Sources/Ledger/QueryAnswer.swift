public import Primitives

/// What a query found.
public struct QueryAnswer<Record: Hashable & Sendable>: Hashable, Sendable {
    /// The records that match, in the order asked for.
    public var records: [Record]
    /// Where to go on: the same filter with this as its `timestampMin`, or as its `timestampMax` if
    /// it is reversed, finds the rest. `nil` if nothing is left to look at. An answer can be short
    /// or even empty and still have more to look at, because a query looks at
    /// `LedgerState.scanLimit` records at most.
    public var next: Timestamp?

    /// An answer.
    public init(records: [Record] = [], next: Timestamp? = nil) {
        self.records = records
        self.next = next
    }
}
