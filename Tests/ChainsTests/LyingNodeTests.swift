import Chains
import Cryptography
import Primitives
import Testing

/// A node whose answers do not fit together is not believed, and what it says closes nothing.
@Suite(.serialized, .house, .timeLimit(.minutes(10)))
struct LyingNodeTests {
    private let house: House
    private var node: EVMNode { house.node }
    private let key: Secp256k1.PrivateKey

    init() async throws {
        house = try #require(House.current)
        key = try house.node.freshKey()
        try await house.node.calm()
    }

    /// One field of a receipt that is not true, and what must be noticed.
    struct Lie: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let field: String
        let value: JSONValue
        let noticed: String
    }

    private static let other = JSONValue.data([UInt8](repeating: 0x42, count: 32))
    private static let stranger = JSONValue.data([UInt8](repeating: 0x42, count: 20))

    static let lies = [
        Lie(
            testDescription: "another transaction", field: "transactionHash", value: other,
            noticed: "the receipt is of another transaction"),
        Lie(
            testDescription: "another sender", field: "from", value: stranger,
            noticed: "the receipt names other parties"),
        Lie(
            testDescription: "another receiver", field: "to", value: stranger,
            noticed: "the receipt names other parties"),
        Lie(
            testDescription: "no receiver", field: "to", value: .null,
            noticed: "the receipt names other parties"),
        Lie(
            testDescription: "a contract that was never deployed", field: "contractAddress",
            value: stranger, noticed: "the receipt names another contract"),
        Lie(
            testDescription: "a block that is not in the chain", field: "blockHash", value: other,
            noticed: "the receipt's block is not in the chain"),
        Lie(
            testDescription: "another block of the chain", field: "blockNumber", value: "0x1",
            noticed: "the receipt's block is not in the chain"),
        Lie(
            testDescription: "a place that the block does not have", field: "transactionIndex",
            value: "0x1", noticed: "the receipt's block does not hold the transaction"),
        Lie(
            testDescription: "a huge place", field: "transactionIndex",
            value: "0xffffffffffffffff",
            noticed: "the receipt's block does not hold the transaction"),
    ]

    @Test(arguments: lies) func aLyingReceiptIsNoticed(lie: Lie) async throws {
        let chain = node.chain()
        let transaction = try Coins.transfer(from: key)
        #expect(await chain.broadcast(transaction) == nil)
        let truth = try await node.rawReceipt(transaction.hash)
        try await node.fault(
            "eth_getTransactionReceipt", .lie, count: 2,
            result: truth.with(lie.field, lie.value))
        let noticed = TransactionOutcome.unknown(
            transaction.hash, .inconsistentNode(lie.noticed))
        #expect(await chain.wait(for: transaction) == noticed)
        try await node.calm()
        try settled(await chain.resolve(transaction))
    }

    @Test func aReceiptForATransactionThatWasNeverMinedIsNoticed() async throws {
        let chain = node.chain()
        let mined = try Coins.transfer(from: key)
        let waiting = try Coins.transfer(from: key, nonce: 1)
        #expect(await chain.broadcast(mined) == nil)
        let truth = try await node.rawReceipt(mined.hash)
        try await node.fault(
            "eth_getTransactionReceipt", .lie, count: 2,
            result: truth.with("transactionHash", .data(waiting.hash.bytes)))
        #expect(
            await chain.resolve(waiting)
                == .unknown(
                    waiting.hash,
                    .inconsistentNode("the receipt's block does not hold the transaction")))
    }

    @Test func aLogOfAnotherTransactionIsNoticed() async throws {
        let guest = try await house.guest(dollars: 1)
        let chain = node.chain()
        let seen = Recorder()
        let outcome = await house.vault.contract.send(
            "deposit", [.uint(1)], from: guest
        ) { transaction throws(ChainError) in seen.take(transaction) }
        try settled(outcome)
        let transaction = try #require(seen.transactions.first)
        let truth = try await node.rawReceipt(transaction.hash)
        guard case .array(let logs) = truth["logs"] else {
            Issue.record("the receipt has no logs")
            return
        }
        #expect(logs.count == 2)
        for (field, value) in [("transactionHash", Self.other), ("blockHash", Self.other)] {
            let changed = [logs[0], logs[1].with(field, value)]
            try await node.fault(
                "eth_getTransactionReceipt", .lie,
                result: truth.with("logs", .array(changed)))
            #expect(
                await chain.resolve(transaction)
                    == .unknown(
                        transaction.hash,
                        .inconsistentNode("a log of the receipt is of another transaction")))
        }
    }

    @Test func anIllFormedReceiptIsNoAnswer() async throws {
        let chain = node.chain()
        let transaction = try Coins.transfer(from: key)
        #expect(await chain.broadcast(transaction) == nil)
        let truth = try await node.rawReceipt(transaction.hash)
        for (field, value) in [
            ("status", "0x2"), ("status", .null), ("blockNumber", "7"), ("logs", .null),
        ] as [(String, JSONValue)] {
            try await node.fault(
                "eth_getTransactionReceipt", .lie, result: truth.with(field, value))
            guard
                case .unknown(transaction.hash, .rpc(.malformed)) = await chain.resolve(
                    transaction)
            else {
                Issue.record("a receipt with \(field) \(value) was read")
                continue
            }
        }
        try settled(await chain.resolve(transaction))
    }

    /// Its nonce is used up, by itself: a node that hides the receipt must not make it failed.
    @Test func aHiddenReceiptIsNoFailure() async throws {
        let chain = node.chain()
        let transaction = try Coins.transfer(from: key)
        #expect(await chain.broadcast(transaction) == nil)
        for hidden: Int64 in 1...2 {
            try await node.fault("eth_getTransactionReceipt", .lie, count: hidden)
            guard case .unknown(transaction.hash, _) = await chain.resolve(transaction) else {
                Issue.record("a receipt that was hidden \(hidden) times closed the transaction")
                continue
            }
        }
        try settled(await chain.resolve(transaction))
    }

    @Test func aSendThatWasAnsweredAndNotDoneIsDoneLater() async throws {
        let chain = node.chain()
        let transaction = try Coins.transfer(from: key)
        try await node.fault(
            "eth_sendRawTransaction", .lie, result: .data(transaction.hash.bytes))
        #expect(await chain.broadcast(transaction) == nil)
        #expect(try await chain.knows(transaction.hash) == false)
        try settled(await chain.wait(for: transaction))
    }

    @Test func answersToOtherQuestionsAreNoticed() async throws {
        let chain = node.chain()
        let transaction = try Coins.transfer(from: key)
        #expect(await chain.broadcast(transaction) == nil)
        let head: AnyJSON = try await node.rpc.call("eth_getBlockByNumber", ["latest", false])
        try await node.fault(
            "eth_getBlockByNumber", .lie, result: head.value.with("number", "0x2"))
        await #expect(throws: ChainError.inconsistentNode("asked for block 1, got 2")) {
            try await chain.block(1)
        }
        try await node.fault(
            "eth_getTransactionByHash", .lie, result: .object(["hash": Self.other]))
        let swapped = ChainError.inconsistentNode("asked for one transaction, got another")
        await #expect(throws: swapped) { try await chain.knows(transaction.hash) }
    }

    @Test func aNodeOfAnotherChainIsRefusedBeforeAnythingIsSent() async throws {
        let sender = EVMSender(chain: node.chain(), key: key)
        try await node.fault("eth_chainId", .lie, result: "0x1")
        let error = ChainError.wrongChain(expected: EVMNode.chainID, actual: 1)
        #expect(
            await sender.send(to: Coins.receiver, data: []) == .failed(.notSent(error)))
        #expect(try await node.chain().transactionCount(of: key.address, pending: true) == 0)
        await #expect(throws: ChainError.wrongChain(expected: 5, actual: EVMNode.chainID)) {
            try await node.chain(chainID: 5).verifyChain()
        }
    }
}
