public import Ledger
public import Primitives

/// What the tables and the random histories drive: the ledger and its naive twin.
public protocol LedgerUnderTest {
    init()
    mutating func createAccounts(_ requests: [Account], at: Timestamp) -> [CreateAccountResult]
    mutating func createTransfers(_ requests: [Transfer], at: Timestamp) -> [CreateTransferResult]
    mutating func expire(at: Timestamp) -> [TransferID]
    func account(_ id: AccountID) -> Account?
    func transfer(_ id: TransferID) -> Transfer?
    func pendingStatus(_ id: TransferID) -> PendingStatus?
    func isBurnt(_ id: TransferID) -> Bool
    func accountTransfers(_ filter: AccountFilter) throws(QueryRefusal) -> QueryAnswer<Transfer>
    func accountBalances(
        _ filter: AccountFilter
    ) throws(QueryRefusal) -> QueryAnswer<AccountBalance>
    func queryAccounts(_ filter: QueryFilter) throws(QueryRefusal) -> QueryAnswer<Account>
    func queryTransfers(_ filter: QueryFilter) throws(QueryRefusal) -> QueryAnswer<Transfer>
    func checkInvariants() -> [String]
}

extension LedgerState: LedgerUnderTest {
    public init() { self.init(tableSeed: 1) }
}

extension NaiveLedger: LedgerUnderTest {
    public func checkInvariants() -> [String] { [] }
}

/// A small generator with a printed seed (SplitMix64).
public struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    /// The numbers of a seed.
    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// True once in `times`.
    public mutating func once(in times: Int) -> Bool {
        Int.random(in: 0..<times, using: &self) == 0
    }

    /// One of some values.
    public mutating func pick<Element>(_ choices: [Element]) -> Element {
        choices[Int.random(in: choices.indices, using: &self)]
    }
}
