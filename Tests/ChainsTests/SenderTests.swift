import Chains
import Cryptography
import LoopbackServer
import Primitives
import Synchronization
import Testing
import Transport

/// Keeps the transactions that are about to be sent.
final class Recorder: Sendable {
    private let taken = Mutex<[SignedTransaction]>([])

    var transactions: [SignedTransaction] { taken.withLock { $0 } }

    func take(_ transaction: SignedTransaction) { taken.withLock { $0.append(transaction) } }
}

@Suite(.serialized, .house, .timeLimit(.minutes(10)))
struct SenderTests {
    private let node: EVMNode
    private let sender: EVMSender

    init() async throws {
        node = try #require(House.current).node
        sender = EVMSender(chain: node.chain(), key: try node.freshKey())
        try await node.calm()
    }

    private func pay(
        _ value: UInt128 = 1, timeout: Duration = .seconds(60),
        beforeSending: @escaping BeforeSending = { _ in }
    ) async -> TransactionOutcome {
        await sender.send(
            to: Coins.receiver, data: [], value: value, timeout: timeout,
            beforeSending: beforeSending)
    }

    private func count(pending: Bool = true) async throws -> UInt64 {
        try await sender.chain.transactionCount(of: sender.address, pending: pending)
    }

    @Test func manyAtOnceEachGetANonce() async throws {
        let recorder = Recorder()
        let outcomes = await withTaskGroup(of: TransactionOutcome.self) { group in
            for value: UInt128 in 1...12 {
                group.addTask {
                    await pay(value) { transaction throws(ChainError) in
                        recorder.take(transaction)
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        for outcome in outcomes { try settled(outcome) }
        #expect(recorder.transactions.map(\.nonce) == Array(0..<12))
        #expect(try await count(pending: false) == 12)
    }

    @Test func theTransactionIsHandedOutBeforeAnybodyHasSeenIt() async throws {
        let recorder = Recorder()
        let chain = node.chain()
        let outcome = await pay { transaction throws(ChainError) in
            recorder.take(transaction)
            let isKnown = try await chain.knows(transaction.hash)
            #expect(!isKnown)
        }
        let transaction = try #require(recorder.transactions.first)
        #expect(try settled(outcome).transaction == transaction.hash)
        #expect(transaction.sender == sender.address)
        #expect(recorder.transactions.count == 1)
    }

    @Test func whatCannotBeWrittenDownIsNotSent() async throws {
        let outcome = await pay { _ throws(ChainError) in throw .cancelled }
        #expect(outcome == .failed(.notSent(.cancelled)))
        #expect(try await count() == 0)
        try settled(await pay())
    }

    @Test func gasOverTheLimitIsNotPaid() async throws {
        try await node.fault("eth_maxPriorityFeePerGas", .lie, result: "0x746a528801")
        guard case .failed(.notSent(.feeTooHigh(let limit))) = await pay() else {
            Issue.record("the fee was paid")
            return
        }
        #expect(limit > 500_000_000_000)
        for (tip, field) in [("0x1", "0xffffffffffffffffffffffffffffffff"), ("0x1", "0x0")] {
            let head: AnyJSON = try await node.rpc.call(
                "eth_getBlockByNumber", ["latest", false])
            try await node.fault(
                "eth_getBlockByNumber", .lie,
                result: head.value.with("baseFeePerGas", .string(field)))
            try await node.fault("eth_maxPriorityFeePerGas", .lie, result: .string(tip))
            if field == "0x0" {
                #expect(try await sender.chain.fees() == (tip: 1, limit: 1))
            } else {
                #expect(await pay() == .failed(.notSent(.feeTooHigh(.max))))
            }
        }
        #expect(try await count() == 0)
    }

    @Test func aNodeThatCannotBeAskedGetsNothing() async throws {
        let gone = EVMChain(
            rpc: JSONRPC(url: "http://127.0.0.1:\(try TCPServer.closedPort())"),
            chainID: EVMNode.chainID, confirmations: 1)
        let key = try #require(Secp256k1.PrivateKey([UInt8](repeating: 5, count: 32)))
        let outcome = await EVMSender(chain: gone, key: key).send(to: .zero, data: [])
        guard case .failed(.notSent(.rpc(.transport(.couldNotConnect(_))))) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        for method in [
            "eth_chainId", "eth_estimateGas", "eth_maxPriorityFeePerGas",
            "eth_getTransactionCount",
        ] {
            try await node.fault(method, .error)
            let refused = RPCError.server(code: -32_000, message: "injected fault", data: nil)
            #expect(await pay() == .failed(.notSent(.rpc(refused))), "\(method)")
        }
        #expect(try await count() == 0)
    }

    @Test(arguments: [EVMNode.Fault.lost, .garbage])
    func anAnswerLostOnTheWayDoesNotPayTwice(fault: EVMNode.Fault) async throws {
        let before = try await node.chain().balance(of: Coins.receiver)
        try await node.fault("eth_sendRawTransaction", fault, count: 2)
        try settled(await pay(1_000))
        try await node.calm()
        #expect(try await count() == 1)
        #expect(try await node.chain().balance(of: Coins.receiver) == before + 1_000)
    }

    @Test func aRefusalFreesTheNonce() async throws {
        try await node.fault("eth_sendRawTransaction", .error)
        let refused = TransactionFailure.refused(code: -32_000, message: "injected fault")
        #expect(await pay() == .failed(refused))
        try settled(await pay())
        #expect(try await count() == 1)
    }

    /// A transaction that never arrived is unknown until another with its nonce is in the chain.
    @Test func anUnknownTransactionIsReplacedByTheNext() async throws {
        let recorder = Recorder()
        try await node.fault("eth_sendRawTransaction", .lie, result: .null)
        let outcome = await pay(timeout: .zero) { transaction throws(ChainError) in
            recorder.take(transaction)
        }
        let first = try #require(recorder.transactions.first)
        #expect(outcome == .unknown(first.hash, .timedOut))
        #expect(await sender.chain.resolve(first) == .unknown(first.hash, .timedOut))
        try settled(await pay(2))
        #expect(await sender.chain.resolve(first) == .failed(.replaced))
    }

    @Test func aCancelledWaitLeavesTheOutcomeUnknown() async throws {
        try await node.automine(false)
        let recorder = Recorder()
        let task = Task {
            await pay { transaction throws(ChainError) in recorder.take(transaction) }
        }
        while try await count() == 0 { await Task.yield() }
        task.cancel()
        let transaction = try #require(recorder.transactions.first)
        guard case .unknown(transaction.hash, _) = await task.value else {
            Issue.record("a cancelled wait closed the transaction")
            return
        }
        try await node.mine()
        try settled(await sender.chain.resolve(transaction))
    }
}
