import ArgumentParser
import Chains
import Cryptography
import Foundation
import Primitives
import Service

/// `exchequer contracts claim`: takes what the batch whose root pays allots.
struct ClaimCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "claim",
        abstract: "Claim everything that the root which pays owes an account.",
        discussion: """
            The proofs come from the house, for the sender; or from a file that exchequer \
            claimable --json has written, for the account it is of, whoever sends it. The \
            contract believes only them and the root on chain. What was claimed before is not \
            paid again. Keep such a file of your last batch: with it you are paid though the house \
            is gone.

            EXAMPLES
              exchequer contracts claim --rpc URL --contract 0x.. --key-file my.key --house URL
              exchequer contracts claim --rpc URL --contract 0x.. --key-file any.key \\
                  --claims claims.json
            """)

    @OptionGroup var options: ContractOptions
    @Option(help: "The house's HTTP address.") var house: String?
    @Option(help: "File of exchequer claimable --json, in the house's place.", completion: .file())
    var claims: String?

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

    func validate() throws {
        guard (house == nil) != (claims == nil) else {
            throw ValidationError("Give either --house or --claims.")
        }
    }

    func run() async throws {
        let (session, settlement) = try await options.open()
        let account: EVMAddress
        let leaves: [ClaimLeaf]
        let root: Digest
        do throws(ChainError) {
            root = try await settlement.root()
        } catch {
            throw session.fail(error)
        }
        if let claims {
            (account, leaves) = try Self.kept(in: claims, of: settlement)
        } else {
            account = session.sender.address
            guard let found = try await served(to: account, under: root) else {
                Console.say("no batch pays yet")
                return
            }
            leaves = found
        }
        var paid: [Paid] = []
        for leaf in leaves {
            if let one = try await claim(leaf, root, session, settlement) { paid.append(one) }
        }
        if options.chain.json {
            try Console.put(json: paid)
        } else {
            for entry in paid { Console.put("\(entry.asset) \(entry.paid) paid to \(account.hex)") }
            if paid.isEmpty { Console.put("nothing to claim for \(account.hex)") }
        }
    }

    /// Claims one leaf; `nil` if it was paid whole before.
    private func claim(
        _ leaf: ClaimLeaf, _ root: Digest, _ session: ChainSession,
        _ settlement: SettlementContract
    ) async throws -> Paid? {
        let asset = leaf.asset
        let claim = Claim(
            chainID: session.chain.chainID, contract: settlement.address, token: leaf.token,
            account: leaf.account, cumulative: leaf.cumulative)
        guard ClaimTree.verifies(leaf: claim.leaf, path: leaf.proof, root: root) else {
            Console.say(
                "the proof of \(asset.code) \(text(leaf.cumulative, asset)) does not lead to the "
                    + "root that pays (0x\(root.hex)): it is of another batch. Take one of that "
                    + "batch: from the house, or from a copy of its journal (exchequer claimable "
                    + "--data)")
            throw Exit.checkFailed
        }
        let before = try await settlement.claimed(token: leaf.token, account: leaf.account)
        guard before < leaf.cumulative else {
            Console.say("\(asset.code): everything was claimed before")
            return nil
        }
        try session.require(
            "claim \(asset.code)",
            await settlement.claim(
                token: leaf.token, account: leaf.account, cumulative: leaf.cumulative,
                proof: leaf.proof, from: session.sender))
        return Paid(
            asset: asset.code, paid: text(leaf.cumulative - before, asset),
            cumulative: text(leaf.cumulative, asset))
    }

    /// What a kept statement says, if it is of this chain and contract.
    private static func kept(
        in path: String, of settlement: SettlementContract
    ) throws -> (EVMAddress, [ClaimLeaf]) {
        guard let data = FileManager.default.contents(atPath: path),
            let statement = try? JSONDecoder().decode(ClaimableStatement.self, from: data),
            let account = EVMAddress(hex: statement.account)
        else {
            Console.say("\(path) holds no JSON of exchequer claimable")
            throw Exit.configuration
        }
        guard statement.network == "eip155:\(settlement.contract.chain.chainID)",
            EVMAddress(hex: statement.contract) == settlement.address
        else {
            Console.say(
                "\(path) is of the contract \(statement.contract) on \(statement.network)")
            throw Exit.configuration
        }
        return (account, try statement.leaves(of: account))
    }

    /// What the house says of the batch whose root pays; `nil` if there is none.
    private func served(
        to account: EVMAddress, under root: Digest
    ) async throws -> [ClaimLeaf]? {
        guard let last = try await batch(with: root) else { return nil }
        let proofs: List<Proof> = try await fetch("/v1/batches/\(last.batch)/claims/\(account.hex)")
        return try proofs.data.map {
            try ClaimLeaf(
                asset: $0.asset, token: $0.token, cumulative: $0.cumulative, proof: $0.proof,
                of: account)
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
        try await HouseCall.json("GET", house ?? "", path, String?.none)
    }
}

extension ClaimableStatement {
    /// The claims as the contract takes them. Throws for what no house writes.
    func leaves(of account: EVMAddress) throws -> [ClaimLeaf] {
        try claims.map {
            try ClaimLeaf(
                asset: $0.asset, token: $0.token, cumulative: $0.cumulative, proof: $0.proof,
                of: account)
        }
    }
}

extension ClaimLeaf {
    /// A leaf as houses write it.
    fileprivate init(
        asset: String, token: String, cumulative: String, proof: [String], of account: EVMAddress
    ) throws {
        guard let asset = Asset.allCases.first(where: { $0.code == asset }),
            let token = EVMAddress(hex: token), let cumulative = UInt128(cumulative)
        else { throw ValidationError("A claim is malformed.") }
        let path = try proof.map { text in
            guard let digest = Digest(hex: text) else {
                throw ValidationError("A claim's proof is malformed.")
            }
            return digest
        }
        self.init(
            asset: asset, token: token, account: account, cumulative: cumulative, proof: path)
    }
}
