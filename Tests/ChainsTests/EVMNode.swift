import Chains
import Cryptography
import Foundation
import Primitives
import Synchronization
import Testing
import Transport

/// A process of `Tests/Harness/evm_node.py` and the words that steer it. It ends with `stop`, with
/// this value, and by itself when the tests are gone.
final class EVMNode: Sendable {
    /// What a fault does to a call; see `evm_node.py`.
    enum Fault: String {
        case error, lost, hang, garbage, lie
    }

    static let chainID: UInt64 = 31_337
    let rpc: JSONRPC
    private let keys: [Secp256k1.PrivateKey]
    private let nextKey = Atomic(0)
    private let process: Process

    private struct Announcement: Decodable {
        struct Account: Decodable {
            let privateKey: String
        }
        let listening: String
        let chainId: UInt64
        let accounts: [Account]
    }

    /// Starts the process and waits until it listens.
    static func start(accounts: Int = 60) async throws -> EVMNode {
        let (process, said): (Process, Announcement) = try await NodeProcess.start(
            "evm_node.py", accounts: accounts)
        do {
            try #require(said.chainId == chainID)
            return EVMNode(
                process, url: said.listening,
                keys: try said.accounts.map {
                    try #require(Secp256k1.PrivateKey(try hex($0.privateKey)))
                })
        } catch {
            process.terminate()
            throw error
        }
    }

    private init(_ process: Process, url: String, keys: [Secp256k1.PrivateKey]) {
        self.process = process
        self.keys = keys
        rpc = JSONRPC(url: url, timeout: .seconds(60), client: HTTPClient())
    }

    deinit { stop() }

    func stop() {
        guard process.isRunning else { return }
        process.terminate()
        process.waitUntilExit()
    }

    /// The key of a funded account that no other test of this node has.
    func freshKey() throws -> Secp256k1.PrivateKey {
        let index = nextKey.add(1, ordering: .relaxed).oldValue
        try #require(index < keys.count, "start the node with more accounts")
        return keys[index]
    }

    /// The key of one of the node's accounts.
    func key(of account: EVMAddress) -> Secp256k1.PrivateKey? {
        keys.first { $0.address == account }
    }

    /// The chain with a connection of its own.
    func chain(
        confirmations: UInt64 = 1, chainID: UInt64 = EVMNode.chainID,
        timeout: Duration = .seconds(60)
    ) -> EVMChain {
        EVMChain(
            rpc: JSONRPC(url: rpc.url, timeout: timeout, client: HTTPClient()), chainID: chainID,
            confirmations: confirmations, pollInterval: .milliseconds(5))
    }
}

extension EVMNode {
    /// Removes what an earlier test may have left.
    func calm() async throws {
        let cleared: Bool = try await rpc.call("test_clearFaults")
        #expect(cleared)
        try await minimumTip(0)
        try await automine(true)
    }

    /// The least tip that the pool takes, in wei.
    func minimumTip(_ wei: UInt64) async throws {
        let _: Bool = try await rpc.call(
            "test_setMinimumTip", [.string("0x" + String(wei, radix: 16))])
    }

    /// Whether each transaction is mined at once.
    func automine(_ on: Bool) async throws {
        let _: Bool = try await rpc.call("evm_setAutomine", [.bool(on)])
    }

    func mine(_ blocks: UInt64 = 1) async throws {
        let nothing: String? = try await rpc.callOptional("anvil_mine", [.quantity(blocks)])
        #expect(nothing == nil)
    }

    /// Puts the chain's clock forward and mines a block there.
    func pass(seconds: UInt64) async throws {
        let _: Int64 = try await rpc.call("evm_increaseTime", [.quantity(seconds)])
        try await mine()
    }

    /// Un-mines `depth` blocks, with or without keeping their transactions waiting, and mines
    /// `blocks` others, as many unless told otherwise.
    func reorganise(_ depth: Int64, keep: Bool, blocks: Int64? = nil) async throws {
        let _: String = try await rpc.call(
            "anvil_reorg", [.integer(depth), .bool(keep), .integer(blocks ?? depth)])
    }

    /// Lets the next `count` calls of a method go wrong; an `error` with these words.
    func fault(
        _ method: String, _ kind: Fault, count: Int64 = 1, after: Int64 = 0, seconds: Int64 = 30,
        result: JSONValue = .null, message: String = "injected fault"
    ) async throws {
        let fields: [String: JSONValue] = [
            "method": .string(method), "kind": .string(kind.rawValue), "count": .integer(count),
            "after": .integer(after), "seconds": .integer(seconds), "result": result,
            "message": .string(message),
        ]
        let taken: Bool = try await rpc.call("test_fault", [.object(fields)])
        #expect(taken)
    }

    /// What the node says about a transaction's receipt, as it says it.
    func rawReceipt(_ transaction: Digest) async throws -> JSONValue {
        let receipt: AnyJSON = try await rpc.call(
            "eth_getTransactionReceipt", [.data(transaction.bytes)])
        return receipt.value
    }
}
