/// What a token account's history adds up to, to be compared with what the chain holds.
public struct VaultBook: Hashable, Sendable {
    /// All that came in.
    public private(set) var deposited: UInt128 = 0
    /// All that the payout program paid.
    public private(set) var claimed: UInt128 = 0
    /// All that the owner sent away.
    public private(set) var withdrawn: UInt128 = 0
    /// What came and went otherwise.
    public private(set) var made: UInt128 = 0
    /// What went otherwise.
    public private(set) var lost: UInt128 = 0
    /// Deposits that do not say whom they are for: nobody can be credited.
    public private(set) var unnamed: [VaultRecord] = []
    /// The roots that were committed.
    public private(set) var roots: [PayoutRoot] = []

    /// An account that holds nothing yet.
    public init() {}

    /// What the account has to hold after all of it; `nil` if more went than came.
    public var balance: UInt64? {
        let (came, went) = (deposited + made, claimed + withdrawn + lost)
        return came >= went ? UInt64(exactly: came - went) : nil
    }

    /// Takes the events of a page.
    public mutating func take(_ records: [VaultRecord]) {
        for record in records {
            switch record.event {
            case .deposited(let amount, _, let memo, let references):
                deposited += UInt128(amount)
                if memo == nil, references.isEmpty { unnamed.append(record) }
            case .claimed(_, let amount, _): claimed += UInt128(amount)
            case .withdrawn(let amount, _): withdrawn += UInt128(amount)
            case .committed(let root): roots.append(root)
            case .changed(let before, let after):
                if after > before { made += UInt128(after - before) }
                if before > after { lost += UInt128(before - after) }
            }
        }
    }
}
