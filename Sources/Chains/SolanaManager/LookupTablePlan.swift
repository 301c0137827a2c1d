import Primitives

/// A lookup table of ours as it is in a final block.
public struct LookupTableAccount: Hashable, Sendable {
    /// Where it is.
    public let address: SolanaAddress
    /// The slot in which it was taken out of use; `nil` while it is in use.
    public let deactivatedAt: UInt64?
    /// The slot in which addresses were last added: they can be used after it.
    public let extendedAt: UInt64
    /// What it holds.
    public let entries: [SolanaAddress]

    /// A table of these parts.
    public init(
        _ address: SolanaAddress, deactivatedAt: UInt64?, extendedAt: UInt64,
        entries: [SolanaAddress]
    ) {
        self.address = address
        self.deactivatedAt = deactivatedAt
        self.extendedAt = extendedAt
        self.entries = entries
    }

    /// The bytes before the addresses.
    private static let headBytes = 56

    /// What an account says; `nil` if it is no table of `authority`.
    ///
    /// Source of the layout: `AddressLookupTable` and `LookupTableMeta` of
    /// solana-program/address-lookup-table: a kind of four bytes, the slot of deactivation or the
    /// greatest number, the slot of the last extension, its first place, an optional authority.
    init?(_ address: SolanaAddress, _ account: SolanaAccount?, authority: SolanaAddress) {
        guard let account, account.owner == .lookupTables else { return nil }
        let data = account.data
        guard data.count >= Self.headBytes, (data.count - Self.headBytes) % 32 == 0,
            data[0] == 1, data[21] == 1, Array(data[22..<54]) == authority.bytes
        else { return nil }
        func number(_ start: Int) -> UInt64 {
            data[start..<start + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
        self.address = address
        deactivatedAt = number(4) == .max ? nil : number(4)
        extendedAt = number(12)
        entries = stride(from: Self.headBytes, to: data.count, by: 32).compactMap {
            Digest(Array(data[$0..<$0 + 32])).map { SolanaAddress($0) }
        }
    }
}

/// What lookup tables can be used, and what is to be done with them next: one thing at a time.
public struct LookupTablePlan: Hashable, Sendable {
    /// A thing to be done.
    public enum Step: Hashable, Sendable {
        /// Make another table.
        case make
        /// Add addresses to one.
        case extend(SolanaAddress, by: [SolanaAddress])
        /// Take one out of use that holds nothing wanted any more.
        case deactivate(SolanaAddress)
        /// End one that is out of use for long enough, for its rent.
        case close(SolanaAddress)
    }

    /// The tables that transactions may name.
    public let usable: [SolanaLookupTable]
    /// What comes next, if anything.
    public let step: Step?

    /// Addresses a table holds at most.
    static let capacity = 256
    /// Addresses that one transaction adds.
    static let perTransaction = 20
    /// How many more addresses are worth a transaction once there is a table.
    static let worthExtending = 4
    /// Slots after which a table that is out of use is no longer named by anybody.
    static let cooldown: UInt64 = 513

    /// - Parameters:
    ///   - common: what every transaction names, first in each table.
    ///   - wanted: the accounts that are paid from time to time.
    ///   - due: those of them that are to be paid now.
    ///   - slot: the newest final slot.
    ///   - threshold: how many due ones must be in no table before one is made.
    public init(
        _ tables: [LookupTableAccount], common: [SolanaAddress], wanted: [SolanaAddress],
        due: [SolanaAddress], slot: UInt64, threshold: Int
    ) {
        let inUse = tables.filter { $0.deactivatedAt == nil }
        usable = inUse.filter { !$0.entries.isEmpty && $0.extendedAt < slot }
            .map { SolanaLookupTable($0.address, $0.entries) }
        let held = Set(inUse.flatMap(\.entries))
        var missing: [SolanaAddress] = []
        var seen = held
        for account in due where seen.insert(account).inserted { missing.append(account) }
        step =
            Self.ending(tables, wanted: Set(wanted).union(due), slot: slot)
            ?? Self.growing(inUse, common: common, missing, threshold)
    }

    private static func ending(
        _ tables: [LookupTableAccount], wanted: Set<SolanaAddress>, slot: UInt64
    ) -> Step? {
        for table in tables {
            if let since = table.deactivatedAt {
                if slot > since, slot - since > cooldown { return .close(table.address) }
            } else if table.entries.isEmpty
                ? wanted.isEmpty : !table.entries.contains(where: wanted.contains)
            {
                return .deactivate(table.address)
            }
        }
        return nil
    }

    private static func growing(
        _ tables: [LookupTableAccount], common: [SolanaAddress], _ missing: [SolanaAddress],
        _ threshold: Int
    ) -> Step? {
        let most = max(threshold, 1)
        guard let table = tables.first(where: { $0.entries.count < capacity - common.count })
        else { return missing.count >= most ? .make : nil }
        guard missing.count >= min(most, worthExtending) else { return nil }
        let first = table.entries.isEmpty ? common : []
        let room = min(capacity - table.entries.count, perTransaction) - first.count
        return .extend(table.address, by: first + missing.prefix(room))
    }
}
