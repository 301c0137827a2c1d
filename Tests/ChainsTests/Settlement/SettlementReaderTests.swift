import Chains
import Cryptography
import Primitives
import Testing

/// What the contract holds and what waits there, on a house with delays.
@Suite(.serialized, .timeLimit(.minutes(10))) struct SettlementReaderTests {
    private static let delay: UInt64 = 1_000

    private func guarded() async throws -> (House, SettlementReader) {
        let house = try await House.build(
            on: try await EVMNode.start(accounts: 6),
            delays: SettlementDelays(
                unbonding: 500, activation: Self.delay, veto: 2 * Self.delay, escape: 90_000))
        let reader = try await SettlementReader(
            nodes: EVMNodes(house.node.chain()), contract: house.vault.address,
            artifact: house.vault.contract.artifact)
        return (house, reader)
    }

    private func head(_ house: House) async throws -> UInt64 {
        try await house.node.chain().head().number
    }

    @Test func whatIsHeldAndPromisedAddsUp() async throws {
        let (house, reader) = try await guarded()
        let million = House.million
        #expect(reader.vault == house.safe && reader.usd == house.usd.address)
        let guest = try await house.guest()
        try settled(await house.vault.deposit(60 * million, from: guest))
        try settled(await house.vault.bond(30 * million, from: guest))
        let before = try await head(house)
        let claim = Claim(
            chainID: EVMNode.chainID, contract: house.vault.address, token: house.usd.address,
            account: guest.address, cumulative: 25 * million)
        let committed = try settled(
            await house.vault.carryOut(
                .commitRoot(
                    batch: 1, root: claim.leaf, totalUSD: 25 * million, totalTLY: 0,
                    journalHead: try digest(5), liabilities: try digest(6)), from: house.owner))
        let early = try await reader.holdings(at: before)
        #expect(early.usd.inVault == 90 * million && early.bonds == 30 * million)
        #expect(early.batch == 0 && !early.isRootWaiting && early.root == .zero)
        let waiting = try await reader.holdings(at: try await head(house))
        #expect(waiting.isRootWaiting && waiting.batch == 1 && waiting.usd.active == 0)
        #expect(waiting.usd.uncommitted == 35 * million)
        let status = try await reader.roots(at: waiting.block)
        #expect(status.isWaiting && status.batch == 1 && status.root == .zero)
        #expect(status.activeFrom == waiting.activeFrom)
        #expect(waiting.activeFrom == waiting.timestamp + Self.delay)

        // What activation wants to be told is in the receipt of the commit.
        let roots = try await reader.committed(in: committed.transaction)
        #expect(
            roots == [
                CommittedRoot(
                    batch: 1, root: claim.leaf, journalHead: try digest(5),
                    liabilities: try digest(6))
            ])
        let order = SettlementOrder.activateRoot(roots[0])
        guard case .failed = await house.vault.carryOut(order, from: guest) else {
            Issue.record("a root pays before its delay is over")
            return
        }
        try await house.node.pass(seconds: Self.delay)
        try settled(await house.vault.carryOut(order, from: guest))
        try settled(
            await house.vault.claim(
                token: claim.token, account: guest.address, cumulative: claim.cumulative,
                proof: [], from: guest))
        let end = try await head(house)
        let late = try await reader.holdings(at: end)
        #expect(late.usd.active == 25 * million && late.usd.claimed == 25 * million)
        #expect(late.usd.inContract == 0 && late.usd.inVault == 65 * million)
        #expect(late.root == claim.leaf && !late.isRootWaiting)
        #expect(
            try await reader.claimed([guest.address], token: claim.token, at: end)
                == [25 * million])
        // The root of any batch is found in the log, whichever pays.
        let found = try await house.vault.committedRoot(ofBatch: 1)
        #expect(found == roots[0])
        #expect(try await house.vault.committedRoot(ofBatch: 2) == nil)
    }

    @Test func aRequestedSlashIsCarriedOutAfterItsWindow() async throws {
        let (house, reader) = try await guarded()
        let million = House.million
        let provider = try await house.guest()
        try settled(await house.vault.bond(30 * million, from: provider))
        let verdict = try digest(0x31)
        let slash = SettlementOrder.slash(
            provider: provider.address, amount: 10 * million, burned: million, verdict: verdict)
        try settled(await house.vault.carryOut(slash, from: house.owner))
        let (now, moments) = try await reader.executableFrom(
            [verdict, try digest(0x32)], at: try await head(house))
        #expect(moments == [now + 2 * Self.delay, nil])
        let order = SettlementOrder.executeSlash(verdict: verdict)
        guard case .failed = await house.vault.carryOut(order, from: provider) else {
            Issue.record("a slash is carried out in its window")
            return
        }
        try await house.node.pass(seconds: 2 * Self.delay)
        try settled(await house.vault.executeSlash(verdict, from: provider))
        let end = try await head(house)
        #expect(try await reader.executableFrom([verdict], at: end).moments == [nil])
        #expect(try await reader.slashable([provider.address], at: end) == [20 * million])
        try settled(await house.vault.requestUnbond(5 * million, from: provider))
        let asked = try await reader.holdings(at: try await head(house))
        #expect(
            try await reader.leavingBonds([provider.address], at: asked.block)
                == [LeavingBond(withdrawable: 0, entries: [])])
        try await house.node.pass(seconds: 500)
        let later = try await head(house)
        #expect(try await reader.withdrawable([provider.address], at: later) == [5 * million])
        let due = try await reader.leavingBonds(
            [house.owner.address, provider.address], at: later)
        let second = try await reader.holdings(at: later).timestamp
        #expect(due.count == 2 && second >= asked.timestamp + 500)
        #expect(due[0] == LeavingBond(withdrawable: 0, entries: []))
        #expect(due[1].withdrawable == 5 * million)
        #expect(due[1].entries.map(\.units) == [5 * million])
        let left = try #require(due[1].left(for: 0, at: second))
        #expect(left.units == 5 * million)
        #expect(left.since > asked.timestamp && left.since <= second)
        #expect(due[1].left(for: 501, at: second)?.units == nil)
        try await askForEverything(of: provider, digest(0x33), house)
        // The watcher tells all of it.
        let watcher = try house.vault.watcher()
        var events: [ChainEvent] = []
        var cursor = LogCursor(nextBlock: 0)
        repeat {
            let page = try await watcher.read(from: cursor)
            events += page.records.map(\.event)
            cursor = page.cursor
            if !page.hasMore { break }
        } while true
        #expect(
            events.contains(
                .slashRequested(
                    provider: provider.address, verdict: verdict, amount: 10 * million,
                    burned: million, executableFrom: now + 2 * Self.delay)))
        let amounts = events.map { event in
            if case .slashRequested(_, _, let amount, _, _) = event { amount } else { UInt128(0) }
        }
        #expect(amounts.contains(.max))
        #expect(
            events.contains(
                .slashed(
                    provider: provider.address, verdict: verdict, amount: 10 * million,
                    burned: million, fromUnbonding: 0)))
    }

    /// The contract takes any sum that is asked for, and cuts it to what is there.
    private func askForEverything(
        of provider: EVMSender, _ verdict: Digest, _ house: House
    ) async throws {
        let contract = Contract(
            chain: house.node.chain(), address: house.vault.address,
            artifact: try Project.artifact("Exchequer"))
        let huge = ABIValue.uint(UInt256(high: 1 << 100, low: 0))
        try settled(
            await contract.send(
                "slash", [.address(provider.address), huge, .uint(0), .bytes32(verdict)],
                from: house.owner))
    }

    @Test func tokensThatWereSentStraightAreFound() async throws {
        let (house, reader) = try await guarded()
        let million = House.million
        let guest = try await house.guest()
        try settled(await house.vault.deposit(60 * million, from: guest))
        let toVault = try settled(
            await house.usd.transfer(7 * million, to: house.safe, from: guest))
        try settled(await house.vault.bond(7 * million, from: guest))
        let toContract = try settled(
            await house.usd.transfer(3, to: house.vault.address, from: guest))
        // The reserve is paid straight into the vault.
        try settled(await house.tly.transfer(500, to: house.safe, from: house.owner))
        let tallies = try settled(
            await house.tly.transfer(9, to: house.vault.address, from: house.owner))
        // A root that begins to pay is paid for by the vault, which is no stranger.
        let committed = try settled(
            await house.vault.carryOut(
                .commitRoot(
                    batch: 1, root: try digest(4), totalUSD: 25 * million, totalTLY: 0,
                    journalHead: try digest(5), liabilities: try digest(6)), from: house.owner))
        try await house.node.pass(seconds: Self.delay)
        let root = try await reader.committed(in: committed.transaction)[0]
        try settled(await house.vault.carryOut(.activateRoot(root), from: guest))
        var strays = StrayTransfers(reader, from: 0)
        let end = try await head(house)
        #expect(try await strays.look(upTo: end, pages: 1))
        #expect(
            strays.found.map(\.transaction)
                == [toVault.transaction, toContract.transaction, tallies.transaction])
        #expect(strays.found.map(\.amount) == [7 * million, 3, 9])
        #expect(strays.found.map(\.isInContract) == [false, true, true])
        #expect(strays.found.first?.sender == guest.address)
        #expect(strays.sum(.usd) == 7 * million + 3 && strays.sum(.usd, inContract: true) == 3)
        #expect(strays.sum(.tly) == 9)
        // The next process goes on from there, and finds none of them twice.
        let bytes = strays.canonicalBytes()
        var copy = try StrayTransfers(reader, canonicalBytes: bytes)
        #expect(copy.found == strays.found && copy.nextBlock == end + 1)
        #expect(try await copy.look(upTo: end, pages: 1))
        #expect(copy.canonicalBytes() == bytes)
        for broken in [Array(bytes.dropLast()), bytes + [0], [2] + bytes.dropFirst()] {
            #expect(throws: CodecError.self) {
                _ = try StrayTransfers(reader, canonicalBytes: broken)
            }
        }
        let held = try await reader.holdings(at: end)
        #expect(held.usd.inVault + held.usd.inContract == 67 * million + strays.sum(.usd))
    }
}
