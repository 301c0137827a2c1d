import ArgumentParser
import Chains
import Clearing
import Foundation
import Primitives
import Service
import Storage

/// A copy of a house's journal, and the contract that pays what is in it.
struct JournalCopyOptions: ParsableArguments {
    @Option(help: "The folder of a house, or a copy of it, in the house's place.") var data: String?
    @Option(help: "With --data: its journal, if serve was given another place.")
    var journal: String?
    @Option(help: "With --data: the chain's JSON-RPC endpoint.") var rpc: String?
    @Option(help: "With --data: the settlement contract.") var contract: String?
    @Option(help: "Folder of the contracts' interfaces.") var artifacts = "contracts-abi/evm"

    func validate() throws {
        let isWhole = rpc != nil && contract != nil
        guard data == nil ? rpc == nil && contract == nil && journal == nil : isWhole else {
            throw ValidationError("--data goes with --rpc and --contract.")
        }
    }

    /// What an account can claim of the batch whose root the contract has. Replays the journal, so
    /// O(commands).
    func statement(of account: EVMAddress) async throws -> ClaimableStatement {
        let place = try JournalOptions.place(ofHouse: data ?? "", journal)
        let settlement = try await ChainSession.settlement(
            contract ?? "", rpc: rpc ?? "", artifacts: artifacts)
        do {
            let root = try await settlement.root()
            guard root != .zero else {
                Console.say("no root pays yet")
                throw ExitCode.failure
            }
            let batch = try batch(with: root, in: place)
            let (usd, tly) = try await settlement.tokens()
            guard let claims = JournalClaims(batch, at: settlement, usd: usd, tly: tly) else {
                Console.say("the journal is of a house at another contract or chain")
                throw Exit.checkFailed
            }
            return try await claims.statement(of: account)
        } catch let error as ChainError {
            Console.say("the contract does not answer: \(error)")
            throw Exit.network
        } catch let error as JournalError {
            Console.say("the journal does not hold: \(error)")
            throw error.exitCode
        }
    }

    private func batch(with root: Digest, in place: JournalPlace) throws -> Batch {
        let journal = try place.openForReading()
        defer { try? journal.close() }
        var replay = HouseReplay()
        _ = try journal.recover { (batch, entries) throws(JournalError) in
            try replay.apply(batch, entries)
        }
        guard let batch = replay.machine.batches.last(where: { $0.root == root }) else {
            Console.say(
                "no batch of the journal has the root that pays, 0x\(root.hex): the copy is older, "
                    + "or of another house")
            throw Exit.checkFailed
        }
        return batch
    }
}
