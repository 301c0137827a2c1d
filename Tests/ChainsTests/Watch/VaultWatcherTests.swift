import Chains
import Cryptography
import Primitives
import Testing
import Transport

/// The vault of a real pool on a real SVM, watched through nodes that lag, forget and break off.
@Suite(.timeLimit(.minutes(10))) struct VaultWatcherTests {
    private struct Stage {
        let node: SVMNode
        let pool: PayoutPool
        let settler: Ed25519.PrivateKey
        let start: VaultCursor
    }

    private func stage() async throws -> Stage {
        let node = try await SVMNode()
        let pool = try await node.addPool()
        let settler = try SVMNode.key("settler")
        let slot: UInt64 = try await node.rpc.call(
            "getSlot", [.object(["commitment": "processed"])])
        try await node.tick()
        try await node.run([
            .makeTokenAccount(of: pool.address, mint: node.mint, payer: node.address),
            pool.open(
                settler: SolanaAddress(settler.publicKey), guardian: try SVMNode.owner("guardian"),
                delay: 1),
        ])
        try await node.give(1_000, to: node.address)
        return Stage(node: node, pool: pool, settler: settler, start: VaultCursor(slot: slot))
    }

    private func watcher(
        _ stage: Stage, _ nodes: SolanaNodes? = nil, most: Int = 200, listedAtOnce: Int = 1_000
    ) -> SolanaVaultWatcher {
        SolanaVaultWatcher(
            nodes: nodes ?? SolanaNodes(stage.node.chain), account: stage.pool.vault,
            program: stage.pool.program, margin: 2, most: most, listedAtOnce: listedAtOnce)
    }

    /// A transfer to the vault with a memo.
    private func deposit(_ amount: UInt64, _ memo: String, _ stage: Stage) async throws {
        var data = ByteWriter()
        data.write(UInt8(3))
        data.write(amount)
        let node = stage.node
        try await node.run([
            SolanaInstruction(
                program: .token,
                accounts: [
                    .init(.tokenAccount(of: node.address, mint: node.mint), isWritable: true),
                    .init(stage.pool.vault, isWritable: true),
                    .init(node.address, isSigner: true),
                ], data: data.bytes),
            SolanaInstruction(program: .memo, accounts: [], data: Array(memo.utf8)),
        ])
    }

    private func read(
        _ watcher: SolanaVaultWatcher, from start: VaultCursor
    ) async throws -> (events: [VaultEvent], cursor: VaultCursor) {
        var (events, cursor): ([VaultEvent], VaultCursor) = ([], start)
        while true {
            let page = try await watcher.read(from: cursor)
            events += page.records.map(\.event)
            cursor = page.cursor
            if !page.hasMore { return (events, cursor) }
        }
    }

    @Test func depositsRootsAndClaimsAreRead() async throws {
        let stage = try await stage()
        let (node, pool) = (stage.node, stage.pool)
        try await deposit(100, "party 1", stage)
        try await node.tick(3)
        try await deposit(60, "party 2", stage)
        let payee = try SVMNode.owner("payee")
        let leaf = pool.leaf(of: payee, cumulative: 40)
        let settler = SolanaAddress(stage.settler.publicKey)
        let root = PayoutRoot(
            epoch: 1, root: leaf, total: 40, journalHead: pool.cluster,
            liabilities: PayoutPool.domain)
        try await node.run([pool.commit(root, settler: settler)], signers: [stage.settler])
        try await node.tick(3)
        try await node.run([pool.activate()])
        try await node.give(0, to: payee)
        try await node.run([
            pool.enrol(payee, payer: node.address), pool.claim(payee, cumulative: 40, proof: []),
        ])
        // A cursor that is far ahead of the chain is no reason to see nothing for ever.
        let (near, far) = (VaultCursor(slot: stage.start.slot + 400), VaultCursor(slot: 1 << 40))
        #expect(try await watcher(stage).read(from: near).records.isEmpty)
        await #expect(throws: ChainError.self) { try await watcher(stage).read(from: far) }
        // Nothing is read before it is final.
        #expect(try await read(watcher(stage), from: stage.start).events.isEmpty)
        try await node.tick(40)
        let wanted: [VaultEvent] = [
            .deposited(amount: 100, owner: node.address, memo: "party 1", references: []),
            .deposited(amount: 60, owner: node.address, memo: "party 2", references: []),
            .committed(root), .claimed(payee: payee, amount: 40, cumulative: 40),
        ]
        for (most, listed) in [(200, 1_000), (1, 1), (2, 3)] {
            let watcher = watcher(stage, most: most, listedAtOnce: listed)
            let (events, cursor) = try await read(watcher, from: stage.start)
            #expect(events == wanted)
            #expect(cursor.balance == 120)
            var book = VaultBook()
            book.take(try await watcher.read(from: stage.start).records)
            if most == 200 {
                #expect(book.balance == 120 && book.deposited == 160 && book.claimed == 40)
                #expect(book.roots == 1 && book.unnamed.isEmpty && book.unnamedCount == 0)
            }
            #expect(try await watcher.balance(notBefore: cursor.slot) == 120)
            #expect(try await read(watcher, from: cursor).events.isEmpty)
        }
    }

    /// Confirmed slots that a fork takes back were never read; answers that are lost are asked for
    /// again; a node that has forgotten has no vote, nor one that is not there.
    @Test func forksLostAnswersAndForgetfulNodes() async throws {
        let stage = try await stage()
        let node = stage.node
        try await deposit(10, "kept", stage)
        try await node.tick(40)
        let first = try await read(watcher(stage), from: stage.start)
        #expect(first.cursor.balance == 10)
        try await node.tick()
        try await deposit(5, "left behind", stage)
        try await node.tick(4)
        #expect(try await read(watcher(stage), from: first.cursor).events.isEmpty)
        let _: Int = try await node.rpc.call("test_rollback", [.integer(5), .bool(false)])
        try await deposit(7, "on the fork", stage)
        try await node.tick(50)
        let fault: [String: JSONValue] = [
            "method": "getTransaction", "kind": "lost", "count": .integer(1),
            "after": .integer(0), "seconds": .integer(1), "result": .null,
        ]
        let taken: Bool = try await node.rpc.call(
            "test_fault", [.object(fault)])
        #expect(taken)
        let dead = SolanaChain(
            rpc: JSONRPC(url: "http://127.0.0.1:9", timeout: .seconds(1), client: HTTPClient()))
        let nodes = SolanaNodes([node.chain, dead, node.chain], quorum: Quorum(needed: 2))
        var second: (events: [VaultEvent], cursor: VaultCursor)?
        for _ in 0..<5 where second == nil {
            second = try? await read(watcher(stage, nodes), from: first.cursor)
        }
        let (events, cursor) = try #require(second)
        #expect(
            events == [
                .deposited(
                    amount: 7, owner: node.address, memo: "on the fork", references: [])
            ])
        #expect(cursor.balance == 17)
        let _: UInt64 = try await node.rpc.call("test_forget", [.integer(Int64(cursor.slot))])
        await #expect(throws: ChainError.self) {
            try await watcher(stage).read(from: first.cursor)
        }
    }
}
