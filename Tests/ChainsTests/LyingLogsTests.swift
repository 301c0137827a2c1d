import Chains
import Cryptography
import Primitives
import Testing

/// Logs that were not asked for, or that the chain does not hold.
@Suite(.serialized, .house, .timeLimit(.minutes(10)))
struct LyingLogsTests {
    private let house: House
    private let guest: EVMSender
    private let start: LogCursor
    private let watcher: LogWatcher
    /// Two deposits, as the node tells them.
    private let truth: [JSONValue]

    init() async throws {
        house = try #require(House.current)
        try await house.node.calm()
        guest = try await house.guest()
        let chain = house.node.chain()
        let head = try await chain.head()
        start = LogCursor(nextBlock: head.number + 1, previousHash: head.hash)
        watcher = try LogWatcher(
            nodes: EVMNodes(chain), contract: house.vault.address,
            artifact: house.vault.contract.artifact, blocksByHash: 0)
        for amount: UInt128 in [1, 2] {
            try settled(await house.vault.deposit(amount, from: guest))
        }
        let logs: AnyJSON = try await house.node.rpc.call(
            "eth_getLogs",
            [
                .object([
                    "fromBlock": .quantity(start.nextBlock),
                    "address": .data(house.vault.address.bytes),
                ])
            ])
        guard case .array(let truth) = logs.value, truth.count == 2 else {
            throw ABIError.truncated
        }
        self.truth = truth
    }

    private func said(_ logs: [JSONValue]) async throws -> ChainError? {
        try await house.node.fault("eth_getLogs", .lie, result: .array(logs))
        do throws(ChainError) {
            _ = try await watcher.read(from: start)
            return nil
        } catch {
            return error
        }
    }

    @Test func theTruthIsRead() async throws {
        #expect(try await said(truth) == nil)
        let events = try await watcher.read(from: start).records.map(\.event)
        #expect(
            events == [
                .deposited(account: guest.address, amount: 1),
                .deposited(account: guest.address, amount: 2),
            ])
    }

    @Test func logsThatWereNotAskedForAreRefused() async throws {
        let error = ChainError.inconsistentNode("a log that was not asked for")
        let foreign = Keccak256.hash(Array("Transfer(address,address,uint256)".utf8))
        for (field, value) in [
            ("address", .data(house.usd.address.bytes)), ("removed", true),
            ("topics", .array([])), ("topics", .array([.data(foreign.bytes)])),
            ("blockNumber", .quantity(start.nextBlock - 1)),
            ("blockNumber", .quantity(start.nextBlock + 2)),
        ] as [(String, JSONValue)] {
            #expect(try await said([truth[0].with(field, value)]) == error, "\(field)")
        }
    }

    @Test func logsThatTheChainDoesNotHoldAreRefused() async throws {
        let word = JSONValue.data([UInt8](repeating: 3, count: 32))
        #expect(
            try await said([truth[0].with("blockHash", word)])
                == .inconsistentNode("a log of a block that is not in the chain"))
        #expect(
            try await said([truth[0].with("transactionHash", word)])
                == .inconsistentNode("a log of a transaction that is not in its block"))
        #expect(
            try await said([truth[0].with("blockNumber", truth[1]["blockNumber"])])
                == .inconsistentNode("a log of a block that is not in the chain"))
    }

    @Test func logsOutOfOrderOrTwiceAreRefused() async throws {
        let error = ChainError.inconsistentNode("logs are out of order")
        #expect(try await said([truth[1], truth[0]]) == error)
        #expect(try await said([truth[0], truth[0]]) == error)
    }

    @Test func eventsThatCannotBeReadStopTheReading() async throws {
        #expect(try await said([truth[0].with("data", "0x")]) == .abi(.truncated))
        let huge = JSONValue.data([UInt8](repeating: 0xff, count: 32))
        #expect(try await said([truth[0].with("data", huge)]) == .abi(.overflow("Deposited")))
        guard case .array(let topics) = truth[0]["topics"] else {
            Issue.record("no topics")
            return
        }
        #expect(
            try await said([truth[0].with("topics", .array([topics[0]]))]) == .abi(.truncated))
    }
}
