import Primitives

/// One call of a program.
public struct SolanaInstruction: Hashable, Sendable {
    /// An account that the program may look at, and what else it may do.
    public struct Account: Hashable, Sendable {
        /// Which account.
        public let address: SolanaAddress
        /// Whether its key must have signed the transaction.
        public let isSigner: Bool
        /// Whether the program may change it.
        public let isWritable: Bool

        /// An account with these rights.
        public init(_ address: SolanaAddress, isSigner: Bool = false, isWritable: Bool = false) {
            self.address = address
            self.isSigner = isSigner
            self.isWritable = isWritable
        }
    }

    /// The program.
    public let program: SolanaAddress
    /// What it is given, in the program's order.
    public let accounts: [Account]
    /// What it is told.
    public let data: [UInt8]

    /// A call of these parts.
    public init(program: SolanaAddress, accounts: [Account], data: [UInt8]) {
        self.program = program
        self.accounts = accounts
        self.data = data
    }
}

// Data is little endian, as the programs' own sources say: solana-sdk (system, compute budget),
// solana-program/token, associated-token-account, address-lookup-table, memo.
extension SolanaInstruction {
    /// The most compute units that the transaction may use.
    public static func computeLimit(_ units: UInt32) -> SolanaInstruction {
        var data = ByteWriter()
        data.write(UInt8(2))
        data.write(units)
        return SolanaInstruction(program: .computeBudget, accounts: [], data: data.bytes)
    }

    /// What a compute unit of the limit costs, in millionths of a lamport.
    public static func computePrice(_ microLamports: UInt64) -> SolanaInstruction {
        var data = ByteWriter()
        data.write(UInt8(3))
        data.write(microLamports)
        return SolanaInstruction(program: .computeBudget, accounts: [], data: data.bytes)
    }

    /// Moves tokens between two accounts of one mint, whose decimals are checked.
    ///
    /// - Parameter program: the token program that the mint belongs to.
    public static func transfer(
        _ amount: UInt64, of mint: SolanaAddress, decimals: UInt8, from source: SolanaAddress,
        to target: SolanaAddress, authority: SolanaAddress, program: SolanaAddress = .token
    ) -> SolanaInstruction {
        var data = ByteWriter()
        data.write(UInt8(12))
        data.write(amount)
        data.write(decimals)
        return SolanaInstruction(
            program: program,
            accounts: [
                Account(source, isWritable: true), Account(mint),
                Account(target, isWritable: true), Account(authority, isSigner: true),
            ], data: data.bytes)
    }

    /// Makes the token account of `owner`, at the cost of `payer`; does nothing if it is there.
    public static func makeTokenAccount(
        of owner: SolanaAddress, mint: SolanaAddress, payer: SolanaAddress,
        program: SolanaAddress = .token
    ) -> SolanaInstruction {
        let account = SolanaAddress.tokenAccount(of: owner, mint: mint, program: program)
        return SolanaInstruction(
            program: .associatedToken,
            accounts: [
                Account(payer, isSigner: true, isWritable: true),
                Account(account, isWritable: true), Account(owner), Account(mint),
                Account(.system), Account(program),
            ], data: [1])
    }

    /// Uses up a durable nonce: the first instruction of a transaction whose blockhash it is.
    public static func advanceNonce(
        _ account: SolanaAddress, authority: SolanaAddress
    ) -> SolanaInstruction {
        SolanaInstruction(
            program: .system,
            accounts: [
                Account(account, isWritable: true), Account(.recentBlockhashes),
                Account(authority, isSigner: true),
            ], data: [4, 0, 0, 0])
    }

    /// Moves lamports.
    static func transferLamports(
        _ lamports: UInt64, from source: SolanaAddress, to target: SolanaAddress
    ) -> SolanaInstruction {
        var data = ByteWriter()
        data.write(UInt32(2))
        data.write(lamports)
        return SolanaInstruction(
            program: .system,
            accounts: [
                Account(source, isSigner: true, isWritable: true),
                Account(target, isWritable: true),
            ], data: data.bytes)
    }

