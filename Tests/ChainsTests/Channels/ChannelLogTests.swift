import Chains
import Cryptography
import Foundation
import Primitives
import Testing

/// Logs of payment channels beside those of the settlement contract, on a real EVM (py-evm).
@Suite(.serialized, .house, .timeLimit(.minutes(10)))
struct ChannelLogTests {
    private let house: House
    private let contract: EVMAddress
    private let collector: EVMAddress
    private let payer: Secp256k1.PrivateKey
    private let receiver: EVMSender

    init() async throws {
        house = try #require(House.current)
        try await house.node.calm()
        func deploy(_ name: String, _ arguments: [ABIValue], _ owner: EVMSender) async throws
            -> EVMAddress
        {
            let file = "Tests/Harness/channels/\(name).json"
            let artifact = try ContractArtifact(
                contentsOf: Project.root.appendingPathComponent(file))
            return try await Contract.deploy(artifact, arguments, from: owner).address
        }
        contract = try await deploy("BatchSettlement", [], house.owner)
        collector = try await deploy("DepositCollector", [.address(contract)], house.owner)
        payer = try house.node.freshKey()
        receiver = EVMSender(chain: house.node.chain(), key: try house.node.freshKey())
        try settled(await house.usd.transfer(10_000, to: payer.address, from: house.owner))
    }

    private func channel(_ number: Int) throws -> BatchChannel {
        try BatchChannel(
            BatchChannel.Config(
                payer: payer.address, receiver: receiver.address,
                receiverAuthorizer: receiver.address, token: house.usd.address,
                withdrawDelay: 900, salt: ChannelWorld.seed("logs \(number)")),
            chainID: EVMNode.chainID, contract: contract)
    }

    private func deposit(_ amount: UInt128, into channel: BatchChannel) -> [UInt8] {
        let salt = ChannelWorld.seed("\(channel.id) \(amount)")
        let digest = channel.depositDigest(
            amount, validAfter: 0, validBefore: 4_000_000_000, salt: salt, collector: collector,
            tokenName: "USD Coin", tokenVersion: "2")
        return BatchCall.deposit(
            amount, into: channel, collector: collector,
            collectorData: BatchCall.collectorData(
                validAfter: 0, validBefore: 4_000_000_000, salt: salt,
                signature: payer.sign(digest)))
    }

    private func watcher(blocksPerPage: UInt64 = 2_000, blocksByHash: UInt64 = 16) throws
        -> LogWatcher
    {
        try LogWatcher(
            nodes: EVMNodes(house.node.chain(confirmations: 1)), contract: house.vault.address,
            artifact: house.vault.contract.artifact, blocksPerPage: blocksPerPage,
            blocksByHash: blocksByHash)
    }

    private func here() async throws -> LogCursor {
        let head = try await house.node.chain().head()
        return LogCursor(nextBlock: head.number + 1, previousHash: head.hash)
    }

    /// Gives transactions to the node, each of an account of its own, and mines them into one
    /// block.
    private func together(_ calls: [(to: EVMAddress, data: [UInt8], from: EVMAddress)])
        async throws
    {
        try await house.node.automine(false)
        for call in calls {
            let key = try #require(house.node.key(of: call.from))
            let nonce = try await house.node.chain().transactionCount(of: call.from)
            let transaction = EVMTransaction(
                chainID: EVMNode.chainID, nonce: nonce, maxPriorityFeePerGas: Coins.gwei,
                maxFeePerGas: 10 * Coins.gwei, gasLimit: 400_000, to: call.to, data: call.data
            ).signed(by: key)
            #expect(await house.node.chain().broadcast(transaction) == nil)
        }
        try await house.node.mine()
        try await house.node.automine(true)
    }

