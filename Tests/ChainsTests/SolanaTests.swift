import Chains
import Cryptography
import Foundation
import Primitives
import Testing

/// Solana's bytes against those of its own Rust code (`make_solana_vectors.py`).
@Suite struct SolanaTests {
    private struct Vectors: Decodable {
        struct Text: Decodable { let bytes, text: String }
        struct Point: Decodable {
            let bytes: String
            let isPoint: Bool
        }
        struct Derived: Decodable {
            let seeds: [String]
            let program, address: String
            let bump: UInt8
        }
        struct TokenAccount: Decodable { let owner, mint, program, account: String }
        struct Account: Decodable {
            let address: String
            let isSigner, isWritable: Bool
        }
        struct Instruction: Decodable {
            let program, data: String
            let accounts: [Account]
        }
        struct Table: Decodable {
            let address: String
            let entries: [String]
        }
        struct Message: Decodable {
            let payer, blockhash, message: String
            let instructions: [Instruction]
            let tables: [Table]
        }
        struct Payouts: Decodable {
            let program, transaction, id: String
            let hasTable, hasNonce: Bool
            let count: Int
        }

        let base58: [Text]
        let points: [Point]
        let derived: [Derived]
        let tokenAccounts: [TokenAccount]
        let messages: [Message]
        let payouts: [Payouts]
    }

    private static let vectors = Result {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("Vectors/solana.json")
        return try JSONDecoder().decode(Vectors.self, from: Data(contentsOf: file))
    }

    private func address(_ text: String) throws -> SolanaAddress {
        try #require(SolanaAddress(text))
    }

    private func bytes(_ hex: String) throws -> [UInt8] { try #require(Hex.decode(hex)) }

    private func key(_ label: String) throws -> Ed25519.PrivateKey {
        try #require(Ed25519.PrivateKey(seed: SHA256.hash(Array(label.utf8)).bytes))
    }

    private func owner(_ label: String) throws -> SolanaAddress {
        SolanaAddress(try key(label).publicKey)
    }

    @Test func base58() throws {
        for row in try Self.vectors.get().base58 {
            let bytes = try bytes(row.bytes)
            #expect(Base58.encode(bytes) == row.text)
            #expect(Base58.decode(row.text) == bytes)
        }
        for text in ["0", "O", "I", "l", "a b", "é", "1\u{0}"] {
            #expect(Base58.decode(text) == nil)
        }
        #expect(Base58.decode("111", limit: 2) == nil)
        #expect(Base58.decode(String(repeating: "z", count: 1 << 20)) == nil)
        // Of every length, with zeros in front and without, and not of one byte too many.
        var random = SplitMix64(seed: 58)
        for count in 0..<200 {
            let bytes = (0..<count).map { place -> UInt8 in
                place < count % 5 ? 0 : UInt8(truncatingIfNeeded: random.next())
            }
            let text = Base58.encode(bytes)
            #expect(Base58.decode(text, limit: count) == bytes)
            #expect(Base58.decode(text, limit: count - 1) == nil || count == 0)
        }
        // 31 and 33 bytes are no address.
        #expect(SolanaAddress(Base58.encode([UInt8](repeating: 7, count: 31))) == nil)
        #expect(SolanaAddress(Base58.encode([UInt8](repeating: 7, count: 33))) == nil)
    }

    @Test func pointsAreToldFromOtherBytes() throws {
        for row in try Self.vectors.get().points {
            let digest = try #require(Digest(try bytes(row.bytes)))
            #expect(Ed25519.isPoint(digest) == row.isPoint, "\(row.bytes)")
        }
    }

    @Test func derivedAddresses() throws {
        let rows = try Self.vectors.get().derived
        for row in rows {
            let found = SolanaAddress.derived(
                from: try row.seeds.map(bytes), by: try address(row.program))
            #expect(found?.address.description == row.address)
            #expect(found?.bump == row.bump)
        }
        #expect(rows.contains { $0.bump < 253 })
        let program = try address(rows[0].program)
        #expect(SolanaAddress.derived(from: [[UInt8](repeating: 0, count: 33)], by: program) == nil)
        #expect(
            SolanaAddress.derived(from: [[UInt8]](repeating: [], count: 16), by: program) == nil)
    }

    @Test func tokenAccounts() throws {
        for row in try Self.vectors.get().tokenAccounts {
            let found = SolanaAddress.tokenAccount(
                of: try address(row.owner), mint: try address(row.mint),
                program: try address(row.program))
            #expect(found.description == row.account)
        }
    }

