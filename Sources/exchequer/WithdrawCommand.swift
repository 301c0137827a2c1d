import ArgumentParser
import Foundation
import Primitives
import Service

/// `exchequer withdraw`: money of one's own, sent at once.
struct WithdrawCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "withdraw",
        abstract: "Have a house send what it owes you, without waiting for its next settlement.",
        discussion: """
            The house sends it to the account of your party, or on Solana if you chose that (see \
            exchequer payout). The same key is the same withdrawal however often the command is \
            run, so run it again with the key it printed if you do not know what became of it.

            EXAMPLES
              exchequer withdraw --house URL --api-key-file api.key --amount 12.50
              exchequer withdraw --house URL --api-key-file api.key --amount 12.50 --key june
            """)

    @Option(help: "The house's address.") var house: String
    @Option(help: "The file with an API key.", completion: .file()) var apiKeyFile: String
    @Option(help: "USD or TLY.") var asset = "USD"
    @Option(help: "How much, in whole coins.") var amount: String
    @Option(help: "What to call it; a new name if left out.") var key: String?
    @Option(help: "Seconds to wait for the chain; 0 to leave at once.") var wait = 60
    @Flag(help: "Print one JSON object.") var json = false

    private struct Request: Encodable {
        let asset, amount, key: String
    }

    /// What the house says of it.
    private struct Made: Codable {
        struct Payment: Codable {
            let receiver, amount, stage: String
            let transaction: String?
        }
        let dispersal: UInt64
        let rail: String
        let open: Bool
        let transaction: String?
        let payments: [Payment]
    }

    func run() async throws {
        let key = key ?? Hex.encode(House.random(16))
        let bearer = try apiKey(in: apiKeyFile)
        if !json { Console.say("withdrawal \(key)") }
        var made: Made = try await HouseCall.json(
            "POST", house, "/v1/withdrawals", Request(asset: asset, amount: amount, key: key),
            bearer: bearer)
        let end = ContinuousClock.now + .seconds(wait)
        while made.open, ContinuousClock.now < end {
            try await Task.sleep(for: .milliseconds(500))
            made = try await HouseCall.json(
                "GET", house, "/v1/dispersals/\(made.dispersal)", String?.none)
        }
        if json { return try Console.put(json: made) }
        for payment in made.payments {
            let transaction = payment.transaction ?? made.transaction ?? "no transaction yet"
            Console.put(
                "\(payment.amount) \(asset) to \(payment.receiver): \(payment.stage), "
                    + transaction)
        }
    }
}
