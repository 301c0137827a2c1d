import Cryptography
import Primitives

extension SolanaAddress {
    private static func program(_ text: String) -> SolanaAddress {
        guard let address = SolanaAddress(text) else { preconditionFailure("not base58: \(text)") }
        return address
    }

    /// Checks an Ed25519 signature that its data carries.
    public static let ed25519 = program("Ed25519SigVerify111111111111111111111111111")
    /// Shows a program the other instructions of its transaction.
    public static let instructions = program("Sysvar1nstructions1111111111111111111111111")
    /// Says what an account must hold to stay.
    public static let rent = program("SysvarRent111111111111111111111111111111111")
}

extension SolanaInstruction {
    /// Has the chain check one signature, in the one layout that programs read: key at 16,
    /// signature at 48, message at 112, all in this instruction.
    ///
    /// Source: "Verify Ed25519 signature" of solana.com/docs/core/programs/precompiles.
    static func verify(
        _ signature: [UInt8], of message: [UInt8], by key: SolanaAddress
    ) -> SolanaInstruction {
        var data = ByteWriter()
        data.write(UInt8(1))
        data.write(UInt8(0))
        let here = UInt16.max
        for field in [48, here, 16, here, 112, UInt16(message.count), here] { data.write(field) }
        data.write(key.value)
        data.writeRaw(signature)
        data.writeRaw(message)
        return SolanaInstruction(program: .ed25519, accounts: [], data: data.bytes)
    }
}

// One byte of kind, then fields, little endian. The program takes exactly these accounts.
extension PaymentChannel {
    private typealias Account = SolanaInstruction.Account

    /// Opens the channel and escrows a deposit; payer and rent payer sign.
    public func open(deposit: UInt64) -> SolanaInstruction {
        call(
            1,
            [
                Account(terms.payer, isSigner: true, isWritable: true),
                Account(terms.rentPayer, isSigner: true, isWritable: true),
                Account(terms.payee), Account(terms.mint), Account(terms.authorizedSigner), written,
                Account(tokenAccount(of: terms.payer), isWritable: true), heldTokens,
                Account(token), Account(.system), Account(.rent), Account(.associatedToken),
                Account(eventAuthority), Account(program),
            ]
        ) { data in
            data.write(terms.salt)
            data.write(deposit)
            data.write(terms.gracePeriod)
            data.write(terms.openSlot)
            data.writeRaw(splitBytes)
        }
    }

    /// The two instructions that have an open channel believe a voucher, next to each other.
    /// Anybody may send them. `nil` for a voucher beyond 64 bits.
    public func settle(_ voucher: Voucher) -> [SolanaInstruction]? {
        guard let check = check(of: voucher) else { return nil }
        return [check, call(2, [written, Account(.instructions)])]
    }

    /// Adds to the deposit; the payer signs.
    public func topUp(_ amount: UInt64) -> SolanaInstruction {
        call(
            3,
            [
                Account(terms.payer, isSigner: true, isWritable: true), written,
                Account(tokenAccount(of: terms.payer), isWritable: true), heldTokens,
                Account(terms.mint), Account(token),
            ]
        ) { $0.write(amount) }
    }

    /// The instructions by which the payee seals the channel, also while the payer closes it, after
    /// it believed a last voucher. `nil` for a voucher beyond 64 bits.
    public func settleAndSeal(_ voucher: Voucher?) -> [SolanaInstruction]? {
        let seal = call(
            4, [Account(terms.payee, isSigner: true), written, Account(.instructions)]
        ) { $0.write(UInt8(voucher == nil ? 0 : 1)) }
        guard let voucher else { return [seal] }
        return check(of: voucher).map { [$0, seal] }
    }

    /// Says that the payer closes; the payer signs. Then the grace period runs.
    public func requestClose() -> SolanaInstruction {
        call(5, [Account(terms.payer, isSigner: true), written])
    }

    /// Seals the channel after the grace period; anybody.
    public func seal() -> SolanaInstruction { call(6, [written]) }

    /// Pays what was settled and not yet paid, each share rounded down over all that was ever
    /// settled; of a sealed channel also gives the payer the rest and frees the accounts. Anybody.
    ///
    /// What cannot be paid goes to the treasury for good: send it in a `DistributePlan`, which sees
    /// in the same transaction that everybody can be paid.
    ///
    /// - Parameter treasury: the owner that the program was built with.
    public func distribute(
        treasury: SolanaAddress = PaymentChannel.standardTreasury
    ) -> SolanaInstruction {
        let owners = [terms.payer, terms.payee, treasury]
        let accounts =
            [written, Account(terms.payer, isWritable: true)]
            + [Account(terms.rentPayer, isWritable: true), heldTokens]
            + owners.map { Account(tokenAccount(of: $0), isWritable: true) }
            + [Account(terms.mint), Account(token), Account(eventAuthority), Account(program)]
            + terms.splits.map { Account(tokenAccount(of: $0.recipient), isWritable: true) }
        return call(7, accounts) { $0.writeRaw(splitBytes) }
    }

    /// Gives the payer what was not settled of a sealed channel; the payer signs. Once.
    public func withdrawPayer() -> SolanaInstruction {
        call(
            8,
            [
                Account(terms.payer, isSigner: true), written, heldTokens,
                Account(tokenAccount(of: terms.payer), isWritable: true), Account(terms.mint),
                Account(token),
            ])
    }

    /// Frees the account of a channel that is paid out, once its slot of opening is 1,500 slots
    /// back; anybody.
    public func reclaim() -> SolanaInstruction {
        call(9, [written, Account(terms.rentPayer, isWritable: true)])
    }

    /// Who the program's events are signed by.
    var eventAuthority: SolanaAddress {
        guard let found = SolanaAddress.derived(from: [Array("event_authority".utf8)], by: program)
        else { preconditionFailure("256 hashes that are all points do not happen") }
        return found.address
    }

    private var written: Account { Account(address, isWritable: true) }
    private var heldTokens: Account { Account(escrow, isWritable: true) }

    private func check(of voucher: Voucher) -> SolanaInstruction? {
        payload(voucher.cumulative, expiresAt: voucher.expiresAt).map {
            .verify(voucher.signature, of: $0, by: terms.authorizedSigner)
        }
    }

    private func call(
        _ kind: UInt8, _ accounts: [SolanaInstruction.Account],
        _ fields: (inout ByteWriter) -> Void = { _ in }
    ) -> SolanaInstruction {
        var data = ByteWriter()
        data.write(kind)
        fields(&data)
        return SolanaInstruction(program: program, accounts: accounts, data: data.bytes)
    }
}
