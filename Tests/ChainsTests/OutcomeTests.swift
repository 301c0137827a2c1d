import Chains
import Cryptography
import Primitives
import Testing
import Transport

/// Transactions whose fate is not plain at once: unknown is never failed, and the chain decides.
@Suite(.serialized, .house, .timeLimit(.minutes(10)))
struct OutcomeTests {
    private let node: EVMNode
    private let key: Secp256k1.PrivateKey

    init() async throws {
        node = try #require(House.current).node
        key = try node.freshKey()
        try await node.calm()
    }

    private func transfer(
        nonce: UInt64 = 0, value: UInt128 = 1, tip: UInt128 = Coins.gwei,
        chainID: UInt64 = EVMNode.chainID
    ) throws -> SignedTransaction {
        try Coins.transfer(from: key, nonce: nonce, value: value, tip: tip, chainID: chainID)
    }

    @Test func aTransactionIsUnknownUntilItsBlockIsDeepEnough() async throws {
        let chain = node.chain(confirmations: 3)
        let transaction = try transfer()
        try await node.automine(false)
        #expect(await chain.resolve(transaction) == .unknown(transaction.hash, .timedOut))
        #expect(await chain.broadcast(transaction) == nil)
        let height = try await chain.head().number
        for _ in 0..<3 {
            #expect(await chain.resolve(transaction) == .unknown(transaction.hash, .timedOut))
            try await node.mine()
        }
        let receipt = try settled(await chain.resolve(transaction))
        #expect(receipt.transaction == transaction.hash && receipt.succeeded)
        #expect(receipt.blockNumber == height + 1 && receipt.index == 0)
        #expect(receipt.blockHash == (try await chain.block(height + 1)?.hash))
        #expect(receipt.from == key.address && receipt.to == Coins.receiver)
        #expect(receipt.gasUsed == 21_000 && receipt.logs.isEmpty)
    }

