import Chains
import Cryptography
import Primitives
import Testing

@Suite(.serialized, .house, .timeLimit(.minutes(10)))
struct LogWatcherTests {
    private let house: House
    private var node: EVMNode { house.node }
    private var vault: SettlementContract { house.vault }

    init() async throws {
        house = try #require(House.current)
        try await house.node.calm()
    }

    private func watcher(
        confirmations: UInt64 = 1, blocksPerPage: UInt64 = 2_000
    ) throws -> LogWatcher {
        try LogWatcher(
            nodes: EVMNodes(node.chain(confirmations: confirmations)), contract: vault.address,
            artifact: vault.contract.artifact, blocksPerPage: blocksPerPage)
    }

    /// A cursor at the head: what comes later is this test's own.
    private func here() async throws -> LogCursor {
        let head = try await node.chain().head()
        return LogCursor(nextBlock: head.number + 1, previousHash: head.hash)
    }

    /// Everything from a cursor on, and the cursor after each page.
    private func all(
        _ watcher: LogWatcher, from start: LogCursor
    ) async throws -> (records: [ChainRecord], cursors: [LogCursor]) {
        var records: [ChainRecord] = []
        var cursors = [start]
        while true {
            let page = try await watcher.read(from: cursors[cursors.count - 1])
            records += page.records
            if page.cursor != cursors.last { cursors.append(page.cursor) }
            if !page.hasMore { return (records, cursors) }
        }
    }

