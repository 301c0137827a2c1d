import ArgumentParser
import Cryptography
import Foundation
import Node
import Transport

/// `exchequer appeal`: asks for a verdict against this provider to be run again.
struct AppealCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "appeal",
        abstract: "Ask a house to run the evidence of a verdict against you again.",
        discussion: """
            Any node of the accused provider can appeal until the window ends (GET \
            /v1/verdicts/ID says when). If the accused work reproduces, the captured bond is free \
            again and the verifier pays for the false accusation; if not, the penalty is taken at \
            once. `exchequer verify` tells beforehand.

            EXAMPLES
              exchequer appeal 7 --house http://127.0.0.1:8080 --identity node.identity
            """)

    @Argument(help: "The verdict's number.") var verdict: UInt64
    @Option(help: "The house's address.") var house: String
    @OptionGroup var own: NodeIdentity

    private struct Done: Decodable {}

    func run() async throws {
        guard FileManager.default.fileExists(atPath: own.identity) else {
            Console.say("\(own.identity) does not exist: --identity wants the file the node made")
            throw Exit.configuration
        }
        let signer = RequestSigner(
            identity: try KeyOptions.orExit { () throws(SecretFileError) in
                try own.keys.access.identity(in: own.identity)
            })
        let path = "/v1/verdicts/\(verdict)/appeal"
        let headers = signer.headers(method: "POST", path: path, body: Array("{}".utf8))
        let _: Done = try await HouseCall.json(
            "POST", house, path, [String: String](), headers: headers)
        Console.say("appealed against verdict \(verdict)")
    }
}
