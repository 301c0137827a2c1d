public import Primitives

/// A sum over many accounts, which can be wider than 128 bits.
public struct LedgerTotal: Hashable, Comparable, Sendable {
    /// How often the sum passed 2^128.
    public private(set) var carries: UInt64 = 0
    /// The rest.
    public private(set) var units: UInt128 = 0

    /// Nothing.
    public init() {}

    /// Adds one amount.
    public static func += (left: inout LedgerTotal, right: Amount) {
        let (sum, overflow) = left.units.addingReportingOverflow(right.units)
        left.units = sum
        if overflow { left.carries += 1 }
    }

    /// Orders by number.
    public static func < (left: LedgerTotal, right: LedgerTotal) -> Bool {
        (left.carries, left.units) < (right.carries, right.units)
    }

    /// The sum as an amount; `nil` if it is wider than 128 bits.
    public var amount: Amount? { carries == 0 ? Amount(units) : nil }
}

/// The totals of one ledger (one asset) over all its accounts.
public struct TrialBalance: Hashable, Sendable {
    /// Which ledger.
    public let ledger: UInt32
    /// Debits reserved by open pending transfers.
    public private(set) var debitsPending = LedgerTotal()
    /// Debits that happened.
    public private(set) var debitsPosted = LedgerTotal()
    /// Credits announced by open pending transfers.
    public private(set) var creditsPending = LedgerTotal()
    /// Credits that happened.
    public private(set) var creditsPosted = LedgerTotal()

    init(ledger: UInt32) {
        self.ledger = ledger
    }

    mutating func add(_ account: Account) {
        debitsPending += account.debitsPending
        debitsPosted += account.debitsPosted
        creditsPending += account.creditsPending
        creditsPosted += account.creditsPosted
    }

    /// Whether debits equal credits, posted and pending each. Anything else is a defect.
    public var isBalanced: Bool {
        debitsPosted == creditsPosted && debitsPending == creditsPending
    }
}

extension LedgerState {
    /// The totals of every ledger that has an account, by ledger number. O(accounts).
    public func trialBalance() -> [TrialBalance] {
        var lines: [TrialBalance] = []
        for account in accounts {
            var low = 0
            var high = lines.count
            while low < high {
                let middle = (low + high) / 2
                if lines[middle].ledger < account.ledger { low = middle + 1 } else { high = middle }
            }
            if low == lines.count || lines[low].ledger != account.ledger {
                lines.insert(TrialBalance(ledger: account.ledger), at: low)
            }
            lines[low].add(account)
        }
        return lines
    }
}