    @Test func everyKindOfEventIsReadInOrder() async throws {
        let provider = try await house.guest(dollars: 100)
        let start = try await here()
        let million = House.million
        let verdict = try digest(0x31)
        let account = try address(0x41)
        try settled(await vault.deposit(5 * million, from: provider))
        try settled(await vault.bond(50 * million, from: provider))
        let asked = try settled(await vault.requestUnbond(20 * million, from: provider))
        try settled(
            await vault.carryOut(
                .slash(
                    provider: provider.address, amount: 35 * million, burned: million,
                    verdict: verdict),
                from: house.owner))
        try await node.pass(seconds: House.unbondingDelay)
        try settled(await vault.withdrawBond(from: provider))
        let claim = Claim(
            chainID: EVMNode.chainID, contract: vault.address, token: house.usd.address,
            account: account, cumulative: 3 * million)
        let committed = try settled(
            await vault.carryOut(
                .commitRoot(
                    batch: 1, root: claim.leaf, totalUSD: 3 * million, totalTLY: 0,
                    journalHead: try digest(0x51), liabilities: try digest(0x52)),
                from: house.owner))
        let paid = try settled(
            await vault.claim(
                token: claim.token, account: account, cumulative: claim.cumulative, proof: [],
                from: provider))
        let chain = node.chain()
        let askedAt = try #require(try await chain.block(asked.blockNumber)).timestamp
        let committedAt = try #require(try await chain.block(committed.blockNumber)).timestamp
        let records = try await all(try watcher(), from: start).records
        let provides = provider.address
        #expect(
            records.map(\.event) == [
                .deposited(account: provides, amount: 5 * million),
                .bonded(provider: provides, amount: 50 * million),
                .unbondRequested(
                    provider: provides, amount: 20 * million,
                    unlocksAt: askedAt + House.unbondingDelay),
                .slashed(
                    provider: provides, verdict: verdict, amount: 35 * million, burned: million,
                    fromUnbonding: 5 * million),
                .bondWithdrawn(provider: provides, amount: 15 * million),
                .rootCommitted(
                    batch: 1, root: claim.leaf, journalHead: try digest(0x51),
                    totalUSD: 3 * million, totalTLY: 0, liabilities: try digest(0x52),
                    timestamp: committedAt),
                .rootActivated(batch: 1, root: claim.leaf),
                .claimed(
                    token: house.usd.address, account: account, amount: 3 * million,
                    cumulative: 3 * million),
            ])
        let last = try #require(records.last?.reference)
        #expect(last.transaction == paid.transaction && last.blockHash == paid.blockHash)
        #expect(last.blockNumber == paid.blockNumber && last.chainID == EVMNode.chainID)
        #expect(paid.logs.contains { $0.logIndex == last.logIndex && $0.address == vault.address })
    }

    @Test func pagesLeaveNothingOutAndEveryCursorCanBeResumed() async throws {
        let guest = try await house.guest()
        let start = try await here()
        try await node.automine(false)
        var deposits: [ChainEvent] = []
        for block: UInt128 in 1...4 {
            for part: UInt128 in 1...2 {
                let amount = block * 10 + part
                let transaction = try await deposit(
                    amount, from: guest, nonce: 1 + UInt64(deposits.count))
                #expect(await node.chain().broadcast(transaction) == nil)
                deposits.append(.deposited(account: guest.address, amount: amount))
            }
            try await node.mine(UInt64(block))
        }
        let (whole, _) = try await all(try watcher(), from: start)
        #expect(whole.map(\.event) == deposits)
        #expect(Set(whole.map(\.reference)).count == deposits.count)
        for size: UInt64 in [1, 2, 3, 7] {
            let watcher = try watcher(blocksPerPage: size)
            let (records, cursors) = try await all(watcher, from: start)
            #expect(records == whole)
            #expect(cursors.count == Int((10 + size - 1) / size) + 1)
            for cursor in cursors {
                let again = try LogCursor(canonicalBytes: cursor.canonicalBytes())
                let rest = try await all(watcher, from: again).records
                #expect(
                    rest == whole.filter { $0.reference.blockNumber >= cursor.nextBlock })
                #expect(try await watcher.read(from: again) == watcher.read(from: cursor))
            }
        }
    }

    @Test func onlyDeepEnoughBlocksAreRead() async throws {
        let guest = try await house.guest()
        try await node.mine(3)
        let watcher = try watcher(confirmations: 3)
        let start = try await all(watcher, from: try await here()).cursors[0]
        let deposited = try settled(await vault.deposit(7, from: guest))
        for _ in 0..<2 {
            let page = try await watcher.read(from: start)
            #expect(page.records.isEmpty && !page.hasMore)
            #expect(page.cursor.nextBlock <= deposited.blockNumber)
            try await node.mine()
        }
        let page = try await watcher.read(from: start)
        #expect(page.records.map(\.event) == [.deposited(account: guest.address, amount: 7)])
        #expect(
            page.cursor
                == LogCursor(
                    nextBlock: deposited.blockNumber + 1, previousHash: deposited.blockHash))
        let idle = try await watcher.read(from: page.cursor)
        #expect(idle.records.isEmpty && !idle.hasMore && idle.cursor == page.cursor)
    }

    @Test func otherContractsAndOtherEventsAreNotRead() async throws {
        let guest = try await house.guest()
        let start = try await here()
        let twin = try await SettlementContract.deploy(
            vault.contract.artifact, vault: try Project.artifact("Vault"),
            usd: house.usd.address, tly: house.tly.address,
            delays: SettlementDelays(unbonding: 60), from: house.owner)
        try settled(await house.usd.approve(9, for: twin.address, from: guest))
        try settled(await twin.deposit(9, from: guest))
        try settled(await house.usd.transfer(1, to: vault.address, from: guest))
        #expect(try await all(try watcher(), from: start).records.isEmpty)
        let other = try await all(try twin.watcher(), from: start).records
        let owner = house.owner.address
        #expect(
            other.map(\.event) == [
                .administered(.ownershipTransferred(from: .zero, to: owner)),
                .administered(.rolesChanged(account: owner, roles: 31)),
                .deposited(account: guest.address, amount: 9),
            ])
    }

    @Test func whoMayDoWhatIsRead() async throws {
        let guest = try await house.guest().address
        let owner = house.owner.address
        let start = try await here()
        for (call, arguments) in [
            ("pause", []), ("unpause", []), ("grantRoles", [.address(guest), .uint(12)]),
            ("offerOwnership", [.address(guest)]),
        ] as [(String, [ABIValue])] {
            try settled(await vault.contract.send(call, arguments, from: house.owner))
        }
        #expect(
            try await all(try watcher(), from: start).records.map(\.event) == [
                .administered(.paused(by: owner)), .administered(.unpaused(by: owner)),
                .administered(.rolesChanged(account: guest, roles: 12)),
                .administered(.ownershipOffered(owner: owner, candidate: guest)),
            ])
        #expect(SettlementContract.roleNames(12) == ["pauser", "guardian"])
    }

    @Test func aReorganisationAboveTheDepthIsNeverSeen() async throws {
        let guest = try await house.guest()
        try await node.mine(4)
        let watcher = try watcher(confirmations: 3)
        var cursor = try await all(
            watcher, from: LogCursor(nextBlock: try await here().nextBlock - 4)
        ).cursors.last
        try settled(await vault.deposit(1, from: guest))
        try settled(await vault.deposit(2, from: guest))
        let page = try await watcher.read(from: try #require(cursor))
        #expect(page.records.isEmpty)
        cursor = page.cursor
        try await node.reorganise(2, keep: false)
        try settled(await vault.deposit(3, from: guest))
        try await node.mine(2)
        let later = try await all(watcher, from: try #require(cursor)).records
        #expect(later.map(\.event) == [.deposited(account: guest.address, amount: 3)])
    }

    @Test(arguments: [true, false])
    func aDeepReorganisationStopsTheReading(isReplaced: Bool) async throws {
        let guest = try await house.guest()
        try await node.mine(4)
        let watcher = try watcher(confirmations: 2)
        let start = try await here()
        try settled(await vault.deposit(1, from: guest))
        try await node.mine(1)
        let page = try await watcher.read(from: start)
        #expect(page.records.count == 1)
        try await node.reorganise(2, keep: false, blocks: isReplaced ? 4 : 0)
        let block = page.cursor.nextBlock - 1
        // A chain that is shorter now may be a node that is behind: nothing is read, and the next
        // look decides.
        let wanted: ChainError =
            isReplaced
            ? .deepReorg(block: block)
            : .inconsistentNode("block \(block) is not there yet: the node is behind")
        await #expect(throws: wanted) { try await watcher.read(from: page.cursor) }
        #expect(try await watcher.read(from: start).records.isEmpty)
    }

    private func deposit(
        _ amount: UInt128, from guest: EVMSender, nonce: UInt64
    ) async throws -> SignedTransaction {
        let data = try vault.contract.artifact.callData("deposit", [.uint(amount)])
        let key = try #require(node.key(of: guest.address))
        return EVMTransaction(
            chainID: EVMNode.chainID, nonce: nonce, maxPriorityFeePerGas: Coins.gwei,
            maxFeePerGas: 10 * Coins.gwei, gasLimit: 200_000, to: vault.address, data: data
        ).signed(by: key)
    }
}
