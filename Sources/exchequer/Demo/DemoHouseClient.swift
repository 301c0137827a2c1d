import Foundation
import Primitives
import Transport

/// Reads the house's public HTTP API, as anyone could.
struct DemoHouseClient: Sendable {
    let base: String
    let operatorToken: String

    struct List<Item: Decodable>: Decodable {
        let data: [Item]
    }

    struct Provider: Decodable {
        let party: UInt64
        let name: String
        let address: String
        let online: Int
        let bond: String
        let tombstoned: Bool
    }

    struct Stage: Decodable {
        let party: UInt64
        let provider: String
        let cost: String
        let signed: Bool
    }

    struct Job: Decodable {
        let job: UInt64
        let state: String
        let prompt_tokens: UInt64
        let output_tokens: UInt64
        let cost: String
        let attempt: UInt32
        let pipeline: [Stage]
        let verdict: UInt64?
        let opened_at: UInt64?
        let ended_at: UInt64?

        var isFinal: Bool { ["paid", "refunded", "failed"].contains(state) }
    }

    struct Verdict: Decodable {
        let verdict: UInt64
        let state: String
        let job: UInt64
        let fault: String
        let accused: UInt64?
        let accused_stage: Int?
        let captured: String
        let burned: String
        let settled_on_chain: Bool
    }

    struct BatchLine: Decodable {
        let party: UInt64
        let address: String
        let asset: String
        let cumulative: String
        let cumulative_units: String
    }

    struct Batch: Decodable {
        let batch: UInt64
        let state: String
        let root: String
        let lines: [BatchLine]?
    }

    struct State: Decodable {
        let sequence: UInt64
        let head: String
        let state: String
    }

    struct Balances: Decodable {
        struct Line: Decodable {
            let asset: String
            let bonded: String
            let in_transit: String
        }
        let party: UInt64
        let balances: [Line]
    }

    /// A GET whose answer must be JSON of this shape.
    func get<Answer: Decodable>(_ path: String, as type: Answer.Type = Answer.self) async throws
        -> Answer
    {
        let response = try await HTTPClient.shared.send(
            HTTPRequest(method: "GET", url: base + path))
        guard response.head.isSuccess else {
            throw Supervisor.Failure(
                description: "GET \(path): \(String(decoding: response.body, as: UTF8.self))")
        }
        return try JSONDecoder().decode(Answer.self, from: Data(response.body))
    }

    /// Text of a GET, such as /metrics.
    func text(_ path: String) async throws -> String {
        let response = try await HTTPClient.shared.send(
            HTTPRequest(method: "GET", url: base + path))
        return String(decoding: response.body, as: UTF8.self)
    }

    /// Whether the house answers.
    func isUp() async -> Bool {
        let response = try? await HTTPClient.shared.send(
            HTTPRequest(method: "GET", url: base + "/healthz"))
        return response?.head.isSuccess == true
    }

    /// An operator's POST. A conflict (there is nothing to do yet) is not an error.
    func post(_ path: String) async throws {
        var request = HTTPRequest(method: "POST", url: base + path)
        request.headers.append((name: "Authorization", value: "Bearer \(operatorToken)"))
        request.body = Array("{}".utf8)
        let response = try await HTTPClient.shared.send(request)
        guard response.head.isSuccess || response.status == 409 || response.status == 503 else {
            throw Supervisor.Failure(
                description: "POST \(path): \(String(decoding: response.body, as: UTF8.self))")
        }
    }

    func providers() async throws -> [Provider] {
        try await get("/v1/providers?limit=100", as: List<Provider>.self).data
    }

    func jobs() async throws -> [Job] {
        try await get("/v1/jobs?limit=100", as: List<Job>.self).data
    }

    func verdicts() async throws -> [Verdict] {
        try await get("/v1/verdicts?limit=100", as: List<Verdict>.self).data
    }

    /// The balances of the first parties; those that do not exist yet are left out.
    func balances(ofFirst count: Int) async throws -> [Balances] {
        var found: [Balances] = []
        for party in 1...count {
            if let line = try? await get("/v1/balances/\(party)", as: Balances.self) {
                found.append(line)
            }
        }
        return found
    }

    func batches() async throws -> [Batch] {
        try await get("/v1/batches?limit=100", as: List<Batch>.self).data
    }
}