    @Test func aDroppedResponseIsResolvedByTheChain() async throws {
        let chain = node.chain()
        let transaction = try transfer()
        // The HTTP client may ask a second time: that answer is dropped too.
        try await node.fault("eth_sendRawTransaction", .lost, count: 2)
        let error = await #expect(throws: RPCError.self) {
            try await node.chain().rpc.call(
                "eth_sendRawTransaction", [.data(transaction.raw)], as: String.self)
        }
        #expect(error?.isOutcomeUnknown == true)
        #expect(await chain.broadcast(transaction) == nil)
        try settled(await chain.wait(for: transaction))
    }

    @Test func anAnswerThatIsNoJSONIsResolvedByTheChain() async throws {
        let chain = node.chain()
        let transaction = try transfer()
        try await node.fault("eth_sendRawTransaction", .garbage)
        #expect(await chain.broadcast(transaction) == nil)
        try settled(await chain.resolve(transaction))
    }

    @Test func anAnswerThatComesTooLateIsResolvedByTheChain() async throws {
        let hasty = node.chain(timeout: .seconds(3)).rpc
        let transaction = try transfer()
        try await node.fault("eth_sendRawTransaction", .hang, seconds: 20)
        await #expect(throws: RPCError.transport(.timedOut(mayHaveArrived: true))) {
            try await hasty.call(
                "eth_sendRawTransaction", [.data(transaction.raw)], as: String.self)
        }
        try settled(await node.chain().wait(for: transaction))
    }

    @Test func alreadyKnownAndNonceTooLowMayMeanThisVeryTransaction() async throws {
        let chain = node.chain()
        let transaction = try transfer()
        try await node.automine(false)
        #expect(await chain.broadcast(transaction) == nil)
        let known = RPCError.server(code: -32_000, message: "already known", data: nil)
        await #expect(throws: known) { try await send(transaction) }
        #expect(await chain.broadcast(transaction) == nil)
        try await node.mine()
        let low = RPCError.server(
            code: -32_000, message: "nonce too low: next nonce 1, tx nonce 0", data: nil)
        await #expect(throws: low) { try await send(transaction) }
        #expect(await chain.broadcast(transaction) == nil)
        try settled(await chain.resolve(transaction))
    }

    @Test func aRefusalIsOnlyBelievedFromANodeThatSaysItDoesNotKnowTheTransaction() async throws {
        let chain = node.chain()
        let transaction = try transfer()
        let refused = TransactionFailure.refused(code: -32_000, message: "injected fault")
        try await node.fault("eth_sendRawTransaction", .error)
        #expect(await chain.broadcast(transaction) == refused)
        try await node.fault("eth_sendRawTransaction", .error)
        try await node.fault("eth_getTransactionByHash", .error)
        #expect(await chain.broadcast(transaction) == nil)
        #expect(await chain.resolve(transaction) == .unknown(transaction.hash, .timedOut))
    }

    @Test func anUnderpricedReplacementIsRefusedAndTheFirstCounts() async throws {
        let chain = node.chain(confirmations: 2)
        let (first, second) = (try transfer(), try transfer(value: 2))
        try await node.automine(false)
        #expect(await chain.broadcast(first) == nil)
        let message = "replacement transaction underpriced"
        #expect(await chain.broadcast(second) == .refused(code: -32_000, message: message))
        try await node.mine()
        #expect(await chain.resolve(second) == .unknown(second.hash, .timedOut))
        try await node.mine()
        try settled(await chain.resolve(first))
        #expect(await chain.resolve(second) == .failed(.replaced))
    }

    @Test func aBetterPaidReplacementWinsOnlyOnceItIsDeepEnough() async throws {
        let chain = node.chain(confirmations: 3)
        let (first, second) = (try transfer(), try transfer(value: 2, tip: 2 * Coins.gwei))
        try await node.automine(false)
        #expect(await chain.broadcast(first) == nil)
        #expect(await chain.broadcast(second) == nil)
        for _ in 0..<3 {
            #expect(await chain.resolve(first) == .unknown(first.hash, .timedOut))
            #expect(await chain.resolve(second) == .unknown(second.hash, .timedOut))
            try await node.mine()
        }
        #expect(await chain.resolve(first) == .failed(.replaced))
        try settled(await chain.resolve(second))
    }

    @Test func aTransactionBehindANonceGapWaitsAndIsNotFailed() async throws {
        let chain = node.chain()
        let (first, second) = (try transfer(), try transfer(nonce: 1))
        #expect(await chain.broadcast(second) == nil)
        try await node.mine(3)
        #expect(
            await chain.wait(for: second, timeout: .zero) == .unknown(second.hash, .timedOut))
        #expect(try await chain.knows(second.hash))
        #expect(try await chain.transactionCount(of: key.address, pending: true) == 0)
        #expect(await chain.broadcast(first) == nil)
        try settled(await chain.wait(for: first))
        try settled(await chain.wait(for: second))
        #expect(try await chain.transactionCount(of: key.address) == 2)
    }

    @Test func whatCanNeverBeMinedIsRefused() async throws {
        let chain = node.chain()
        for (transaction, message) in [
            (try transfer(value: .max >> 1), "insufficient funds for gas * price + value"),
            (try transfer(chainID: 1), "invalid chain id for signer"),
        ] {
            #expect(
                await chain.broadcast(transaction) == .refused(code: -32_000, message: message))
        }
        #expect(try await chain.transactionCount(of: key.address, pending: true) == 0)
    }

    @Test func aReorganisationThatKeepsTheTransactionMovesIt() async throws {
        let chain = node.chain(confirmations: 2)
        let transaction = try transfer()
        try await node.automine(false)
        #expect(await chain.broadcast(transaction) == nil)
        try await node.mine()
        let first = try #require(try await chain.uncheckedReceipt(of: transaction.hash))
        #expect(await chain.resolve(transaction) == .unknown(transaction.hash, .timedOut))
        try await node.reorganise(1, keep: true)
        #expect(await chain.resolve(transaction) == .unknown(transaction.hash, .timedOut))
        try await node.mine()
        let receipt = try settled(await chain.resolve(transaction))
        #expect(receipt.blockHash != first.blockHash)
    }

    /// `wait` gives the node back what it forgot.
    @Test func aReorganisationThatDropsTheTransactionIsHealed() async throws {
        let chain = node.chain()
        let transaction = try transfer()
        try settled(await sent(transaction, chain))
        try await node.reorganise(1, keep: false)
        #expect(await chain.resolve(transaction) == .unknown(transaction.hash, .timedOut))
        #expect(try await chain.knows(transaction.hash) == false)
        try settled(await chain.wait(for: transaction))
    }

    @Test func afterAReorganisationAnotherTransactionMayHaveTakenThePlace() async throws {
        let chain = node.chain(confirmations: 2)
        let (first, second) = (try transfer(), try transfer(value: 2))
        try await node.automine(false)
        #expect(await chain.broadcast(first) == nil)
        try await node.mine()
        try await node.reorganise(1, keep: false, blocks: 0)
        #expect(await chain.resolve(first) == .unknown(first.hash, .timedOut))
        #expect(await chain.broadcast(second) == nil)
        try await node.mine()
        #expect(await chain.resolve(first) == .unknown(first.hash, .timedOut))
        try await node.mine()
        #expect(await chain.resolve(first) == .failed(.replaced))
        try settled(await chain.resolve(second))
    }

    @Test func aTransactionIsNeverJudgedByAnotherChain() async throws {
        let used = try transfer()
        try settled(await sent(used, node.chain()))
        let foreign = try transfer(value: 2, chainID: 1)
        let error = ChainError.wrongChain(expected: 1, actual: EVMNode.chainID)
        let other = node.chain(chainID: 1)
        await #expect(throws: error) { try await other.verifyChain() }
        #expect(await other.resolve(foreign) == .unknown(foreign.hash, error))
        let mixed = ChainError.wrongChain(expected: 1, actual: EVMNode.chainID)
        #expect(await node.chain().resolve(foreign) == .unknown(foreign.hash, mixed))
    }

    private func send(_ transaction: SignedTransaction) async throws(RPCError) -> String {
        try await node.rpc.call("eth_sendRawTransaction", [.data(transaction.raw)])
    }

    private func sent(
        _ transaction: SignedTransaction, _ chain: EVMChain
    ) async -> TransactionOutcome {
        if let failure = await chain.broadcast(transaction) { return .failed(failure) }
        return await chain.wait(for: transaction)
    }
}

/// Plain transfers of ether, signed by hand.
enum Coins {
    static let gwei: UInt128 = 1_000_000_000
    static let receiver = EVMAddress([UInt8](repeating: 0xee, count: 20)) ?? .zero

    static func transfer(
        from key: Secp256k1.PrivateKey, nonce: UInt64 = 0, value: UInt128 = 1,
        tip: UInt128 = gwei, chainID: UInt64 = EVMNode.chainID
    ) throws -> SignedTransaction {
        EVMTransaction(
            chainID: chainID, nonce: nonce, maxPriorityFeePerGas: tip,
            maxFeePerGas: 10 * tip, gasLimit: 21_000, to: receiver, value: value
        ).signed(by: key)
    }
}
