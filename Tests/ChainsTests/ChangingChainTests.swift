import Chains
import Cryptography
import LoopbackServer
import Primitives
import Synchronization
import Testing

/// A node whose whole chain changes between two calls of one look.
@Suite(.timeLimit(.minutes(10)))
struct ChangingChainTests {
    static let account = EVMAddress([UInt8](repeating: 0x44, count: 20)) ?? .zero
    static let contract = EVMAddress([UInt8](repeating: 0x55, count: 20)) ?? .zero
    static let head: UInt64 = 10
    static let eventful: UInt64 = 7

    /// Names a block, and with `salt` its transaction.
    static func name(_ branch: UInt8, _ number: UInt64, salt: UInt8 = 0) -> Digest {
        SHA256.hash([branch, salt] + word(number))
    }

    static func block(_ branch: UInt8, _ number: UInt64) -> String {
        """
        {"number":"0x\(String(number, radix: 16))","hash":"0x\(name(branch, number).hex)",
         "parentHash":"0x\(name(branch, number &- 1).hex)","timestamp":"0x1",
         "transactions":["0x\(name(branch, number, salt: 1).hex)"]}
        """
    }

    /// The one event of a branch: a deposit of as much as the branch's number.
    static func logs(_ branch: UInt8, topic: Digest) -> String {
        """
        [{"address":"\(contract.hex)","topics":["0x\(topic.hex)","0x\(EIP712.word(account).hex)"],
          "data":"0x\(Hex.encode(word(UInt64(branch))))","logIndex":"0x0",
          "blockNumber":"0x\(String(eventful, radix: 16))",
          "blockHash":"0x\(name(branch, eventful).hex)",
          "transactionHash":"0x\(name(branch, eventful, salt: 1).hex)"}]
        """
    }

    /// A node on branch 1 that is on branch 2 from its call number `change` on.
    private func node(change: Int, topic: Digest) throws -> TCPServer {
        let calls = Mutex(0)
        return try FakeNode.results { call in
            let count = calls.withLock { count in
                count += 1
                return count
            }
            let branch: UInt8 = count >= change ? 2 : 1
            if call.method == "eth_getLogs" { return Self.logs(branch, topic: topic) }
            guard case .string(let place)? = call.params.first?.value else { return "null" }
            let number = UInt64(place.dropFirst(2), radix: 16) ?? Self.head
            return number > Self.head ? "null" : Self.block(branch, number)
        }
    }

    private func watcher(_ server: TCPServer) throws -> LogWatcher {
        try LogWatcher(
            nodes: EVMNodes(FakeNode.chain(of: server)), contract: Self.contract,
            artifact: try Project.artifact("Exchequer"), blocksByHash: 0)
    }

    /// Whenever it happens, either the look notices, or it brings the old branch's event and a
    /// cursor with which the next look notices. The new branch's event never comes silently.
    @Test(arguments: 2...12) func aDeepReorganisationWhileReadingIsNoticed(change: Int) async throws
    {
        let topic = try Project.artifact("Exchequer").event("Deposited").topic
        let server = try node(change: change, topic: topic)
        let watcher = try watcher(server)
        var cursor = LogCursor(nextBlock: 5, previousHash: Self.name(1, 4))
        do throws(ChainError) {
            let page = try await watcher.read(from: cursor)
            #expect(page.records.map(\.event) == [.deposited(account: Self.account, amount: 1)])
            #expect(page.cursor.previousHash == Self.name(1, Self.head))
            cursor = page.cursor
        } catch {
            switch error {
            case .deepReorg, .inconsistentNode: return
            default: throw error
            }
        }
        for _ in 0..<4 {
            do throws(ChainError) {
                cursor = try await watcher.read(from: cursor).cursor
            } catch {
                #expect(error == .deepReorg(block: Self.head))
                return
            }
        }
        Issue.record("nobody noticed")
    }

    /// A watcher over several nodes, of which two must agree.
    private func watcher(_ servers: [TCPServer]) throws -> LogWatcher {
        try LogWatcher(
            nodes: EVMNodes(
                servers.map { FakeNode.chain(of: $0) }, quorum: Quorum(needed: 2)),
            contract: Self.contract, artifact: try Project.artifact("Exchequer"),
            blocksByHash: 0)
    }

    /// One of three nodes tells of another chain, is not there or is broken: what two say counts.
    @Test func ofThreeNodesTwoAreBelieved() async throws {
        let topic = try Project.artifact("Exchequer").event("Deposited").topic
        let cursor = LogCursor(nextBlock: 5, previousHash: Self.name(1, 4))
        let good = [try node(change: .max, topic: topic), try node(change: .max, topic: topic)]
        let broken = try FakeNode.start { _ in (500, "") }
        for other in [try node(change: 1, topic: topic), broken] {
            let page = try await watcher([other] + good).read(from: cursor)
            #expect(page.records.map(\.event) == [.deposited(account: Self.account, amount: 1)])
            #expect(page.cursor.previousHash == Self.name(1, Self.head))
        }
        // What is final and gone is believed of two as well, and of one only if it is asked alone.
        let bad = [try node(change: 1, topic: topic), try node(change: 1, topic: topic)]
        await #expect(throws: ChainError.deepReorg(block: 4)) {
            try await watcher(bad + [good[0]]).read(from: cursor)
        }
        await #expect(throws: ChainError.self) {
            try await watcher([good[0], broken, broken]).read(from: cursor)
        }
        // One that tells of another chain stops nobody, when another one is away.
        for nodes in [[bad[0], good[0], broken], [broken, bad[0], good[0]], [good[0], bad[0]]] {
            let watcher = try watcher(nodes)
            do throws(ChainError) {
                _ = try await watcher.read(from: cursor)
                Issue.record("one node was believed")
            } catch {
                #expect(error != .deepReorg(block: 4))
            }
        }
    }

    @Test func aChainThatStaysIsReadAsItIs() async throws {
        let topic = try Project.artifact("Exchequer").event("Deposited").topic
        let server = try node(change: .max, topic: topic)
        let page = try await watcher(server).read(
            from: LogCursor(nextBlock: 5, previousHash: Self.name(1, 4)))
        #expect(page.records.map(\.event) == [.deposited(account: Self.account, amount: 1)])
        #expect(
            page.cursor == LogCursor(nextBlock: 11, previousHash: Self.name(1, Self.head)))
        let reference = try #require(page.records.first?.reference)
        #expect(reference.blockNumber == Self.eventful && reference.logIndex == 0)
        #expect(reference.transaction == Self.name(1, Self.eventful, salt: 1))
    }
}
