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

    // MARK: The data of calls

    /// What a transaction with these calls tells of the account, of which `inner` are calls that
    /// the first one led to; it leaves the account with `after`.
    private func events(
        _ calls: [String], inner: [String] = [], after: UInt64
    ) async throws -> [VaultEvent] {
        func held(_ amount: UInt64) -> String {
            #"[{"accountIndex":0,"owner":null,"uiTokenAmount":{"amount":"\#(amount)"}}]"#
        }
        let named = keys.map { "\"\($0)\"" }.joined(separator: ",")
        let (outer, led) = (calls.joined(separator: ","), inner.joined(separator: ","))
        let parts: [String] = [
            #"{"slot":5,"meta":{"err":null,"#,
            #""innerInstructions":[{"index":0,"instructions":[\#(led)]}],"#,
            #""preTokenBalances":\#(held(0)),"postTokenBalances":\#(held(after))},"#,
            #""transaction":{"signatures":["\#(Base58.encode(name.bytes))"],"#,
            #""message":{"accountKeys":[\#(named)],"instructions":[\#(outer)]}}}"#,
        ]
        let server = try node([1], transaction: parts.joined())
        let found = try await chain(server).trace(of: name, program: SimulatedHistory.program)
        let trace = try #require(found)
        var scan = try VaultScan(
            of: account, program: SimulatedHistory.program, from: VaultCursor(slot: 1), upTo: 9,
            history: 0)
        try scan.take([trace.listing])
        try scan.take([] as [VaultListing])
        try scan.take(trace)
        return try #require(scan.page).records.map(\.event)
    }

    /// The account, a stranger, and four programs: payouts, tokens, memos and somebody's own.
    private var keys: [SolanaAddress] {
        [account, SimulatedHistory.stranger, SimulatedHistory.program]
            + [.token, .memo, .lookupTables]
    }

    private func call(_ program: Int, _ accounts: [Int], _ data: String) -> String {
        #"{"programIdIndex":\#(program),"accounts":\#(accounts),"data":"\#(data)"}"#
    }

    private func memo(_ text: String) -> String {
        call(4, [], Base58.encode(Array(text.utf8)))
    }

    private func words(_ tag: [UInt8], _ number: UInt64) -> String {
        var data = ByteWriter()
        data.writeRaw(tag)
        data.write(number)
        return Base58.encode(data.bytes)
    }

    private func deposit(_ memo: String?) -> VaultEvent {
        .deposited(amount: 40, owner: SimulatedHistory.stranger, memo: memo, references: [])
    }

    /// Whoever names the account may hand his own program as much as a transaction can carry: that
    /// it is not even base58 shows that nobody looked.
    @Test func whatIsHandedToOtherProgramsIsNotRead() async throws {
        let much = call(5, [0], String(repeating: "z", count: 13_900) + "0")
        let claim = call(2, [0, 0, 0, 0, 0, 1], words([5, 0, 0, 0, 0, 0, 0, 0], 70))
        let found = try await events(
            [
                much, memo("party 1"), call(3, [1, 0, 1], words([3], 40)), claim,
                call(3, [0, 1, 1], words([3], 7)),
            ], inner: [String](repeating: much, count: 60), after: 33)
        #expect(
            found == [
                deposit("party 1"),
                .claimed(payee: SimulatedHistory.stranger, amount: 7, cumulative: 70),
            ])
    }

    /// Neither a transfer nor a memo is that long: what moved is counted all the same.
    @Test func whatIsTooLongTellsNothing() async throws {
        let endless = String(repeating: "z", count: 20_000)
        let transfer = call(3, [1, 0, 1], words([3], 40))
        #expect(try await events([transfer, call(4, [], endless)], after: 40) == [deposit(nil)])
        #expect(
            try await events([call(3, [1, 0, 1], endless), transfer], after: 45) == [
                deposit(nil), .changed(before: 40, after: 45),
            ])
        // The longest that fits a packet would still do, and more, from a program's own call.
        let long = String(repeating: "party 1 ", count: 250)
        #expect(try await events([transfer], inner: [memo(long)], after: 40) == [deposit(long)])
        // Of several none is read.
        let broken = call(4, [], "0")
        #expect(try await events([transfer, broken, broken], after: 40) == [deposit(nil)])
    }

    @Test func aTransferOrMemoThatIsNoBase58IsRefused() async throws {
        for broken in [call(3, [1, 0, 1], "0"), call(4, [], "0"), call(2, [], "0")] {
            await #expect(throws: ChainError.self) { try await events([broken], after: 0) }
        }
    }
}
