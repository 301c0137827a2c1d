import ArgumentParser
import Chains
import Cryptography
import Foundation
import Primitives
import Service

/// When and how claims are made by themselves.
struct ClaimOptions: ParsableArguments {
    @Option(help: "A claim has to bring over so many times its gas.") var claimMultiple: UInt64 = 10
    @Option(help: "What the chain's own coin is reckoned at, in dollars.") var coinPrice: String?
    @Option(help: "What a TLY is reckoned at, in dollars; nothing if left out.")
    var tlyPrice: String?
    @Option(help: "Seconds between two looks.") var claimInterval: UInt64 = 60

    /// The policy, or what is wrong with it.
    func policy() throws -> ClaimPolicy {
        guard (1...1_000_000).contains(claimMultiple), (1...86_400).contains(claimInterval) else {
            throw ValidationError(
                "--claim-multiple is 1 to 1,000,000, --claim-interval 1 to 86,400 seconds.")
        }
        guard let coinPrice, let coin = Asset.usd.parse(coinPrice) else {
            throw ValidationError("Claiming by itself wants --coin-price, such as 3000.")
        }
        var tally = Amount.zero
        if let tlyPrice {
            guard let price = Asset.usd.parse(tlyPrice) else {
                throw ValidationError("--tly-price is an amount, such as 0.05.")
            }
            tally = price
        }
        return ClaimPolicy(multiple: claimMultiple, coinPrice: coin, tlyPrice: tally)
    }
}

/// Claims for one key as long as it runs. What is under way is in a file, so that a new start goes
/// on with it.
struct ClaimLoop: Sendable {
    let claimer: AutoClaimer
    let house: String
    let account: EVMAddress
    let contract: EVMAddress
    let interval: UInt64

    /// A loop for the session's key. `file` holds the transaction under way.
    init(
        _ session: ChainSession, contract: EVMAddress, house: String, file: String,
        _ options: ClaimOptions
    ) throws {
        let settlement = SettlementContract(
            chain: session.chain, address: contract, artifact: try session.artifact("Exchequer"))
        var pending: SignedTransaction?
        if let bytes = FileManager.default.contents(atPath: file), !bytes.isEmpty {
            guard let known = try? SignedTransaction(canonicalBytes: Array(bytes)) else {
                Console.say("\(file) does not hold a transaction: look at it, then move it away")
                throw Exit.configuration
            }
            pending = known
        }
        claimer = AutoClaimer(
            settlement: settlement, sender: session.sender, policy: try options.policy(),
            pending: pending, remember: { try Self.write($0, to: file) })
        self.house = house
        account = session.sender.address
        self.contract = contract
        interval = options.claimInterval
    }

    /// Written beside and renamed, and synced, so that there is the old one or the new one.
    private static func write(_ transaction: SignedTransaction?, to file: String) throws {
        let beside = file + ".new"
        let bytes = Data(transaction?.canonicalBytes() ?? [])
        guard FileManager.default.createFile(atPath: beside, contents: bytes) else {
            throw CocoaError(.fileWriteUnknown)
        }
        let handle = try FileHandle(forUpdating: URL(filePath: beside))
        try handle.synchronize()
        try handle.close()
        guard unsafe rename(beside, file) == 0 else { throw CocoaError(.fileWriteUnknown) }
    }

    /// Works until the task is cancelled.
    func run() async {
        while !Task.isCancelled {
            _ = await once()
            try? await Task.sleep(for: .seconds(Int64(interval)))
        }
    }

    /// One look; says what came of it. Whether something is under way still.
    func once() async -> AutoClaimer.Step? {
        do {
            let step = try await claimer.step(try await leaves())
            Self.tell(step)
            return step
        } catch {
            Console.say("claims wait: \(error)")
            return nil
        }
    }

    private func leaves() async throws -> [ClaimLeaf] {
        let found: ClaimableStatement = try await HouseCall.json(
            "GET", house, "/v1/claimable/\(account.hex)", String?.none)
        guard EVMAddress(hex: found.contract) == contract else {
            Console.say("the house settles on \(found.contract), not on \(contract.hex)")
            throw Exit.configuration
        }
        return try found.leaves(of: account)
    }

    private static func tell(_ step: AutoClaimer.Step) {
        switch step {
        case .nothing: return
        case .notWorth(let value, let cost):
            Console.say(
                "a claim of \(Asset.usd.format(value)) dollars waits: its gas costs "
                    + Asset.usd.format(cost))
        case .claimed(let receipt, let sums):
            let words = Asset.allCases.compactMap { asset in
                sums[asset].map { "\(asset.code) \(asset.format($0))" }
            }
            Console.say(
                "claimed \(words.joined(separator: " and ")) in transaction "
                    + "0x\(receipt.transaction.hex)")
        case .failed(let failure): Console.say("a claim failed: \(failure)")
        case .unknown(let hash):
            Console.say(
                "the outcome of the claim 0x\(hash.hex) is unknown; nothing else is sent before "
                    + "the chain has told")
        }
    }
}
