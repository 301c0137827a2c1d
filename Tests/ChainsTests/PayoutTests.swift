import Chains
import Cryptography
import Foundation
import Primitives
import Testing

/// The client of the payout program: byte for byte what solders makes, and a claim on a real SVM.
@Suite(.timeLimit(.minutes(10))) struct PayoutTests {
    private struct Row: Decodable {
        struct Payee: Decodable {
            let payee: String
            let cumulative: String
            let record: String
            let leaf: String
            let proof: [String]
        }
        struct Instruction: Decodable {
            struct Account: Decodable {
                let address: String
                let isSigner: Bool
                let isWritable: Bool
            }
            let data: String
            let accounts: [Account]
        }
        let program: String
        let opener: String
        let mint: String
        let token: String
        let cluster: String
        let address: String
        let vault: String
        let root: String
        let payees: [Payee]
        let instructions: [Instruction]
    }

    private static let rows = Result {
        try JSONDecoder().decode(
            [Row].self,
            from: Data(
                contentsOf: Project.root.appendingPathComponent(
                    "Tests/ChainsTests/Vectors/solana-payout.json")))
    }

    private func address(_ text: String) throws -> SolanaAddress {
        try #require(SolanaAddress(text))
    }

    private func digest(_ hex: String) throws -> Digest {
        try #require(Hex.decode(hex).flatMap(Digest.init))
    }

    private func key(_ label: String) -> SolanaAddress {
        SolanaAddress(SHA256.hash(Array(label.utf8)))
    }

    private func pool(_ row: Row) throws -> PayoutPool {
        PayoutPool(
            program: try address(row.program), opener: try address(row.opener),
            mint: try address(row.mint), cluster: try digest(row.cluster),
            token: try address(row.token))
    }

    @Test func addressesLeavesAndProofs() throws {
        for row in try Self.rows.get() {
            let pool = try pool(row)
            #expect(pool.address.description == row.address)
            #expect(pool.vault.description == row.vault)
            let leaves = try row.payees.map { one in
                pool.leaf(
                    of: try address(one.payee), cumulative: try #require(UInt64(one.cumulative)))
            }
            let tree = ClaimTree(leaves: leaves)
            #expect(tree.root == (try digest(row.root)))
            for (one, leaf) in zip(row.payees, leaves) {
                #expect(leaf == (try digest(one.leaf)))
                #expect(pool.record(of: try address(one.payee)).description == one.record)
                #expect(try tree.proof(of: leaf) == one.proof.map(digest))
            }
        }
    }

    @Test func instructions() throws {
        for (number, row) in try Self.rows.get().enumerated() {
            let pool = try pool(row)
            let (settler, guardian) = (key("settler"), key("guardian"))
            let root = try digest(row.root)
            let payee = try address(row.payees[0].payee)
            let amount = try #require(UInt64(row.payees[0].cumulative))
            let proof = try row.payees[0].proof.map(digest)
            let roles = PayoutRoles(admin: key("admin"), settler: settler, guardian: guardian)
            let made = [
                pool.open(settler: settler, guardian: guardian, delay: 432_000),
                pool.commit(
                    PayoutRoot(
                        epoch: 7, root: root, total: 1 << 63 + UInt64(number),
                        journalHead: key("journal").value,
                        liabilities: key("liabilities").value), settler: settler),
                pool.activate(), pool.dispute(epoch: 7, guardian: guardian),
                pool.enrol(payee, payer: key("payer")),
                pool.claim(payee, cumulative: amount, proof: proof),
                pool.claim(
                    payee, cumulative: amount, proof: proof, destination: key("elsewhere"),
                    isSignedByPayee: true),
                pool.propose(roles, admin: key("admin")), pool.takeRoles(),
            ]
            let wanted = try row.instructions.map { one in
                SolanaInstruction(
                    program: pool.program,
                    accounts: try one.accounts.map {
                        .init(
                            try address($0.address), isSigner: $0.isSigner,
                            isWritable: $0.isWritable)
                    }, data: try #require(Hex.decode(one.data)))
            }
            #expect(made == wanted)
        }
    }

    /// Opens, commits, activates, enrols and claims on a real SVM, and reads what it left.
    @Test func aClaimOnAChain() async throws {
        let node = try await SVMNode()
        let pool = try await node.addPool()
        let (settler, guardian) = (try SVMNode.key("settler"), try SVMNode.owner("guardian"))
        let settlerAddress = SolanaAddress(settler.publicKey)
        try await node.give(1_000_000, to: pool.address)
        try await node.run([pool.open(settler: settlerAddress, guardian: guardian, delay: 3)])
        let payees = try (0..<5).map { try SVMNode.owner("payee \($0)") }
        let leaves = payees.enumerated().map { pool.leaf(of: $1, cumulative: UInt64($0 + 1) * 10) }
        let tree = ClaimTree(leaves: leaves)
        let committed = PayoutRoot(
            epoch: 1, root: tree.root, total: 150, journalHead: key("head").value,
            liabilities: key("owed").value)
        try await node.run(
            [pool.commit(committed, settler: settlerAddress)], signers: [settler])
        let early = try #require(try await state(of: pool, on: node))
        #expect(early.pool == pool && early.active == nil && early.delay == 3)
        #expect(early.waiting == committed)
        try await node.tick(3)
        try await node.run([pool.activate()])

        let payee = payees[3]
        try await node.give(0, to: payee)
        let proof = try #require(tree.proof(of: leaves[3]))
        let claim = pool.claim(payee, cumulative: 40, proof: proof)
        try await node.run([pool.enrol(payee, payer: node.address), claim])
        #expect(try await node.balance(payee) == 40)
        let late = try #require(try await state(of: pool, on: node))
        #expect(late.claimedTotal == 40 && late.waiting == nil && late.active == committed)
        #expect(late.roles.settler == settlerAddress && late.nextRoles == nil)
        let kept = try #require(
            try await node.chain.accounts([pool.record(of: payee)], .processed)[0])
        let record = try #require(PayoutRecord(kept, program: pool.program))
        #expect(record.payee == payee && record.cumulative == 40 && record.pool == pool.address)

        // The same claim in another transaction is refused with the program's own number.
        try await node.tick()
        let hash = try await node.chain.latestBlockhash(.processed).hash
        let again = try SolanaTransaction(
            SolanaMessage([claim], payer: node.address, blockhash: hash), signedBy: [node.payer])
        guard case .refused(let words) = await node.chain.broadcast(again) else {
            Issue.record("a claim was paid twice")
            return
        }
        #expect(words.contains("\(PayoutRefusal.nothingToClaim.rawValue)"), "\(words)")
        #expect(try await node.balance(payee) == 40)
    }

    private func state(
        of pool: PayoutPool, on node: SVMNode
    ) async throws -> PayoutPoolState? {
        guard let account = try await node.chain.accounts([pool.address], .processed)[0] else {
            return nil
        }
        #expect(PayoutPoolState(account, program: .token) == nil)
        #expect(
            PayoutPoolState(
                SolanaAccount(
                    owner: account.owner, lamports: 1, data: Array(account.data.dropLast())),
                program: pool.program) == nil)
        #expect(PayoutRecord(account, program: pool.program) == nil)
        return PayoutPoolState(account, program: pool.program)
    }

    @Test func refusalsAreThoseOfTheInterfaceFile() throws {
        struct Interface: Decodable {
            struct Fault: Decodable {
                let code: UInt32
                let name: String
            }
            let errors: [Fault]
        }
        let interface = try JSONDecoder().decode(
            Interface.self,
            from: Data(
                contentsOf: Project.root.appendingPathComponent(
                    "contracts-abi/solana/payout.idl.json")))
        #expect(interface.errors.map(\.code) == PayoutRefusal.allCases.map(\.rawValue))
        #expect(
            interface.errors.map { $0.name.lowercased() }
                == PayoutRefusal.allCases.map { "\($0)".lowercased() })
    }
}
