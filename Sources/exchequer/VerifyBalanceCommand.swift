import ArgumentParser
import Chains
import Cryptography
import Foundation
import Primitives
import Service

/// `exchequer verify-balance`: checks a proof of `prove-balance`, offline or against the chain.
struct VerifyBalanceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify-balance",
        abstract: "Check that a balance is part of what a house committed to owe.",
        discussion: """
            Recomputes the holder's leaves and the way from them to the root. A root counts only \
            if it comes from where the house cannot show everybody another one: read it from the \
            settlement contract with --rpc and --contract, or give it with --root. Without either \
            only the proof itself is checked. Compare the balance with what you know you are owed. \
            Exit code 5 if the proof does not hold.

            EXAMPLES
              exchequer verify-balance p.json --rpc http://127.0.0.1:8545 --contract 0x..
              exchequer verify-balance p.json --root 0x.. --address 0x..
              exchequer verify-balance p.json --json
            """)

    @Argument(help: "The proof.", completion: .file()) var proof: String
    @Option(help: "The root that was published.") var root: String?
    @Option(help: "The chain's JSON-RPC endpoint.") var rpc: String?
    @Option(help: "The settlement contract.") var contract: String?
    @Option(help: "The holder the proof must be of; \"escrow\" for what is not decided yet.")
    var address: String?
    @Option(help: "The block the contract was deployed in, where reading its log ends.")
    var startBlock: UInt64 = 0
    @Option(help: "Folder of the contracts' interfaces.") var artifacts = "contracts-abi/evm"
    @Flag(help: "Print one JSON object.") var json = false

    func validate() throws {
        guard (rpc == nil) == (contract == nil), rpc == nil || root == nil else {
            throw ValidationError("Give --root, or --rpc with --contract, or neither.")
        }
    }

    /// What `--json` prints.
    private struct Report: Encodable {
        let holds: Bool
        let rejection: UInt16?
        let error, root_from, root, address: String?
        let batch, sequence: UInt64?
        let owed, totals: LiabilityStatement.Sums?
    }

    func run() async throws {
        guard let data = FileManager.default.contents(atPath: proof) else {
            Console.say("exchequer: \(proof) cannot be read")
            throw Exit.configuration
        }
        let expected = try expectedRoot()
        let holder = try expectedHolder()
        let statement = try? JSONDecoder().decode(LiabilityStatement.self, from: data)
        let onChain = try await publishedRoot(ofBatch: statement?.batch ?? 0)
        do throws(LiabilityRejection) {
            guard let statement else { throw .malformed }
            let decoded = try statement.decoded()
            let root = onChain?.liabilities ?? expected ?? decoded.commitment.root
            if rpc != nil, onChain == nil {
                Console.say("the contract was never given a root of batch \(statement.batch)")
                throw .otherRoot
            }
            try decoded.verify(root: root, holder: holder ?? decoded.holder)
            try? report(statement)
        } catch {
            if json {
                try Console.put(
                    json: Report(
                        holds: false, rejection: error.rawValue, error: error.message,
                        root_from: nil, root: nil, address: nil, batch: nil, sequence: nil,
                        owed: nil, totals: nil))
            }
            Console.say("exchequer: \(error.message) (\(error.rawValue))")
            throw Exit.checkFailed
        }
    }

    /// Where the root came from that the proof was held against.
    private var source: String {
        if rpc != nil {
            "the contract"
        } else if root != nil {
            "the command line"
        } else {
            "itself"
        }
    }

    private func report(_ statement: LiabilityStatement) throws {
        if json {
            return try Console.put(
                json: Report(
                    holds: true, rejection: nil, error: nil, root_from: source,
                    root: statement.root, address: statement.address, batch: statement.batch,
                    sequence: statement.sequence, owed: statement.owed, totals: statement.totals))
        }
        Console.put(
            """
            \(statement.address) is owed \(statement.owed.usd) USD and \(statement.owed.tly) TLY, \
            part of \(statement.totals.usd) USD and \(statement.totals.tly) TLY
            settlement batch \(statement.batch), after batch \(statement.sequence) of the journal; \
            root 0x\(statement.root), from \(source)
            """)
        if rpc == nil, root == nil {
            Console.say(
                "this root is what the proof itself says: compare it with the settlement "
                    + "contract's, or the house may have shown others another one")
        }
    }

    private func expectedRoot() throws -> Digest? {
        guard let root else { return nil }
        guard let digest = Digest(hex: root) else {
            throw ValidationError("\(root) is not a root of 64 hexadecimal digits.")
        }
        return digest
    }

    private func expectedHolder() throws -> EVMAddress? {
        try address.map { $0 == "escrow" ? Liability.escrow : try evmAddress($0) }
    }

    /// What the contract logged for the proof's own batch, if it is to be asked: the last root that
    /// was committed may not pay yet, and the one that pays may be of another batch.
    private func publishedRoot(ofBatch batch: UInt64) async throws -> CommittedRoot? {
        guard let rpc, let contract else { return nil }
        let artifact: ContractArtifact
        do {
            artifact = try ContractArtifact(
                contentsOf: URL(fileURLWithPath: "\(artifacts)/Exchequer.json"))
        } catch {
            Console.say("\(artifacts) has no interface of the contract: \(error)")
            throw Exit.configuration
        }
        let address = try evmAddress(contract)
        do {
            let node = JSONRPC(url: rpc)
            let chain = EVMChain(
                rpc: node, chainID: try await EVMChain.chainID(at: node), confirmations: 1,
                pollInterval: .milliseconds(100))
            let settlement = SettlementContract(chain: chain, address: address, artifact: artifact)
            return try await settlement.committedRoot(ofBatch: batch, downTo: startBlock)
        } catch {
            Console.say("\(rpc) does not answer for the contract: \(error)")
            throw Exit.network
        }
    }
}
