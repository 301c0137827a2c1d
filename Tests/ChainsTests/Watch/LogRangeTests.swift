import Chains
import LoopbackServer
import Primitives
import Synchronization
import Testing

/// Nodes that answer a range with less than there is, and nodes that answer no long ranges.
@Suite(.timeLimit(.minutes(10))) struct LogRangeTests {
    private typealias Chain = ChangingChainTests

    /// How an endpoint answers for logs.
    private enum Manner: Sendable {
        /// Behind it are two machines, and the one that is asked for logs has no blocks yet.
        case lagging
        /// Ranges of more than so many blocks are refused, with these words.
        case limited(UInt64, String)
        /// Of the blocks between the third and its head it tells those of another branch.
        case mixed
    }

    private final class Counter: Sendable {
        let value = Mutex(0)
    }

    private func node(_ manner: Manner, _ refusals: Counter) throws -> TCPServer {
        let topic = try Project.artifact("Exchequer").event("Deposited").topic
        return try FakeNode.start { call in
            func said(_ result: String) -> (Int, String) {
                (200, #"{"jsonrpc":"2.0","id":\#(call.id),"result":\#(result)}"#)
            }
            func refused(_ words: String) -> (Int, String) {
                refusals.value.withLock { $0 += 1 }
                return (
                    200,
                    #"{"jsonrpc":"2.0","id":\#(call.id),"error":{"code":-32005,"message":"\#(words)"}}"#
                )
            }
            guard call.method == "eth_getLogs" else {
                guard case .string(let place)? = call.params.first?.value else {
                    return said("null")
                }
                let number = UInt64(place.dropFirst(2), radix: 16) ?? Chain.head
                if case .mixed = manner, number > 2, number < Chain.head {
                    return said(Chain.block(2, number))
                }
                return said(number > Chain.head ? "null" : Chain.block(1, number))
            }
            guard let filter = call.params.first?.value else { return said("[]") }
            if case .string(let hash) = filter["blockHash"] {
                if case .lagging = manner { return refused("unknown block") }
                let wanted = "0x" + Chain.name(1, Chain.eventful).hex
                return said(hash == wanted ? Chain.logs(1, topic: topic) : "[]")
            }
            guard case .string(let low) = filter["fromBlock"],
                case .string(let high) = filter["toBlock"],
                let first = UInt64(low.dropFirst(2), radix: 16),
                let last = UInt64(high.dropFirst(2), radix: 16)
            else { return said("[]") }
            switch manner {
            case .lagging, .mixed: return said("[]")
            case .limited(let most, let words):
                if last - first >= most { return refused(words) }
                let isThere = (first...last).contains(Chain.eventful)
                return said(isThere ? Chain.logs(1, topic: topic) : "[]")
            }
        }
    }

    private func read(_ server: TCPServer, blocksByHash: UInt64) async throws -> LogPage {
        let watcher = try LogWatcher(
            nodes: EVMNodes(FakeNode.chain(of: server)), contract: Chain.contract,
            artifact: try Project.artifact("Exchequer"), blocksByHash: blocksByHash)
        return try await watcher.read(
            from: LogCursor(nextBlock: 3, previousHash: Chain.name(1, 2)))
    }

    /// By range nobody would notice; by hash a machine that lacks the block has to say so.
    @Test func aMachineThatLagsIsFoundOutByTheHash() async throws {
        let refusals = Counter()
        let server = try node(.lagging, refusals)
        #expect(try await read(server, blocksByHash: 0).records.isEmpty)
        await #expect(throws: ChainError.self) { try await read(server, blocksByHash: 16) }
    }

    @Test func blocksThatDoNotFollowEachOtherAreNoChain() async throws {
        let server = try node(.mixed, Counter())
        await #expect(
            throws: ChainError.inconsistentNode(
                "block \(Chain.head) does not follow the one below")
        ) {
            try await read(server, blocksByHash: 16)
        }
    }

    @Test(arguments: [1, 2, 3, 8] as [UInt64]) func longRangesAreAskedForInParts(
        most: UInt64
    ) async throws {
        for words in ["query returned more than 10000 results", "block range is too wide"] {
            let refusals = Counter()
            let server = try node(.limited(most, words), refusals)
            for blocksByHash: UInt64 in [0, 2, 16] {
                let page = try await read(server, blocksByHash: blocksByHash)
                #expect(
                    page.records.map(\.event) == [.deposited(account: Chain.account, amount: 1)])
                #expect(page.cursor.nextBlock == Chain.head + 1)
            }
            #expect(refusals.value.withLock { $0 } > 0 || most == 8)
        }
    }
}
