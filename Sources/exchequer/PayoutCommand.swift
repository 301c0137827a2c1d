import ArgumentParser
import Cryptography
import Foundation
import Primitives
import Service

/// `exchequer payout`: how a house is to pay you.
struct PayoutCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "payout",
        abstract: "Say how a house pays you: on which chain, and what it keeps for spending.",
        discussion: """
            An account on Solana is named by the key that owns it, which signs for it here, or by \
            its address, if a program derived it and no key has it. What is left out is as at \
            first: paid on the EVM chain, in full. Without any option it only shows.

            With --channel a house that opens payment channels may pay you by vouchers, to that \
            account: see exchequer claimable --vouchers, and exchequer channels.

            EXAMPLES
              exchequer payout --house URL --api-key-file api.key
              exchequer payout --house URL --api-key-file api.key --solana-key-file me.key
              exchequer payout --house URL --api-key-file api.key --keep 20
              exchequer payout --house URL --api-key-file api.key --channel 0x..
            """)

    @Option(help: "The house's address.") var house: String
    @Option(help: "The file with an API key.", completion: .file()) var apiKeyFile: String
    @Option(help: "The file with the key of the account on Solana.", completion: .file())
    var solanaKeyFile: String?
    @OptionGroup var keys: KeyOptions
    @Option(help: "An account on Solana that a program derived.") var solana: String?
    @Option(help: "Dollars that are kept for spending out of what is earned.") var keep: String?
    @Option(help: "An account on the EVM chain that is to be paid through a payment channel.")
    var channel: String?
    @Flag(help: "Be paid on the EVM chain, in full.") var reset = false

    private struct Settings: Codable {
        let solana, channel: String?
        let keep, debt: String
        let pushable: Bool
        let message: String
    }

    private struct Wanted: Encodable {
        let solana, signature, keep, channel: String?
    }

    func validate() throws {
        guard solanaKeyFile == nil || solana == nil else {
            throw ValidationError("Give either --solana-key-file or --solana.")
        }
    }

    func run() async throws {
        let bearer = try apiKey(in: apiKeyFile)
        var settings: Settings = try await HouseCall.json(
            "GET", house, "/v1/payout", String?.none, bearer: bearer)
        if reset || solanaKeyFile != nil || solana != nil || keep != nil || channel != nil {
            settings = try await HouseCall.json(
                "POST", house, "/v1/payout", try wanted(settings.message), bearer: bearer)
        }
        try Console.put(json: settings)
    }

    private func wanted(_ message: String) throws -> Wanted {
        guard let solanaKeyFile else {
            return Wanted(solana: solana, signature: nil, keep: keep, channel: channel)
        }
        guard message.hasPrefix("Exchequer payout address\n") else {
            Console.say("the house wants something else signed than an address to pay to")
            throw ExitCode.failure
        }
        let key = try ChannelFiles.solanaKey(solanaKeyFile, keys)
        let address = PayoutOwner.text(key.publicKey.value)
        let text = message.replacingOccurrences(of: "ADDRESS", with: address)
        return Wanted(
            solana: address, signature: Hex.encode(key.sign(Array(text.utf8)).bytes), keep: keep,
            channel: channel)
    }
}