    @Test func bothContractsLogsComeInTheOrderOfTheChain() async throws {
        let (ours, foreign) = (try channel(1), try channel(2))
        let guest = try await house.guest()
        let start = try await here()
        let paid = try house.vault.contract.artifact.callData("deposit", [.uint(77)])
        try await together([
            (contract, deposit(600, into: ours), house.owner.address),
            (house.vault.address, paid, guest.address),
            (contract, deposit(300, into: foreign), receiver.address),
        ])
        try settled(await house.owner.send(to: contract, data: deposit(400, into: ours)))
        let row = BatchClaim.Row(ours, try ours.voucher(250, by: payer), total: 250)
        let other = BatchClaim.Row(foreign, try foreign.voucher(50, by: payer), total: 50)
        try settled(
            await receiver.send(to: contract, data: try BatchClaim([row, other]).callData()))
        try settled(await house.vault.deposit(5, from: guest))
        let back = BatchCall.refund(ours, amount: 100)
        try settled(await receiver.send(to: contract, data: back))
        let sender = EVMSender(chain: house.node.chain(), key: payer)
        let away = BatchCall.initiateWithdraw(ours, amount: 650)
        let asked = try settled(await sender.send(to: contract, data: away))
        try await house.node.pass(seconds: 901)
        try settled(await sender.send(to: contract, data: BatchCall.finalizeWithdraw(ours)))
        let askedAt = try #require(try await house.node.chain().block(asked.blockNumber))
            .timestamp
        let wanted: [ChainEvent] = [
            .channel(ours.id, .deposited(amount: 600, balance: 600)),
            .deposited(account: guest.address, amount: 77),
            .channel(ours.id, .deposited(amount: 400, balance: 1_000)),
            .channel(ours.id, .claimed(amount: 250, total: 250)),
            .deposited(account: guest.address, amount: 5),
            .channel(ours.id, .refunded(amount: 100)),
            .channel(ours.id, .withdrawInitiated(amount: 650, after: askedAt + 900)),
            .channel(ours.id, .withdrawFinalized(amount: 650)),
        ]
        let contract = contract
        for (size, byHash) in [(2_000, 16), (2_000, 0), (1, 16), (2, 0)] as [(UInt64, UInt64)] {
            let watcher = try watcher(blocksPerPage: size, blocksByHash: byHash)
            var cursor = start
            var found: [ChainRecord] = []
            while true {
                let page = try await watcher.read(from: cursor) { () throws(ChainError) in
                    ChannelEvent.filters(contract: contract, channels: [ours.id])
                }
                found += page.records
                cursor = page.cursor
                if !page.hasMore { break }
            }
            #expect(found.map(\.event) == wanted, "pages of \(size), \(byHash) by hash")
            #expect(found.map(\.reference) == found.map(\.reference).sorted())
        }
        // Nobody asked for channels.
        let plain = try await watcher().read(from: start).records.map(\.event)
        #expect(plain == [wanted[1], wanted[4]])
        #expect(ChannelEvent.filters(contract: contract, channels: []).isEmpty)
        let many = Array(repeating: ours.id, count: 300)
        let parts = ChannelEvent.filters(contract: contract, channels: many)
        #expect(parts.map(\.topics[1].count) == [256, 44])
    }

    /// A channel is written down before it is paid into: so whoever asks for channels after the
    /// blocks are fixed knows each that has a log in them.
    @Test func blocksAreFixedBeforeChannelsAreAskedFor() async throws {
        let late = try channel(3)
        let start = try await here()
        try await house.node.mine()
        let (owner, data, contract) = (house.owner, deposit(10, into: late), contract)
        let page = try await watcher().read(from: start) { () throws(ChainError) in
            guard case .settled = await owner.send(to: contract, data: data) else {
                throw .inconsistentNode("the deposit")
            }
            return []
        }
        #expect(page.records.isEmpty)
        let next = try await watcher().read(from: page.cursor) { () throws(ChainError) in
            ChannelEvent.filters(contract: contract, channels: [late.id])
        }
        #expect(
            next.records.map(\.event) == [
                .channel(late.id, .deposited(amount: 10, balance: 10))
            ])
    }
}
