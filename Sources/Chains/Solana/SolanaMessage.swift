public import Primitives

/// Why a Solana transaction cannot be made.
public enum SolanaError: Error, Hashable, Sendable {
    /// It has more bytes than a packet takes; carries how many.
    case tooLarge(Int)
    /// It names more accounts than a transaction may lock; carries how many.
    case tooManyAccounts(Int)
    /// A key that must sign is not among those given.
    case missingSigner(SolanaAddress)
    /// A number does not fit where it belongs: an instruction with more than 255 accounts, a table
    /// with more than 256.
    case outOfRange
    /// Computing would cost more than is allowed; carries lamports.
    case feeTooHigh(UInt64)
}

extension SolanaError: CustomStringConvertible {
    /// What is wrong and what is allowed.
    public var description: String {
        switch self {
        case .tooLarge(let bytes):
            "\(bytes) bytes, and a transaction has at most \(SolanaMessage.packetBytes)"
        case .tooManyAccounts(let count):
            "\(count) accounts, and a transaction locks at most \(SolanaMessage.accountLimit)"
        case .missingSigner(let address): "the key of \(address) is needed and not there"
        case .outOfRange: "an instruction or table has more accounts than a byte counts"
        case .feeTooHigh(let lamports): "it would cost \(lamports) lamports, more than is allowed"
        }
    }
}

/// A table of addresses on chain, which a transaction names by table and place.
public struct SolanaLookupTable: Hashable, Sendable {
    /// Where it is.
    public let address: SolanaAddress
    /// What it holds, at most 256.
    public let entries: [SolanaAddress]

    /// A table as it is on chain.
    public init(_ address: SolanaAddress, _ entries: [SolanaAddress]) {
        self.address = address
        self.entries = entries
    }

    /// Reads a table's account; `nil` if it is none.
    ///
    /// Source: `AddressLookupTable` of solana-program/address-lookup-table: 56 bytes that begin
    /// with the number 1 in four, then the addresses.
    public init?(_ account: SolanaAccount, at address: SolanaAddress) {
        let (data, head) = (account.data, 56)
        guard account.owner == .lookupTables, data.count >= head, (data.count - head) % 32 == 0,
            data[0..<4] == [1, 0, 0, 0]
        else { return nil }
        let all = stride(from: head, to: data.count, by: 32).compactMap { place in
            Digest(data[place..<place + 32]).map { SolanaAddress($0) }
        }
        self.init(address, all)
    }
}

/// What the signatures of a transaction are over: a message of version 0.
///
/// Accounts are in the order of `MessageV0::try_compile` of anza-xyz/solana-sdk: the payer, then
/// signers that are written, signers that are read, others that are written, others that are read,
/// each in the order of their bytes; so the same instructions always give the same bytes.
public struct SolanaMessage: Hashable, Sendable {
    /// The bytes of a transaction that a packet takes: 1,280 less 48 of headers.
    public static let packetBytes = 1_232
    /// Accounts that a transaction may lock.
    public static let accountLimit = 64

    /// Who must sign, in the order of the signatures; the first pays.
    public let signers: [SolanaAddress]
    /// What is signed.
    public let bytes: [UInt8]
    /// How many accounts it locks.
    public let accounts: Int

    /// How many bytes the signed transaction has: a count, the signatures and the message.
    public var transactionBytes: Int { 1 + 64 * signers.count + bytes.count }

