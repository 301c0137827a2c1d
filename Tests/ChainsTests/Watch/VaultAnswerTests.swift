import Chains
import Foundation
import LoopbackServer
import Primitives
import Synchronization
import Testing

/// What the watcher of a vault makes of single answers of a node.
@Suite struct VaultAnswerTests {
    private let account = SimulatedHistory.vault
    private let name = SimulatedHistory.name(1)

    /// A node that tells these final slots one after the other, and then the last one again.
    private func node(_ slots: [UInt64], transaction: String = "null") throws -> TCPServer {
        let told = Mutex(0)
        let holding = JSONHolding(account: account, amount: 7).text
        return try FakeNode.results { call in
            switch call.method {
            case "getSlot":
                let place = told.withLock { told in
                    defer { told += 1 }
                    return told
                }
                return "\(slots[min(place, slots.count - 1)])"
            case "getFirstAvailableBlock": return "0"
            case "getSignaturesForAddress": return "[]"
            case "getMultipleAccounts":
                return #"{"context":{"slot":1},"value":[\#(holding)]}"#
            case "getTransaction": return transaction
            default: return "null"
            }
        }
    }

    private struct JSONHolding {
        let text: String

        /// A token account with an amount at 64.
        init(account: SolanaAddress, amount: UInt8) {
            var data = [UInt8](repeating: 0, count: 165)
            data[64] = amount
            let base64 = Data(data).base64EncodedString()
            text =
                #"{"owner":"\#(SolanaAddress.token)","lamports":1,"data":["\#(base64)","base64"]}"#
        }
    }

    private func chain(_ server: TCPServer) -> SolanaChain {
        SolanaChain(rpc: FakeNode.client(of: server))
    }

    private func watcher(_ server: TCPServer) -> SolanaVaultWatcher {
        SolanaVaultWatcher(nodes: SolanaNodes(chain(server)), account: account, margin: 8)
    }

    @Test func theNewestFinalSlotsAreLeftForTheNextLook() async throws {
        let server = try node([100, 100])
        #expect(try await watcher(server).finalSlot() == 92)
        let page = try await watcher(server).read(from: VaultCursor(slot: 50))
        #expect(page.cursor == VaultCursor(slot: 92) && !page.hasMore)
        let young = try node([5])
        #expect(try await watcher(young).finalSlot() == 0)
    }

    /// Behind one endpoint there may be several machines.
    @Test func oneThatIsBehindTellsNothing() async throws {
        let server = try node([100, 91])
        await #expect(
            throws: ChainError.inconsistentNode(
                "slot 92 is not there yet: the node is behind")
        ) {
            try await watcher(server).read(from: VaultCursor(slot: 50))
        }
        #expect(try await watcher(server).balance(notBefore: 91) == 7)
        await #expect(throws: ChainError.self) {
            try await watcher(server).balance(notBefore: 92)
        }
    }

    /// A node that kept no balances, or no inner instructions, cannot say that there were none.
    @Test func aTransactionIsToldWholeOrNotAtAll() async throws {
        let parts = [
            #""innerInstructions":[]"#, #""preTokenBalances":[]"#, #""postTokenBalances":[]"#,
        ]
        func told(_ parts: [String]) async throws -> VaultTrace? {
            let server = try node(
                [1],
                transaction: #"{"slot":5,"meta":{"err":null,\#(parts.joined(separator: ","))},"#
                    + #""transaction":{"signatures":["\#(Base58.encode(name.bytes))"],"#
                    + #""message":{"accountKeys":[],"instructions":[]}}}"#)
            return try await chain(server).trace(of: name)
        }
        let whole = try #require(try await told(parts))
        #expect(
            whole.listing == VaultListing(transaction: name, slot: 5, isUndone: false)
                && whole.before.isEmpty)
        for place in parts.indices {
            var less = parts
            less[place] = #""other":null"#
            await #expect(throws: ChainError.self, "\(parts[place])") { try await told(less) }
        }
    }
}