    /// Gives a seeded account its bytes and owner; only `base` can.
    static func allocateSeeded(
        _ account: SolanaAddress, base: SolanaAddress, seed: String, bytes: UInt64,
        owner: SolanaAddress
    ) -> SolanaInstruction {
        var data = ByteWriter()
        data.write(UInt32(9))
        data.write(base.value)
        data.write(UInt64(seed.utf8.count))
        data.writeRaw(seed.utf8)
        data.write(bytes)
        data.write(owner.value)
        return SolanaInstruction(
            program: .system,
            accounts: [Account(account, isWritable: true), Account(base, isSigner: true)],
            data: data.bytes)
    }

    /// Turns an account of 80 bytes into a durable nonce.
    static func initialiseNonce(
        _ account: SolanaAddress, authority: SolanaAddress
    ) -> SolanaInstruction {
        var data = ByteWriter()
        data.write(UInt32(6))
        data.write(authority.value)
        return SolanaInstruction(
            program: .system,
            accounts: [
                Account(account, isWritable: true), Account(.recentBlockhashes), Account(.rent),
            ], data: data.bytes)
    }

    /// Takes lamports out of a durable nonce; all of them end it.
    static func withdrawNonce(
        _ account: SolanaAddress, lamports: UInt64, authority: SolanaAddress,
        to target: SolanaAddress
    ) -> SolanaInstruction {
        var data = ByteWriter()
        data.write(UInt32(5))
        data.write(lamports)
        return SolanaInstruction(
            program: .system,
            accounts: [
                Account(account, isWritable: true), Account(target, isWritable: true),
                Account(.recentBlockhashes), Account(.rent), Account(authority, isSigner: true),
            ], data: data.bytes)
    }

    /// Writes a text into the chain's log, signed by `signer`.
    public static func memo(_ text: [UInt8], signer: SolanaAddress) -> SolanaInstruction {
        SolanaInstruction(
            program: .memo, accounts: [Account(signer, isSigner: true)], data: text)
    }

    /// Makes an empty lookup table; returns its address too.
    ///
    /// - Parameter slot: a recent slot, at most 512 old, that had a block.
    public static func makeLookupTable(
        at slot: UInt64, authority: SolanaAddress, payer: SolanaAddress
    ) -> (table: SolanaAddress, instruction: SolanaInstruction) {
        var seed = ByteWriter()
        seed.write(slot)
        guard
            let (table, bump) = SolanaAddress.derived(
                from: [authority.bytes, seed.bytes], by: .lookupTables)
        else { preconditionFailure("256 hashes that are all points do not happen") }
        var data = ByteWriter()
        data.write(UInt32(0))
        data.write(slot)
        data.write(bump)
        return (table, changeTable(table, authority, payer, data.bytes))
    }

    /// Appends addresses to a lookup table; they can be used from the next slot on. About 30 fit a
    /// transaction.
    public static func extendLookupTable(
        _ table: SolanaAddress, by addresses: [SolanaAddress], authority: SolanaAddress,
        payer: SolanaAddress
    ) -> SolanaInstruction {
        var data = ByteWriter()
        data.write(UInt32(2))
        data.write(UInt64(addresses.count))
        for address in addresses { data.write(address.value) }
        return changeTable(table, authority, payer, data.bytes)
    }

    /// Takes a lookup table out of use; transactions may name it for another 512 slots.
    public static func deactivateLookupTable(
        _ table: SolanaAddress, authority: SolanaAddress
    ) -> SolanaInstruction {
        SolanaInstruction(
            program: .lookupTables,
            accounts: [Account(table, isWritable: true), Account(authority, isSigner: true)],
            data: [3, 0, 0, 0])
    }

    /// Ends a lookup table that is out of use and gives back its rent.
    public static func closeLookupTable(
        _ table: SolanaAddress, authority: SolanaAddress, refund: SolanaAddress
    ) -> SolanaInstruction {
        SolanaInstruction(
            program: .lookupTables,
            accounts: [
                Account(table, isWritable: true), Account(authority, isSigner: true),
                Account(refund, isWritable: true),
            ], data: [4, 0, 0, 0])
    }

    private static func changeTable(
        _ table: SolanaAddress, _ authority: SolanaAddress, _ payer: SolanaAddress,
        _ data: [UInt8]
    ) -> SolanaInstruction {
        SolanaInstruction(
            program: .lookupTables,
            accounts: [
                Account(table, isWritable: true), Account(authority, isSigner: true),
                Account(payer, isSigner: true, isWritable: true), Account(.system),
            ], data: data)
    }
}
