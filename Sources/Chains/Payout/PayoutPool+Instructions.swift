public import Primitives

// Each instruction is a kind of eight bytes, then words, all little endian.
extension PayoutPool {
    /// The most siblings that the program takes. A packet holds 26 beside nothing else.
    public static let proofLimit = 32
    /// The longest delay, in slots: about 92 days.
    public static let delayLimit: UInt64 = 20_000_000

    /// Opens the pool. Its vault must be there (`SolanaInstruction.makeTokenAccount`).
    ///
    /// - Parameter delay: slots from the commit of a root until it may be active, and until a
    ///   change of roles may be taken.
    public func open(
        settler: SolanaAddress, guardian: SolanaAddress, delay: UInt64
    ) -> SolanaInstruction {
        call(
            0,
            [.init(opener, isSigner: true, isWritable: true), written, .init(mint)]
                + [.init(vault), .init(token), .init(.system)]
        ) { data in
            data.write(delay)
            data.write(cluster)
            data.write(settler.value)
            data.write(guardian.value)
        }
    }

    /// Puts a root in waiting, which is of the last epoch plus one, with the sum of its leaves and
    /// the books that it is of. The program refuses books of zeros.
    public func commit(_ root: PayoutRoot, settler: SolanaAddress) -> SolanaInstruction {
        call(1, [.init(settler, isSigner: true), written, .init(vault)]) { data in
            data.write(root.epoch)
            data.write(root.total)
            data.write(root.root)
            data.write(root.journalHead)
            data.write(root.liabilities)
        }
    }

    /// Makes the waiting root the one that pays, once its delay is over. Anyone may send it.
    public func activate() -> SolanaInstruction { call(2, [written]) }

    /// Drops the waiting root of an epoch while its delay lasts.
    public func dispute(epoch: UInt64, guardian: SolanaAddress) -> SolanaInstruction {
        call(3, [.init(guardian, isSigner: true), written]) { $0.write(epoch) }
    }

    /// Makes the record of what a payee was paid. Anyone may pay for it.
    public func enrol(_ payee: SolanaAddress, payer: SolanaAddress) -> SolanaInstruction {
        call(
            4,
            [
                .init(payer, isSigner: true, isWritable: true), .init(address),
                .init(record(of: payee), isWritable: true), .init(.system),
            ]
        ) { $0.write(payee.value) }
    }

    /// Pays a payee what the active root says less what it had. Anyone may send it; the tokens go
    /// to an account that the payee owns.
    ///
    /// - Parameters:
    ///   - cumulative: all that the payee was ever owed, as in the root's leaf.
    ///   - proof: the siblings from the leaf up (`ClaimTree.proof`).
    ///   - destination: a token account of the payee's; of anybody's if the payee signs.
    public func claim(
        _ payee: SolanaAddress, cumulative: UInt64, proof: [Digest],
        destination: SolanaAddress? = nil, isSignedByPayee: Bool = false
    ) -> SolanaInstruction {
        let target = destination ?? .tokenAccount(of: payee, mint: mint, program: token)
        return call(
            5,
            [
                written, .init(vault, isWritable: true), .init(target, isWritable: true),
                .init(token), .init(record(of: payee), isWritable: true),
                .init(payee, isSigner: isSignedByPayee),
            ]
        ) { data in
            data.write(cumulative)
            for sibling in proof { data.write(sibling) }
        }
    }

    /// Puts a change of all roles in waiting.
    public func propose(_ roles: PayoutRoles, admin: SolanaAddress) -> SolanaInstruction {
        call(6, [.init(admin, isSigner: true), written]) { data in
            for key in [roles.admin, roles.settler, roles.guardian] { data.write(key.value) }
        }
    }

    /// Takes the waiting roles, once the delay is over. Anyone may send it.
    public func takeRoles() -> SolanaInstruction { call(7, [written]) }

    private var written: SolanaInstruction.Account { .init(address, isWritable: true) }

    private func call(
        _ kind: UInt64, _ accounts: [SolanaInstruction.Account],
        _ fields: (inout ByteWriter) -> Void = { _ in }
    ) -> SolanaInstruction {
        var data = ByteWriter()
        data.write(kind)
        fields(&data)
        return SolanaInstruction(program: program, accounts: accounts, data: data.bytes)
    }
}
