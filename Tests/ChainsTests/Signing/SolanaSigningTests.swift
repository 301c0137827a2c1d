import Chains
import Cryptography
import Foundation
import Primitives
import Testing

/// What the reference signer makes of Solana messages.
@Suite struct SolanaSigningTests {
    private let mint: SolanaAddress
    private let bench: SignerBench
    private let payer: SolanaAddress

    init() throws {
        mint = SolanaAddress(try digest(0x55))
        bench = try SignerBench(mints: [mint])
        payer = bench.identity.address
    }

    private func ask(_ message: SolanaMessage, bytes: [UInt8]? = nil) throws -> SignerReply {
        let text = Data(bytes ?? message.bytes).base64EncodedString()
        return try bench.desk().reply(
            """
            {"v": 1, "id": "a", "method": "sign", "key": "\(payer)", "solana": {"message": "\(text)"}}
            """)
    }

    private func message(
        _ instructions: [SolanaInstruction], tables: [SolanaLookupTable] = [], hash: UInt8 = 1
    ) throws -> SolanaMessage {
        try SolanaMessage(instructions, payer: payer, blockhash: digest(hash), tables: tables)
    }

    private func transfer(
        _ dollars: UInt64, of mint: SolanaAddress? = nil, authority: SolanaAddress? = nil,
        program: SolanaAddress = .token
    ) throws -> SolanaInstruction {
        .transfer(
            dollars * 1_000_000, of: mint ?? self.mint, decimals: 6,
            from: SolanaAddress(try digest(0x66)), to: SolanaAddress(try digest(0x67)),
            authority: authority ?? payer, program: program)
    }

    @Test func payoutsAreSignedAndCounted() throws {
        let owner = SolanaAddress(try digest(0x77))
        let payout = try message([
            .computeLimit(200_000), .computePrice(1_000_000),
            .makeTokenAccount(of: owner, mint: mint, payer: payer), try transfer(10),
            try transfer(15, program: .token2022), .advanceNonce(owner, authority: payer),
        ])
        let reply = try ask(payout)
        let bytes = try #require(reply.signature.flatMap { Hex.decode($0) })
        let signature = try #require(Signature(bytes))
        #expect(bench.identity.publicKey.verifies(signature, of: payout.bytes))
        // A signature, the rent of an account, and 200,000 units at a lamport each.
        let decision = try #require(bench.decisions.last)
        #expect(decision.added == SigningCost(coin: 5_000 + 2_100_000 + 200_000, usd: 25_000_000))
        #expect(try ask(payout).signature == reply.signature)
        #expect(bench.decisions.last?.added == SigningCost())
        #expect(try ask(message([try transfer(30)])).error?.code == 10)
        #expect(try ask(message([try transfer(31)])).error?.code == 9)
        bench.pass(days: 1)
        #expect(try ask(message([try transfer(30)])).signature != nil)
    }