    /// A message of these instructions.
    ///
    /// - Parameters:
    ///   - blockhash: a recent one, or the value of a durable nonce whose advance comes first.
    ///   - tables: where accounts that do not sign and are no programs are looked for.
    public init(
        _ instructions: [SolanaInstruction], payer: SolanaAddress, blockhash: Digest,
        tables: [SolanaLookupTable] = []
    ) throws(SolanaError) {
        var keys = AccountKeys(payer: payer, instructions)
        var lookups: [AccountKeys.Lookup] = []
        for table in tables {
            if table.entries.count > 256 { throw .outOfRange }
            if let lookup = keys.drain(into: table) { lookups.append(lookup) }
        }
        let named = keys.ordered
        signers = Array(named.addresses.prefix(named.signers))
        let all =
            named.addresses + lookups.flatMap(\.written.addresses)
            + lookups.flatMap(\.read.addresses)
        accounts = all.count
        guard accounts <= Self.accountLimit else { throw .tooManyAccounts(accounts) }
        let place = Dictionary(uniqueKeysWithValues: zip(all, UInt8(0)...))
        var writer = ByteWriter()
        writer.write(UInt8(0x80))
        writer.write(UInt8(named.signers))
        writer.write(UInt8(named.readSigners))
        writer.write(UInt8(named.readOthers))
        writer.write(compact: named.addresses.count)
        for address in named.addresses { writer.write(address.value) }
        writer.write(blockhash)
        writer.write(compact: instructions.count)
        for instruction in instructions {
            guard instruction.accounts.count <= 255, instruction.data.count <= 0xFFFF else {
                throw .outOfRange
            }
            writer.write(place[instruction.program] ?? 0)
            writer.write(compact: instruction.accounts.count)
            for account in instruction.accounts { writer.write(place[account.address] ?? 0) }
            writer.write(compact: instruction.data.count)
            writer.writeRaw(instruction.data)
        }
        writer.write(compact: lookups.count)
        for lookup in lookups {
            writer.write(lookup.table.value)
            for part in [lookup.written, lookup.read] {
                writer.write(compact: part.places.count)
                writer.writeRaw(part.places)
            }
        }
        bytes = writer.bytes
        guard transactionBytes <= Self.packetBytes else { throw .tooLarge(transactionBytes) }
    }
}

extension ByteWriter {
    /// Appends a count in seven bits a byte, the lowest first: Solana's `compact-u16`.
    mutating func write(compact count: Int) {
        var rest = count
        while rest > 127 {
            write(UInt8(rest & 127 | 128))
            rest >>= 7
        }
        write(UInt8(rest))
    }
}

/// The accounts of a message with the most that any instruction wants of each.
private struct AccountKeys {
    struct Rights {
        var isSigner = false
        var isWritable = false
        var isProgram = false
    }

    /// Accounts that a table holds.
    struct Lookup {
        let table: SolanaAddress
        var written: (addresses: [SolanaAddress], places: [UInt8]) = ([], [])
        var read: (addresses: [SolanaAddress], places: [UInt8]) = ([], [])
    }

    private let payer: SolanaAddress
    private var rights: [SolanaAddress: Rights] = [:]

    init(payer: SolanaAddress, _ instructions: [SolanaInstruction]) {
        self.payer = payer
        for instruction in instructions {
            rights[instruction.program, default: Rights()].isProgram = true
            for account in instruction.accounts {
                var known = rights[account.address] ?? Rights()
                known.isSigner = known.isSigner || account.isSigner
                known.isWritable = known.isWritable || account.isWritable
                rights[account.address] = known
            }
        }
        rights[payer, default: Rights()].isSigner = true
        rights[payer]?.isWritable = true
    }

    /// Takes out what a table holds; `nil` if nothing.
    mutating func drain(into table: SolanaLookupTable) -> Lookup? {
        var places: [SolanaAddress: UInt8] = [:]
        for (place, entry) in table.entries.enumerated() where places[entry] == nil {
            places[entry] = UInt8(place)
        }
        var lookup = Lookup(table: table.address)
        for (address, wanted) in rights.sorted(by: { $0.key < $1.key }) {
            guard !wanted.isSigner, !wanted.isProgram, let place = places[address] else { continue }
            if wanted.isWritable {
                lookup.written.addresses.append(address)
                lookup.written.places.append(place)
            } else {
                lookup.read.addresses.append(address)
                lookup.read.places.append(place)
            }
            rights[address] = nil
        }
        return lookup.written.places.isEmpty && lookup.read.places.isEmpty ? nil : lookup
    }

    /// What is named in the message itself, in its order.
    var ordered: (addresses: [SolanaAddress], signers: Int, readSigners: Int, readOthers: Int) {
        let sorted = rights.sorted { $0.key < $1.key }.filter { $0.key != payer }
        func all(_ isSigner: Bool, _ isWritable: Bool) -> [SolanaAddress] {
            sorted.filter { $0.value.isSigner == isSigner && $0.value.isWritable == isWritable }
                .map(\.key)
        }
        let signers = [payer] + all(true, true)
        let (readSigners, readOthers) = (all(true, false), all(false, false))
        return (
            signers + readSigners + all(false, true) + readOthers,
            signers.count + readSigners.count, readSigners.count, readOthers.count
        )
    }
}
