import ArgumentParser
import Chains
import Foundation
import Primitives

/// `exchequer contracts claim`: takes what the batch whose root pays allots.
struct ClaimCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "claim",
        abstract: "Claim everything that the root which pays owes the sender.",
        discussion: """
            The proofs come from the house; the contract believes only them and the root on chain. \
            What was claimed before is not paid again.
            """)

    @OptionGroup var chain: ChainOptions
    @Option(help: "The settlement contract.") var contract: String
    @Option(help: "The house's HTTP address.") var house: String

    private struct List<Item: Decodable>: Decodable {
        let data: [Item]
        let next_after: UInt64?
    }

    private struct BatchHead: Decodable {
        let batch: UInt64
        let root: String
    }

    private struct Proof: Decodable {
        let asset: String
        let token: String
        let account: String
        let cumulative: String
        let proof: [String]
    }

    private struct Paid: Encodable {
        let asset, paid, cumulative: String
    }

    func run() async throws {
        let session = try await ChainSession(chain)
        let settlement = try session.settlement(contract)
        let root = try await settlement.root()
        guard let last = try await batch(with: root) else {
            Console.say("no batch pays yet")
            return
        }
        let own = session.sender.address
        let proofs: List<Proof> = try await fetch("/v1/batches/\(last.batch)/claims/\(own.hex)")
        var paid: [Paid] = []
        for proof in proofs.data {
            guard let cumulative = UInt128(proof.cumulative),
                let asset = Asset.allCases.first(where: { $0.code == proof.asset })
            else { continue }
            let token = try evmAddress(proof.token)
            let before = try await settlement.claimed(token: token, account: own)
            guard before < cumulative else {
                Console.say("\(proof.asset): everything was claimed before")
                continue
            }
            let path = try proof.proof.map { text in
                guard let digest = Digest(hex: text) else {
                    throw ValidationError("The house sent a malformed proof.")
                }
                return digest
            }
            try session.require(
                "claim \(proof.asset)",
                await settlement.claim(
                    token: token, account: own, cumulative: cumulative, proof: path,
                    from: session.sender))
            paid.append(
                Paid(
                    asset: asset.code, paid: text(cumulative - before, asset),
                    cumulative: text(cumulative, asset)))
        }
        if chain.json {
            try Console.put(json: paid)
        } else {
            for entry in paid { Console.put("\(entry.asset) \(entry.paid) paid to \(own.hex)") }
            if paid.isEmpty { Console.put("nothing to claim for \(own.hex)") }
        }
    }

    /// The last confirmed batch need not be the one: its root may wait, or be disputed.
    private func batch(with root: Digest) async throws -> BatchHead? {
        var last: BatchHead?
        var after: UInt64 = 0
        while true {
            let page: List<BatchHead> = try await fetch("/v1/batches?limit=1000&after=\(after)")
            last = page.data.last { $0.root == root.hex && root != .zero } ?? last
            guard let next = page.next_after else { return last }
            after = next
        }
    }

    private func text(_ units: UInt128, _ asset: Asset) -> String {
        asset.amount(chainUnits: units).map { asset.format($0) } ?? "\(units) units"
    }

    private func fetch<Answer: Decodable>(_ path: String) async throws -> Answer {
        try await HouseCall.json("GET", house, path, String?.none)
    }
}
