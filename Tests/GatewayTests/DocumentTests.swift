import Clearing
import Cryptography
import Foundation
import Gateway
import HTTPTypes
import Primitives
import Service
import Testing
import Transport

/// What is written about the API is what the API is.
@Suite(.serialized, .timeLimit(.minutes(10))) struct DocumentTests {
    private func page(_ name: String) throws -> [String] {
        let file = RunningHouse.repository.appending(path: "docs/reference/\(name)")
        return try String(contentsOf: file, encoding: .utf8).components(separatedBy: "\n")
    }

    private struct Document: Decodable {
        struct Operation: Decodable {
            let summary: String
            let operationId: String
        }
        let openapi: String
        let paths: [String: [String: Operation]]
    }

    @Test func everyEndpointIsInBothDocuments() async throws {
        try await RunningHouse.with { house in
            let document: Document = try await house.call("GET", "/openapi.json").decoded()
            #expect(document.openapi == "3.1.0")
            #expect(document.paths.count > 25)
            let text = try page("http-api.md").joined(separator: "\n")
            var ids: [String] = []
            for (path, operations) in document.paths {
                for (method, operation) in operations {
                    ids.append(operation.operationId)
                    #expect(!operation.summary.isEmpty)
                    let name = "`\(method.uppercased()) \(path)`"
                    #expect(text.contains(name), "docs/reference/http-api.md lacks \(name)")
                }
            }
            #expect(Set(ids).count == ids.count)
        }
    }

    @Test func everyRejectionHasItsRow() throws {
        let lines = try page("rejections.md")
        for rejection in Rejection.allCases {
            let transient = rejection.isTransient ? "yes" : "no"
            let row =
                "| \(rejection.rawValue) | `\(rejection.name)` | \(rejection.status.code) | "
                + "\(transient) | \(rejection.message) |"
            #expect(lines.contains(row), "docs/reference/rejections.md lacks: \(row)")
        }
        for reason in FailureReason.allCases {
            let row = lines.first { $0.contains("`\(reason.name)`") }
            #expect(row?.contains(reason.message) == true, "\(reason.name)")
        }
    }

    @Test func figuresAreInPrometheusFormat() async throws {
        try await RunningHouse.with { house in
            let response = try await house.call("GET", "/metrics")
            #expect(response.status == 200)
            var names: Set<Substring> = []
            for line in response.text.split(separator: "\n") where !line.hasPrefix("#") {
                let parts = line.split(separator: " ")
                #expect(parts.count == 2 && Double(parts[1]) != nil, "\(line)")
                names.insert(parts[0].split(separator: "{")[0])
            }
            #expect(names.contains("exchequer_tokens_delivered_total"))
            #expect(names.contains("exchequer_commands_accepted_total"))
            let health = try await house.call("GET", "/healthz")
            #expect(health.status == 200)
        }
    }

    @Test func keysAreIssuedOnceListedAndRevoked() async throws {
        try await RunningHouse.with { house in
            let key = try await house.buyer()
            struct Key: Decodable { let hash: String }
            struct Page: Decodable { let data: [Key] }
            let keys: Page = try await house.call("GET", "/v1/keys", bearer: key).decoded()
            #expect(keys.data.count == 1)
            // Only the hash is kept.
            let journal = try Data(contentsOf: house.folder.appending(path: "journal.sqlite"))
            let log = try Data(contentsOf: house.folder.appending(path: "journal.sqlite-wal"))
            #expect(!(journal + log).contains(key.utf8))
            let hash = try #require(keys.data.first?.hash)
            let gone = try await house.call("DELETE", "/v1/keys/\(hash)", bearer: key)
            #expect(gone.status == 200)
            #expect(try await house.call("GET", "/v1/balance", bearer: key).status == 401)
        }
    }

    @Test func challengesAreGoodOnce() async throws {
        try await RunningHouse.with { house in
            let account = try RunningHouse.account(200)
            struct Challenge: Decodable { let message: String }
            let challenge: Challenge = try await house.call(
                "POST", "/v1/keys/challenge", json: "{\"address\":\"\(account.address.hex)\"}"
            ).decoded()
            func redeem(
                _ message: String, by number: UInt8
            ) async throws -> Transport.HTTPResponse {
                let signer = try RunningHouse.account(number)
                let body = try JSONSerialization.data(withJSONObject: [
                    "address": account.address.hex, "message": message,
                    "signature": RunningHouse.signature(of: message, by: signer),
                ])
                return try await house.call(
                    "POST", "/v1/keys", json: String(decoding: body, as: UTF8.self))
            }
            #expect(try await redeem(challenge.message, by: 201).failure().code == "bad_signature")
            let own = challenge.message.replacing("nonce", with: "nonse")
            #expect(try await redeem(own, by: 200).failure().code == "stale_challenge")
            #expect(try await redeem(challenge.message, by: 200).status == 200)
            let again = try await redeem(challenge.message, by: 200)
            #expect(again.status == 401)
            #expect(try again.failure().code == "stale_challenge")
        }
    }
}
