/// What an open chain of linked events has changed, so that it can be taken back.
struct UndoLog: Sendable {
    /// An account as it was before a change.
    struct Change: Sendable {
        let index: Int
        let before: Account
    }

    /// Whether a chain is open; only then is anything recorded.
    private(set) var isOpen = false
    /// How many accounts there were when the chain opened.
    private(set) var accountCount = 0
    /// How many transfers there were when the chain opened.
    private(set) var transferCount = 0
    /// How many rows of balance history there were when the chain opened.
    private(set) var rowCount = 0
    /// Changed accounts, oldest change first.
    var accounts: [Change] = []
    /// Pending transfers that were resolved.
    var resolved: [Int] = []

    mutating func open(accountCount: Int, transferCount: Int, rowCount: Int) {
        precondition(!isOpen, "chains do not nest")
        isOpen = true
        self.accountCount = accountCount
        self.transferCount = transferCount
        self.rowCount = rowCount
    }

    mutating func close() {
        isOpen = false
        accounts.removeAll(keepingCapacity: true)
        resolved.removeAll(keepingCapacity: true)
    }
}
