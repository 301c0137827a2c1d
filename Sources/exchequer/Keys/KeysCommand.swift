import ArgumentParser
import Cryptography
import Foundation
import Primitives
import Transport

/// `exchequer keys`: makes and shows keys, and gets API keys of a house.
struct KeysCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys",
        abstract: "Make, seal, rotate and show keys; get and revoke API keys of a house.",
        discussion: """
            Key files hold 64 hexadecimal digits, or a key sealed under a passphrase, and are \
            readable by their owner only. Nothing ever prints what is in one.

            EXAMPLES
              exchequer keys new --sealed my.key     an EVM account under a passphrase
              exchequer keys show my.key             its address and public key
              exchequer keys seal old.key            puts a file under a passphrase
              exchequer keys rotate my.key           a new key; the old one is kept beside it
              exchequer keys api --house URL --key-file my.key --label laptop
              exchequer keys revoke --house URL --api-key-file api.key HASH
            """,
        subcommands: [
            NewKeyCommand.self, ShowKeyCommand.self, SealKeyCommand.self, UnsealKeyCommand.self,
            ChangePassphraseCommand.self, RotateKeyCommand.self, API.self, Revoke.self,
        ])

    struct API: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Get an API key by signing the house's challenge with an EVM key.",
            discussion: "The key is printed once; the house keeps only its hash.")

        @Option(help: "The house's address.") var house: String
        @Option(help: "The file with the EVM private key.", completion: .file())
        var keyFile: String
        @Option(help: "What to call the key.") var label = ""
        @OptionGroup var keys: KeyOptions
        @Flag(help: "Print one JSON object.") var json = false

        private struct ChallengeRequest: Encodable { let address: String }
        private struct Challenge: Decodable { let message: String }
        private struct KeyRequest: Encodable { let address, message, signature, label: String }
        private struct Key: Codable {
            let api_key: String
            let party: UInt64
            let hash: String
        }

        func run() async throws {
            let account = try keys.account(in: keyFile)
            let address = account.address.hex
            let challenge: Challenge = try await HouseCall.json(
                "POST", house, "/v1/keys/challenge", ChallengeRequest(address: address))
            guard challenge.message.hasPrefix("Exchequer API key\n"),
                challenge.message.contains(address)
            else {
                Console.say("the house wants something else signed than a key for \(address)")
                throw ExitCode.failure
            }
            let signature = account.sign(EIP191.digest(Array(challenge.message.utf8)))
            let key: Key = try await HouseCall.json(
                "POST", house, "/v1/keys",
                KeyRequest(
                    address: address, message: challenge.message,
                    signature: Hex.encode(signature.bytes), label: label))
            if json { try Console.put(json: key) } else { Console.put(key.api_key) }
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Revoke an API key by its hash.")

        @Option(help: "The house's address.") var house: String
        @Option(help: "A file with any API key of the same party.", completion: .file())
        var apiKeyFile: String
        @Argument(help: "The hash, as GET /v1/keys lists it.") var hash: String

        private struct Done: Decodable {}

        func run() async throws {
            let _: Done = try await HouseCall.json(
                "DELETE", house, "/v1/keys/\(hash)", String?.none,
                bearer: try apiKey(in: apiKeyFile))
            Console.say("revoked \(hash)")
        }
    }
}

/// Reads an API key, or says what is wrong with its file.
func apiKey(in path: String) throws -> String {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
        Console.say("\(path) cannot be read")
        throw Exit.configuration
    }
    return text.trimmingCharacters(in: .whitespacesAndNewlines)
}

/// Calls of a house's HTTP API.
enum HouseCall {
    /// Sends a request whose answer is JSON; says what went wrong otherwise.
    static func json<Answer: Decodable>(
        _ method: String, _ house: String, _ path: String, _ body: (some Encodable)?,
        bearer: String? = nil, headers: [(name: String, value: String)] = []
    ) async throws -> Answer {
        let base = house.hasSuffix("/") ? String(house.dropLast()) : house
        var request = HTTPRequest(method: method, url: base + path)
        if let body {
            request.body = Array(try JSONEncoder().encode(body))
            request.headers.append((name: "Content-Type", value: "application/json"))
        }
        if let bearer {
            request.headers.append((name: "Authorization", value: "Bearer \(bearer)"))
        }
        request.headers += headers
        let response: HTTPResponse
        do {
            response = try await HTTPClient.shared.send(request)
        } catch {
            Console.say("\(house) does not answer: \(error)")
            throw Exit.network
        }
        guard response.head.isSuccess else {
            Console.say("\(method) \(path): \(String(decoding: response.body, as: UTF8.self))")
            throw ExitCode.failure
        }
        return try JSONDecoder().decode(Answer.self, from: Data(response.body))
    }
}
