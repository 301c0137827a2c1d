import ArgumentParser
import Chains
import Cryptography
import Foundation
import Primitives
import Service
import Storage
import Transport

/// `exchequer channels claim`: has the chain believe what is signed.
struct ChannelsClaimCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "claim",
        abstract: "Claim everything that is signed and not claimed, many channels together.",
        discussion: """
            On an EVM chain up to 100 channels a call, through the transaction manager, then one \
            transfer for each receiver. On Solana up to five a transaction over a lookup table \
            (exchequer channels table), four without. Ended in between, the next one goes on: \
            nothing is claimed twice. Claims that are refused are halved until the bad one is \
            alone. What is settled on Solana is paid out unless somebody's token account cannot be \
            paid: that channel waits, and the others are paid. Give --rpc several times, with \
            endpoints of different operators: what enough of them say is believed, and no less.

            EXAMPLES
              exchequer channels claim --store shop --rpc URL --key-file shop.key
              exchequer channels claim --store shop --rail solana --rpc URL --key-file shop.key
              exchequer channels claim --store shop --rpc URL --key-file shop.key --due
            """)

    enum Rail: String, ExpressibleByArgument, CaseIterable {
        case evm, solana
    }

    @Option(help: "Folder with the vouchers kept.", completion: .directory) var store: String
    @Option(help: "The kind of chain.") var rail = Rail.evm
    @OptionGroup var nodes: NodeOptions
    @Option(help: "File with the key that sends and pays fees.", completion: .file())
    var keyFile: String
    @OptionGroup var keys: KeyOptions
    @Option(
        help: "File with the key of the receiver's authorizer, or of the payee, if it is another.",
        completion: .file())
    var authorizerKeyFile: String?
    @Option(help: "EVM: blocks, its own included, until a transaction counts.")
    var confirmations: UInt64 = 1
    @Option(help: "Solana: a lookup table that holds channels, if not the store's own.")
    var lookupTable: String?
    @Option(help: "Solana: the owner that the program sends rounding to.")
    var treasury = PaymentChannel.standardTreasury.description
    @Option(
        help: """
            Solana: millionths of a lamport offered for a compute unit, at most 10000000: where \
            slots are full, a claim that offers nothing may come too late. Five channels take 25300.
            """)
    var computePrice: UInt64 = 0
    @Flag(help: "Only what is due: closing, expiring within the hour, or an hour old.")
    var due = false
    @Option(help: "Seconds after which it ends with what is on its way.") var timeout = 120
    @Flag(help: "Print one JSON object.") var json = false

    private struct Report: Encodable {
        var sent = 0
        var settled = 0
        var refused: [String] = []
        var open = 0
        var held: [String] = []
        var reasons: [String] = []
    }

    func validate() throws {
        try nodes.require()
        guard computePrice <= 10_000_000, computePrice == 0 || rail == .solana else {
            throw ValidationError(
                "--compute-price is at most 10000000, and goes with --rail solana.")
        }
    }

    func run() async throws {
        let folder = try ChannelFolder(store)
        try await folder.use { store in
            var report: Report
            switch rail {
            case .evm: report = try await claimOnEVM(store)
            case .solana: report = try await claimOnSolana(store)
            }
            report.refused = Array(report.refused.prefix(100))
            if json {
                try Console.put(json: report)
            } else {
                Console.put("\(report.sent) sent, \(report.settled) settled, \(report.open) open")
                for words in report.refused { Console.say("refused: \(words)") }
                for (channel, reason) in zip(report.held, report.reasons) {
                    Console.say("\(channel) waits: \(reason)")
                }
            }
            if report.open > 0 { throw Exit.network }
        }
    }

    private func claimOnEVM(_ store: VoucherStore) async throws -> Report {
        let key = try keys.account(in: keyFile)
        let chain: EVMNodes
        do throws(ChainError) {
            chain = try await nodes.evm(confirmations: confirmations)
        } catch {
            Console.say("\(nodes.names): no word on which chain is served: \(error)")
            throw Exit.network
        }
        let log = try RecordLog(
            path: "\(self.store)/claims-\(chain.chainID).sqlite",
            owner: "claims of \(key.address.hex)")
        defer { log.close() }
        let driver = try manager(chain, key, log)
        let running = Task { try await driver.run() }
        defer { running.cancel() }
        let claimer = BatchClaimer(
            store: store, driver: driver, nodes: chain, sender: key.address,
            authorizer: try authorizerKeyFile.map(keys.account))
        var report = Report()
        try await claimer.look()
        try await repeated { isFirst in
            let round = try await claimer.step(everything: isFirst && !due)
            report.sent += round.sent
            report.settled += round.settled
            report.refused += round.refused
            report.open = round.open + driver.openIntents
            return report.open == 0
        }
        return report
    }

    private func manager(
        _ chain: EVMNodes, _ key: Secp256k1.PrivateKey, _ log: RecordLog
    ) throws -> EVMManagerDriver {
        var policy = EVMManagerPolicy(chainID: chain.chainID)
        policy.finality = .confirmed(max(confirmations, 1))
        policy.finalDepth = max(confirmations, 1)
        policy.pollInterval = .milliseconds(250)
        let known = try log.load()
        return try EVMManagerDriver(
            nodes: chain.all, quorum: chain.quorum, policy: policy, keys: [key],
            state: known.state, records: known.records,
            hooks: EVMManagerHooks(
                durable: { try await log.append($0) }, report: { _, _ in true },
                alert: { Console.say("alert: \($0)") }),
            clock: { .systemNow }, tick: .milliseconds(100))
    }

    private func claimOnSolana(_ store: VoucherStore) async throws -> Report {
        let key = try ChannelFiles.solanaKey(keyFile, keys)
        let cluster = nodes.solana
        let tables = try await ChannelTable.usable(lookupTable, in: self.store, cluster)
        let settler = PaymentSettler(
            store: store, nodes: cluster, payer: key,
            payee: try authorizerKeyFile.map { try ChannelFiles.solanaKey($0, keys) },
            computePrice: computePrice, tables: tables)
        var report = Report()
        try await settler.look()
        try await repeated { isFirst in
            let round = try await settler.step(everything: isFirst && !due)
            report.sent += round.sent
            report.settled += round.settled
            report.refused += round.refused
            report.open = round.open
            return report.open == 0
        }
        let owner = try ChannelFiles.solanaAddress(treasury)
        var payouts = DistributeRound()
        try await repeated { _ in
            payouts = try await settler.distribute(treasury: owner, after: payouts)
            return payouts.pending.isEmpty
        }
        report.open += payouts.pending.count
        report.held = payouts.held.map { $0.channel.address.description }
        report.reasons = payouts.held.map(\.description)
        return report
    }

    /// Repeats rounds until one says that nothing is on its way.
    private func repeated(_ round: (_ isFirst: Bool) async throws -> Bool) async throws {
        let end = ContinuousClock.now + .seconds(timeout)
        var isFirst = true
        while ContinuousClock.now < end {
            if try await round(isFirst) { return }
            isFirst = false
            try await Task.sleep(for: .milliseconds(200))
        }
    }
}
