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

extension SplitMix64 {
    /// True once in `times`.
    public mutating func once(in times: Int) -> Bool {
        Int.random(in: 0..<times, using: &self) == 0
    }

    /// One of some values.
    public mutating func pick<Element>(_ choices: [Element]) -> Element {
        choices[Int.random(in: choices.indices, using: &self)]
    }
}
