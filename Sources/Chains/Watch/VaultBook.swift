public import Primitives

/// What a token account's history adds up to, to be compared with what the chain holds. Store it
/// together with the cursor up to which it was read.
public struct VaultBook: Hashable, Sendable {
    /// Somebody's transfer to the account that does not say whom it is for.
    public struct Unnamed: Hashable, Sendable {
        /// Where it stands.
        public let place: VaultPlace
        /// How much came, in the token's units.
        public let amount: UInt64
        /// Whose it was.
        public let owner: SolanaAddress
    }

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
    /// How many roots were committed.
    public private(set) var roots: UInt64 = 0
    /// How many deposits do not say whom they are for: nobody can be credited.
    public private(set) var unnamedCount: UInt64 = 0
    /// The greatest thousand of them, in the order of the chain: whoever sends many small ones
    /// fills nothing up.
    public private(set) var unnamed: [Unnamed] = []

    private static let unnamedLimit = 1_000

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
            case .deposited(let amount, let owner, let memo, let references):
                deposited += UInt128(amount)
                if memo == nil, references.isEmpty {
                    add(Unnamed(place: record.place, amount: amount, owner: owner))
                }
            case .claimed(_, let amount, _): claimed += UInt128(amount)
            case .withdrawn(let amount, _): withdrawn += UInt128(amount)
            case .committed: roots += 1
            case .changed(let before, let after):
                if after > before { made += UInt128(after - before) }
                if before > after { lost += UInt128(before - after) }
            }
        }
    }

    private mutating func add(_ deposit: Unnamed) {
        unnamedCount += 1
        unnamed.append(deposit)
        guard unnamed.count > Self.unnamedLimit,
            let least = unnamed.indices.min(by: { unnamed[$0].amount < unnamed[$1].amount })
        else { return }
        unnamed.remove(at: least)
    }
}

extension VaultBook.Unnamed: CanonicalCodable {
    /// Slot, transaction, instruction, amount, owner.
    public func encode(into writer: inout ByteWriter) {
        writer.write(place.slot)
        writer.write(place.transaction)
        writer.write(place.instruction)
        writer.write(amount)
        writer.write(owner)
    }

    /// Reads a deposit.
    public init(from reader: inout ByteReader) throws(CodecError) {
        place = VaultPlace(
            slot: try reader.readUInt64(), transaction: try reader.read(),
            instruction: try reader.readUInt32())
        amount = try reader.readUInt64()
        owner = try reader.read()
    }
}

extension VaultBook: CanonicalCodable {
    private static let version: UInt8 = 1

    /// The version, the five sums, the two counts, the deposits of nobody.
    public func encode(into writer: inout ByteWriter) {
        writer.write(Self.version)
        for sum in [deposited, claimed, withdrawn, made, lost] { writer.write(sum) }
        writer.write(roots)
        writer.write(unnamedCount)
        writer.write(unnamed)
    }

    /// Reads a book.
    public init(from reader: inout ByteReader) throws(CodecError) {
        guard try reader.readUInt8() == Self.version else { throw .invalidValue("version") }
        deposited = try reader.readUInt128()
        claimed = try reader.readUInt128()
        withdrawn = try reader.readUInt128()
        made = try reader.readUInt128()
        lost = try reader.readUInt128()
        roots = try reader.readUInt64()
        unnamedCount = try reader.readUInt64()
        unnamed = try reader.readArray(limit: Self.unnamedLimit)
    }
}
