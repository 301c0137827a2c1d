import ArgumentParser
import Clearing
import Cryptography
import Foundation
import Primitives
import Service
import Storage
import Transport

/// `exchequer prove-balance`: the proof that a balance is part of what a house says it owes.
struct ProveBalanceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prove-balance",
        abstract: "Prove that a balance is part of what a house says it owes.",
        discussion: """
            With every settlement a house commits to the sum of everything it owes. The proof, one \
            JSON object, shows that one balance is in that sum, and nothing of anybody else's; \
            exchequer verify-balance checks it. A holder asks the house with its API key; the \
            house itself makes one from its folder, for any party and any settlement, by \
            replaying its journal.

            EXAMPLES
              exchequer prove-balance --url http://127.0.0.1:8080 --api-key-file api.key > p.json
              exchequer prove-balance --data house --party 7 > p.json
              exchequer prove-balance --data house --party 7 --batch 3 > p.json
              exchequer prove-balance --data house --escrow    what is not decided yet
            """)

    @Option(help: "The house's address.") var url: String?
    @Option(help: "The file with an API key of the holder.", completion: .file())
    var apiKeyFile: String?
    @Option(help: "The house's data folder.") var data: String?
    @Option(help: "The house's journal, if it is not in that folder; with --data.")
    var journal: String?
    @Option(help: "The party whose balance it is; with --data.") var party: UInt64?
    @Flag(help: "Prove the money in escrow instead of a party's.") var escrow = false
    @Option(help: "The settlement batch; the last one if left out. With --data.") var batch: UInt64?

    func validate() throws {
        guard (url == nil) != (data == nil) else {
            throw ValidationError("Give either --url or --data.")
        }
        if data != nil {
            guard (party != nil) != escrow, apiKeyFile == nil else {
                throw ValidationError("--data goes with either --party or --escrow.")
            }
        } else if party != nil || batch != nil || (apiKeyFile != nil) == escrow {
            throw ValidationError("--url goes with either --api-key-file or --escrow alone.")
        }
    }

    func run() async throws {
        let statement: LiabilityStatement
        if let url {
            let path = escrow ? "/v1/liabilities/escrow" : "/v1/liabilities/proof"
            statement = try await HouseCall.json(
                "GET", url, path, String?.none,
                bearer: try apiKeyFile.map { try apiKey(in: $0) })
        } else {
            statement = try fromJournal(in: data ?? "")
        }
        try Console.put(json: statement)
    }

    /// Makes the proof of the journal and the salt in a house's folder.
    private func fromJournal(in folder: String) throws -> LiabilityStatement {
        let place = try JournalOptions.place(ofHouse: folder, journal)
        let salt: [UInt8]
        do {
            salt = try SecretFile.read(LiabilityBook.saltFile(in: folder))
        } catch {
            Console.say("\(error)")
            throw Exit.configuration
        }
        do {
            let journal = try place.openForReading()
            defer { try? journal.close() }
            var replay = HouseReplay()
            _ = try journal.recover { (batch, entries) throws(JournalError) in
                try replay.apply(batch, entries)
            }
            let (holder, commitment) = try subject(in: replay.machine)
            let tree = try LiabilityTree.replayed(commitment, from: journal, salt: salt)
            return try statement(of: holder, in: tree, commitment)
        } catch let error as JournalError {
            Console.say("the journal does not hold: \(error)")
            throw Exit.checkFailed
        }
    }

    /// Whose balance is to be proved, and in which commitment.
    private func subject(
        in house: ClearingHouse
    ) throws -> (holder: EVMAddress, commitment: LiabilityCommitment) {
        var holder = Liability.escrow
        if let party {
            guard let record = house.party(PartyID(party)) else {
                Console.say("there is no party \(party)")
                throw ExitCode.failure
            }
            holder = record.address
        }
        let settlement = batch.map { house.batch(BatchID($0)) } ?? house.lastCommitted
        guard let commitment = settlement?.liabilities else {
            Console.say(
                batch.map { "settlement batch \($0) does not say what is owed" }
                    ?? "no settlement says yet what is owed")
            throw ExitCode.failure
        }
        return (holder, commitment)
    }

    private func statement(
        of holder: EVMAddress, in tree: LiabilityTree, _ commitment: LiabilityCommitment
    ) throws -> LiabilityStatement {
        guard tree.commitment == commitment else {
            Console.say(
                "the tree made again is not the one that was committed: liabilities.salt is not "
                    + "the one of batch \(commitment.batch)")
            throw Exit.checkFailed
        }
        guard let proof = tree.proof(of: holder) else {
            Console.say("the party is younger than batch \(commitment.batch)")
            throw ExitCode.failure
        }
        return LiabilityStatement(proof)
    }
}
