import ArgumentParser
import Cryptography
import Foundation
import Primitives
import Service

/// `exchequer depositor`: from which accounts on Solana you deposit, and where to.
struct DepositorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "depositor",
        abstract: "Register the accounts on Solana that you deposit from, and see where to send.",
        discussion: """
            A house that pays on Solana takes dollars there too. Register the account that you \
            send from: its key signs for it here. Then send the house's token from it to the \
            account that is shown, at least the minimum. Do not send from an exchange, whose \
            account is not yours.

            You are credited when the transfer is final, as far as the house's payer has earned \
            what it sells you; the rest waits, and is shown here and under GET /v1/deposits. \
            Without any option it only shows. It prints one JSON object.

            EXAMPLES
              exchequer depositor --house URL --api-key-file api.key
              exchequer depositor --house URL --api-key-file api.key --solana-key-file me.key
              exchequer depositor --house URL --api-key-file api.key --remove ACCOUNT
            """)

    @Option(help: "The house's address.") var house: String
    @Option(help: "The file with an API key.", completion: .file()) var apiKeyFile: String
    @Option(help: "The file with the key of the account to register.", completion: .file())
    var solanaKeyFile: String?
    @Option(help: "An account to give up, in base58.") var remove: String?
    @OptionGroup var keys: KeyOptions

    private struct Settings: Codable {
        /// `nil` while the house does not watch it.
        let account: String?
        let payer, mint, minimum: String
        let token_program: String
        let owners: [String]
        let waiting, message: String
    }

    private struct Wanted: Encodable {
        let owner, signature: String
    }

    func run() async throws {
        let bearer = try apiKey(in: apiKeyFile)
        var settings: Settings
        if let remove {
            settings = try await HouseCall.json(
                "DELETE", house, "/v1/depositors/\(remove)", String?.none, bearer: bearer)
        } else {
            settings = try await HouseCall.json(
                "GET", house, "/v1/depositors", String?.none, bearer: bearer)
        }
        if let solanaKeyFile {
            settings = try await HouseCall.json(
                "POST", house, "/v1/depositors", try wanted(solanaKeyFile, settings.message),
                bearer: bearer)
        }
        try Console.put(json: settings)
    }

    private func wanted(_ file: String, _ message: String) throws -> Wanted {
        guard message.hasPrefix("Exchequer deposit account\n") else {
            Console.say("the house wants something else signed than an account to deposit from")
            throw ExitCode.failure
        }
        let key = try ChannelFiles.solanaKey(file, keys)
        let owner = PayoutOwner.text(key.publicKey.value)
        let text = message.replacingOccurrences(of: "ADDRESS", with: owner)
        return Wanted(owner: owner, signature: Hex.encode(key.sign(Array(text.utf8)).bytes))
    }
}
