public import Primitives

/// A root that was committed to a pool.
public struct PayoutRoot: Hashable, Sendable {
    /// Its number.
    public let epoch: UInt64
    /// The root of the claims.
    public let root: Digest
    /// The sum of all its leaves.
    public let total: UInt64
    /// The head hash of the house's journal then.
    public let journalHead: Digest
    /// The root of all that the house owed then.
    public let liabilities: Digest

    /// A root of these parts.
    public init(
        epoch: UInt64, root: Digest, total: UInt64, journalHead: Digest, liabilities: Digest
    ) {
        self.epoch = epoch
        self.root = root
        self.total = total
        self.journalHead = journalHead
        self.liabilities = liabilities
    }
}

/// What a pool's account says. Compare `pool` with the pool you mean before you trust the rest.
public struct PayoutPoolState: Hashable, Sendable {
    /// The bytes of a pool's account.
    public static let byteCount = 688
    private static let tag: UInt64 = 0x314C_4F4F_5048_4358

    /// Which pool it is.
    public let pool: PayoutPool
    /// Slots from commit to activation.
    public let delay: UInt64
    /// The number of the last root, disputed or not; 0 for none.
    public let epoch: UInt64
    /// The root that pays; `nil` before the first.
    public let active: PayoutRoot?
    /// The root that waits.
    public let waiting: PayoutRoot?
    /// The slot from which the waiting root may be made active.
    public let activeFrom: UInt64
    /// All that was ever paid.
    public private(set) var claimedTotal: UInt64
    /// Who decides.
    public let roles: PayoutRoles
    /// Who decides once they are taken; `nil` if no change waits.
    public let nextRoles: PayoutRoles?
    /// The slot from which the waiting roles may be taken.
    public let rolesFrom: UInt64

    /// Reads the account of `program`; `nil` if it is none of its pools.
    public init?(_ account: SolanaAccount, program: SolanaAddress) {
        guard account.owner == program, account.data.count == Self.byteCount else { return nil }
        var reader = ByteReader(account.data)
        do throws(CodecError) {
            try self.init(from: &reader, program: program)
            try reader.finish()
        } catch { return nil }
    }

    private init(from reader: inout ByteReader, program: SolanaAddress) throws(CodecError) {
        guard try reader.readUInt64() == Self.tag else { throw .invalidValue("tag") }
        delay = try reader.readUInt64()
        epoch = try reader.readUInt64()
        let activeEpoch = try reader.readUInt64()
        let activeTotal = try reader.readUInt64()
        claimedTotal = try reader.readUInt64()
        let waitingTotal = try reader.readUInt64()
        activeFrom = try reader.readUInt64()
        rolesFrom = try reader.readUInt64()
        _ = try reader.readUInt8()
        let isWaiting = try reader.readBool()
        let doRolesWait = try reader.readBool()
        _ = try reader.readRaw(count: 5)
        var words: [Digest] = []
        for _ in 0..<19 { words.append(try reader.readDigest()) }
        pool = PayoutPool(
            program: program, opener: SolanaAddress(words[10]), mint: SolanaAddress(words[7]),
            cluster: words[5], token: SolanaAddress(words[9]))
        guard pool.address.value == words[6], words[4] == PayoutPool.domain else {
            throw .invalidValue("address")
        }
        active =
            activeEpoch == 0
            ? nil
            : PayoutRoot(
                epoch: activeEpoch, root: words[0], total: activeTotal, journalHead: words[2],
                liabilities: words[17])
        waiting =
            isWaiting
            ? PayoutRoot(
                epoch: epoch, root: words[1], total: waitingTotal, journalHead: words[3],
                liabilities: words[18])
            : nil
        roles = Self.roles(words[11...13])
        nextRoles = doRolesWait ? Self.roles(words[14...16]) : nil
    }

    /// The same without what anybody can change at any time by a claim.
    public var withoutClaims: PayoutPoolState {
        var copy = self
        copy.claimedTotal = 0
        return copy
    }

    private static func roles(_ keys: ArraySlice<Digest>) -> PayoutRoles {
        let keys = keys.map(SolanaAddress.init)
        return PayoutRoles(admin: keys[0], settler: keys[1], guardian: keys[2])
    }
}

/// What a payee's record says.
public struct PayoutRecord: Hashable, Sendable {
    /// The bytes of a record.
    public static let byteCount = 80
    private static let tag: UInt64 = 0x3144_5243_5248_4358

    /// The pool that pays.
    public let pool: SolanaAddress
    /// Who is paid.
    public let payee: SolanaAddress
    /// All that the payee was ever paid.
    public let cumulative: UInt64

    /// Reads the account of `program`; `nil` if it is none of its records.
    public init?(_ account: SolanaAccount, program: SolanaAddress) {
        guard account.owner == program, account.data.count == Self.byteCount else { return nil }
        var reader = ByteReader(account.data)
        do throws(CodecError) {
            guard try reader.readUInt64() == Self.tag else { return nil }
            pool = try SolanaAddress(from: &reader)
            payee = try SolanaAddress(from: &reader)
            cumulative = try reader.readUInt64()
            try reader.finish()
        } catch { return nil }
    }
}