    @Test func messagesOfAnyShape() throws {
        let rows = try Self.vectors.get().messages
        for row in rows {
            let instructions = try row.instructions.map { one in
                SolanaInstruction(
                    program: try address(one.program),
                    accounts: try one.accounts.map {
                        .init(
                            try address($0.address), isSigner: $0.isSigner,
                            isWritable: $0.isWritable)
                    }, data: try bytes(one.data))
            }
            let tables = try row.tables.map {
                SolanaLookupTable(try address($0.address), try $0.entries.map(address))
            }
            let message = try SolanaMessage(
                instructions, payer: try address(row.payer),
                blockhash: try address(row.blockhash).value, tables: tables)
            #expect(Hex.encode(message.bytes) == row.message)
        }
        #expect(rows.contains { !$0.tables.isEmpty })
    }

    private func plan(_ program: SolanaAddress) throws -> TokenPayoutPlan {
        var plan = TokenPayoutPlan(
            mint: try owner("mint"), decimals: 6, payer: try owner("payer"), program: program)
        plan.computePrice = 7
        return plan
    }

    @Test func asManyPayoutsAsFit() throws {
        let payouts = try (0..<70).map {
            TokenPayout(to: try owner("owner \($0)"), amount: 1_000 + UInt64($0))
        }
        let blockhash = try #require(Digest(Array(0..<32)))
        for row in try Self.vectors.get().payouts {
            var plan = try plan(try address(row.program))
            let accounts = ([TokenPayout(to: plan.payer, amount: 0)] + payouts).map {
                SolanaAddress.tokenAccount(of: $0.owner, mint: plan.mint, program: plan.program)
            }
            let table = SolanaLookupTable(
                try owner("table"), [accounts[0], plan.mint] + accounts.dropFirst())
            if row.hasNonce { plan.nonce = (try owner("nonce"), plan.payer) }
            let (message, count) = try plan.message(
                for: payouts[...], blockhash: blockhash, tables: row.hasTable ? [table] : [])
            #expect(count == row.count)
            let transaction = try SolanaTransaction(message, signedBy: [try key("payer")])
            #expect(Hex.encode(transaction.bytes) == row.transaction)
            #expect(Base58.encode(transaction.id.bytes) == row.id)
            #expect(transaction.bytes.count == message.transactionBytes)
        }
    }

    @Test func everyPayoutIsInOneTransaction() throws {
        let payouts = try (0..<100).map {
            TokenPayout(to: try owner("owner \($0)"), amount: UInt64($0) + 1)
        }
        let plan = try plan(.token)
        var rest = payouts[...]
        var counts: [Int] = []
        while !rest.isEmpty {
            let (_, count) = try plan.message(for: rest, blockhash: .zero)
            rest = rest.dropFirst(count)
            counts.append(count)
        }
        #expect(counts == [19, 19, 19, 19, 19, 5])
        #expect(try plan.message(for: [], blockhash: .zero).count == 0)
    }

    @Test func computingIsBoundedInMoney() throws {
        var plan = try plan(.token)
        // 19 transfers: 123,950 units; a millionth of a lamport each is rounded up to one.
        plan.computePrice = 1
        #expect(try plan.fee(transfers: 19) == 5_001)
        plan.computePrice = 8_000_000
        #expect(try plan.fee(transfers: 19) == 5_000 + 991_600)
        plan.computePrice = 8_100_000
        #expect(throws: SolanaError.feeTooHigh(1_008_995)) { try plan.fee(transfers: 19) }
        plan.computePrice = .max
        plan.unitsPerTransfer = .max
        #expect(throws: SolanaError.feeTooHigh(.max)) { try plan.fee(transfers: 19) }
        let payouts = [TokenPayout(to: try owner("owner 1"), amount: 1)]
        #expect(throws: SolanaError.feeTooHigh(.max)) {
            try plan.message(for: payouts[...], blockhash: .zero)
        }
    }

    @Test func whatCannotBeMadeIsSaid() throws {
        let payer = try owner("payer")
        let long = SolanaInstruction.memo([UInt8](repeating: 65, count: 1_200), signer: payer)
        #expect(throws: SolanaError.tooLarge(1_373)) {
            try SolanaMessage([long], payer: payer, blockhash: .zero)
        }
        let many = SolanaInstruction(
            program: .memo,
            accounts: try (0..<64).map { .init(try owner("owner \($0)")) }, data: [])
        #expect(throws: SolanaError.tooManyAccounts(66)) {
            try SolanaMessage([many], payer: payer, blockhash: .zero)
        }
        let huge = SolanaInstruction(
            program: .memo, accounts: Array(repeating: .init(payer), count: 256), data: [])
        #expect(throws: SolanaError.outOfRange) {
            try SolanaMessage([huge], payer: payer, blockhash: .zero)
        }
        let table = SolanaLookupTable(payer, Array(repeating: payer, count: 257))
        #expect(throws: SolanaError.outOfRange) {
            try SolanaMessage([], payer: payer, blockhash: .zero, tables: [table])
        }
        let message = try SolanaMessage(
            [.memo([65], signer: try owner("other"))], payer: payer, blockhash: .zero)
        #expect(throws: SolanaError.missingSigner(try owner("other"))) {
            try SolanaTransaction(message, signedBy: [try key("payer")])
        }
    }
}