    @Test func whatIsNoPayoutIsRefused() throws {
        let other = SolanaAddress(try digest(0x78))
        func code(_ instructions: [SolanaInstruction]) throws -> Int? {
            try ask(message(instructions)).error?.code
        }
        #expect(try code([.memo([1], signer: payer)]) == 8)
        #expect(
            try code([SolanaInstruction(program: .system, accounts: [], data: [2, 0, 0, 0] + [9])])
                == 8)
        #expect(try code([SolanaInstruction(program: other, accounts: [], data: [12])]) == 8)
        #expect(try code([try transfer(1, of: other)]) == 7)
        #expect(try code([.makeTokenAccount(of: other, mint: other, payer: payer)]) == 7)
        // Another authority signs too: then the key is not alone.
        #expect(try code([try transfer(1, authority: other)]) == 4)
        #expect(try code([.computePrice(.max), try transfer(1)]) == 9)
        let hidden = try message(
            [try transfer(1)], tables: [SolanaLookupTable(other, [mint])])
        #expect(try ask(hidden).error?.code == 7)
        let seen = try message(
            [try transfer(1)],
            tables: [SolanaLookupTable(other, [SolanaAddress(try digest(0x67))])])
        #expect(try ask(seen).signature != nil)
    }

    /// A memo beside a transfer could say whom it is for: none but a statement is signed.
    @Test func statementsOfBooksAreSignedAndNoOtherMemo() throws {
        let said = BooksStatement(
            first: 3, last: 12,
            PushedBooks(journalHead: try digest(0x31), liabilities: try digest(0x32)))
        func reply(_ text: [UInt8]) throws -> SignerReply {
            try ask(
                message([
                    .computeLimit(100_000), .computePrice(1_000), .memo(text, signer: payer),
                ]))
        }
        #expect(try reply(said.text).signature != nil)
        #expect(bench.decisions.last?.added == SigningCost(coin: 5_100))
        let text = try #require(String(validating: said.text, as: UTF8.self))
        for other in [
            text + " ", " " + text, text.uppercased(), text + "\n",
            text.replacing("3-12", with: "03-12"), text.replacing("3-12", with: "+3-12"),
            text.replacing("3-12", with: "12-3"), text.replacing("3-12", with: "0-12"),
            text.replacing("3-12", with: "12"), text.replacing("books ", with: "books  "),
            text.replacing("books", with: "pool"), String(text.dropLast(1)), "",
        ] {
            #expect(try reply(Array(other.utf8)).error?.code == 8, "\(other)")
        }
        #expect(try reply([0xFF, 0xFE]).error?.code == 8)
        let both = try message([.memo(said.text, signer: payer), try transfer(1)])
        #expect(try ask(both).error?.code == 8)
    }

    /// A root of a pool of the policy is signed, with the transfer of what it adds; of another
    /// pool, or of the same place under another program, none is, nor what else a pool takes.
    @Test func rootsOfThePolicysPoolsAreSignedAndNoOthers() throws {
        let pool = PayoutPool(
            program: SolanaAddress(try digest(0x71)), opener: SolanaAddress(try digest(0x72)),
            mint: mint, cluster: try digest(0x73))
        let root = PayoutRoot(
            epoch: 3, root: try digest(0x74), total: 9_000_000, journalHead: try digest(0x75),
            liabilities: try digest(0x76))
        let commit = pool.commit(root, settler: payer)
        let own = PayoutPool(
            program: pool.program, opener: payer, mint: mint, cluster: pool.cluster)
        func ask(
            _ instructions: [SolanaInstruction], program: SolanaAddress? = nil,
            place: SolanaAddress? = nil
        ) throws -> SignerReply {
            let pools =
                #""pools": {"\#(program ?? pool.program)": ["\#(place ?? pool.address)"]}, "mints""#
            let text = Data(try message(instructions).bytes).base64EncodedString()
            return try bench.desk { $0.replacing("\"mints\"", with: pools) }.reply(
                """
                {"v": 1, "id": "a", "method": "sign", "key": "\(payer)", \
                "solana": {"message": "\(text)"}}
                """)
        }
        #expect(try ask([transfer(9), commit]).signature != nil)
        #expect(bench.decisions.last?.added == SigningCost(coin: 5_000, usd: 9_000_000))
        #expect(try ask([pool.activate()]).signature != nil)
        #expect(bench.decisions.last?.added == SigningCost(coin: 5_000))
        #expect(try ask([commit], program: SolanaAddress(try digest(0x79))).error?.code == 7)
        #expect(try ask([commit], place: SolanaAddress(try digest(0x79))).error?.code == 7)
        #expect(try self.ask(message([commit])).error?.code == 7)
        for other in [
            pool.dispute(epoch: 3, guardian: payer), pool.takeRoles(),
            pool.propose(
                PayoutRoles(admin: payer, settler: payer, guardian: payer), admin: payer),
            own.open(settler: payer, guardian: payer, delay: 0), pool.enrol(payer, payer: payer),
        ] {
            #expect(try ask([other]).error?.code == 8)
        }
        #expect(throws: SigningPolicyError.self) {
            try bench.policies {
                $0.replacing("\"mints\"", with: #""pools": {"x": ["y"]}, "mints""#)
            }
        }
    }

    // MARK: Tables and nonces

    private func instruction(
        _ program: SolanaAddress, _ accounts: [SolanaAddress], _ write: (inout ByteWriter) -> Void
    ) -> SolanaInstruction {
        var data = ByteWriter()
        write(&data)
        return SolanaInstruction(
            program: program,
            accounts: accounts.map { .init($0, isSigner: $0 == payer, isWritable: true) },
            data: data.bytes)
    }

    private func funded(
        _ account: SolanaAddress, from source: SolanaAddress? = nil
    ) -> SolanaInstruction {
        instruction(.system, [source ?? payer, account]) { data in
            data.write(UInt32(2))
            data.write(UInt64(1_447_680))
        }
    }

    private func seeded(
        _ account: SolanaAddress, base: SolanaAddress? = nil, signer: SolanaAddress? = nil,
        owner: SolanaAddress = .system, space: UInt64 = 80
    ) -> SolanaInstruction {
        instruction(.system, [account, signer ?? payer]) { data in
            data.write(UInt32(9))
            data.write((base ?? payer).value)
            data.write(UInt64(7))
            data.writeRaw(Array("nonce-1".utf8))
            data.write(space)
            data.write(owner.value)
        }
    }

    private func owned(_ account: SolanaAddress, by owner: SolanaAddress) -> SolanaInstruction {
        instruction(.system, [account]) { data in
            data.write(UInt32(6))
            data.write(owner.value)
        }
    }

    private func ended(
        _ account: SolanaAddress, to target: SolanaAddress, by authority: SolanaAddress
    ) -> SolanaInstruction {
        instruction(.system, [account, target, .system, .system, authority]) { data in
            data.write(UInt32(5))
            data.write(UInt64(1))
        }
    }

    @Test func theKeysOwnTablesAndNoncesAreSignedAndCounted() throws {
        let nonce = SolanaAddress(try digest(0x79))
        let made = SolanaInstruction.makeLookupTable(at: 9, authority: payer, payer: payer)
        let entries = try (0..<20).map { SolanaAddress(try digest(UInt8(0x80 + $0))) }
        let rows: [([SolanaInstruction], UInt128)] = [
            ([made.instruction], 1_280_640),
            (
                [.extendLookupTable(made.table, by: entries, authority: payer, payer: payer)],
                20 * 222_720
            ),
            ([.deactivateLookupTable(made.table, authority: payer)], 0),
            ([.closeLookupTable(made.table, authority: payer, refund: payer)], 0),
            ([funded(nonce), seeded(nonce), owned(nonce, by: payer)], 1_447_680),
            ([ended(nonce, to: payer, by: payer)], 0),
        ]
        for (instructions, lamports) in rows {
            #expect(try ask(message(instructions)).signature != nil, "\(instructions)")
            #expect(bench.decisions.last?.added == SigningCost(coin: 5_000 + lamports))
        }
    }

    @Test func tablesAndNoncesOfOthersAreRefused() throws {
        let (nonce, other) = (SolanaAddress(try digest(0x79)), SolanaAddress(try digest(0x78)))
        let table = SolanaInstruction.makeLookupTable(at: 9, authority: payer, payer: payer)
        var short = table.instruction.data
        short.removeLast()
        let all: [[SolanaInstruction]] = [
            // Nobody's, and somebody else's.
            [funded(nonce)],
            [funded(nonce), seeded(nonce)],
            [seeded(nonce), owned(nonce, by: payer)],
            [funded(other), seeded(nonce), owned(nonce, by: payer)],
            [funded(other), funded(nonce), seeded(nonce), owned(nonce, by: payer)],
            [funded(nonce), seeded(nonce), owned(nonce, by: other)],
            [owned(nonce, by: payer)],
            [funded(nonce), seeded(nonce), owned(other, by: payer)],
            [funded(nonce), seeded(nonce, base: other), owned(nonce, by: payer)],
            [funded(nonce), seeded(nonce, owner: .token), owned(nonce, by: payer)],
            [funded(nonce), seeded(nonce, space: 81), owned(nonce, by: payer)],
            [funded(nonce), seeded(nonce, signer: other), owned(nonce, by: payer)],
            [funded(nonce, from: other), seeded(nonce), owned(nonce, by: payer)],
            [ended(nonce, to: other, by: payer)],
            [ended(nonce, to: payer, by: other)],
            [.closeLookupTable(table.table, authority: payer, refund: other)],
            [
                SolanaInstruction(
                    program: .lookupTables, accounts: table.instruction.accounts, data: short)
            ],
            // A fifth kind of table instruction: to freeze it.
            [
                SolanaInstruction(
                    program: .lookupTables, accounts: table.instruction.accounts,
                    data: [1, 0, 0, 0])
            ],
            // A plain transfer of lamports, and one from a nonce with a seed.
            [
                instruction(.system, [payer, other]) {
                    $0.write(UInt32(2)); $0.write(UInt64(5))
                }
            ],
            [
                instruction(.system, [payer, other]) {
                    $0.write(UInt32(11)); $0.write(UInt64(5))
                }
            ],
        ]
        for instructions in all {
            #expect(try ask(message(instructions)).error?.code == 8, "\(instructions)")
        }
        // Another authority of a table would sign too.
        let foreign = SolanaInstruction.deactivateLookupTable(table.table, authority: other)
        #expect(try ask(message([foreign])).error?.code == 4)
    }

    @Test func bytesThatAreNoMessageAreRefused() throws {
        let good = try message([try transfer(1)])
        for count in stride(from: 0, to: good.bytes.count, by: 3) {
            #expect(try ask(good, bytes: Array(good.bytes[..<count])).error?.code == 1)
        }
        #expect(try ask(good, bytes: good.bytes + [0]).error?.code == 1)
        var legacy = good.bytes
        legacy[0] = 1
        #expect(try ask(good, bytes: legacy).error?.code == 1)
        var generator = SplitMix64(seed: 5)
        for _ in 0..<2_000 {
            var bytes = good.bytes
            bytes[Int(generator.next() % UInt64(bytes.count))] = UInt8(
                truncatingIfNeeded: generator.next())
            // Whatever it is, it does not end the signer.
            _ = try ask(good, bytes: bytes)
        }
    }
}
