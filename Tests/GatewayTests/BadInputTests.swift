import Clearing
import Foundation
import Primitives
import Service
import Testing
import Transport

/// What strangers can get wrong over HTTP: each has its status and code, changes nothing and costs
/// nothing.
@Suite(.serialized, .timeLimit(.minutes(10))) struct BadInputTests {
    struct Row: Sendable {
        let path: String
        let body: String
        let status: Int
        let code: String
        var parameter: String?

        init(
            _ body: String, _ status: Int, _ code: String, _ parameter: String? = nil,
            path: String = "/v1/completions"
        ) {
            self.path = path
            self.body = body
            self.status = status
            self.code = code
            self.parameter = parameter
        }
    }

    private static func prompt(_ more: String) -> String {
        "{\"model\":\"smol\",\"prompt\":\"One\",\(more)}"
    }

    private static let chat = "/v1/chat/completions"

    private static func chat(_ more: String) -> String {
        "{\"model\":\"smol\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\(more)}"
    }

    private static func format(_ format: String) -> String {
        prompt("\"response_format\":\(format)")
    }
    private static func schema(_ schema: String) -> String {
        format("{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"x\",\"schema\":\(schema)}}")
    }
    private static func biases(_ count: Int) -> String {
        (0..<count).map { "\"\($0)\":1" }.joined(separator: ",")
    }
    private static let deep =
        String(repeating: "[", count: 100_000) + String(repeating: "]", count: 100_000)

    static let rows: [Row] = [
        Row("", 400, "invalid_json"),
        Row("nonsense", 400, "invalid_json"),
        Row("{\"model\":\"smol\",", 400, "invalid_json"),
        Row("[]", 400, "invalid_json"),
        Row(deep, 400, "invalid_json"),
        Row("{\"prompt\":\"One\"}", 400, "invalid_value", "model"),
        Row("{\"model\":7,\"prompt\":\"One\"}", 400, "invalid_value", "model"),
        Row("{\"model\":\"other\",\"prompt\":\"One\"}", 404, "model_not_found", "model"),
        Row("{\"model\":\"smol\"}", 400, "invalid_value", "prompt"),
        Row("{\"model\":\"smol\",\"prompt\":\"\"}", 400, "empty_prompt"),
        Row("{\"model\":\"smol\",\"prompt\":[]}", 400, "empty_prompt"),
        Row("{\"model\":\"smol\",\"prompt\":[\"a\",\"b\"]}", 400, "invalid_value", "prompt"),
        Row("{\"model\":\"smol\",\"prompt\":[49152]}", 400, "invalid_value", "prompt"),
        Row("{\"model\":\"smol\",\"prompt\":[-1]}", 400, "invalid_value", "prompt"),
        Row(prompt("\"max_tokens\":0"), 400, "invalid_value", "max_tokens"),
        Row(prompt("\"max_tokens\":-5"), 400, "invalid_value", "max_tokens"),
        Row(prompt("\"max_tokens\":8192"), 400, "context_length_exceeded", "prompt"),
        Row(
            prompt("\"max_tokens\":9223372036854775807"), 400, "context_length_exceeded", "prompt"),
        Row(prompt("\"max_tokens\":\"many\""), 400, "invalid_value", "max_tokens"),
        Row(prompt("\"temperature\":-1"), 400, "invalid_value", "temperature"),
        Row(prompt("\"temperature\":3"), 400, "invalid_value", "temperature"),
        Row(prompt("\"top_p\":0"), 400, "invalid_value", "top_p"),
        Row(prompt("\"top_p\":1.5"), 400, "invalid_value", "top_p"),
        Row(prompt("\"top_p\":1e-60"), 400, "invalid_value", "top_p"),
        Row(prompt("\"top_k\":-1"), 400, "invalid_value", "top_k"),
        Row(prompt("\"stop\":[\"\"]"), 400, "invalid_value", "stop"),
        Row(prompt("\"n\":2"), 400, "unsupported_parameter", "n"),
        Row(prompt("\"logprobs\":21"), 400, "invalid_value", "logprobs"),
        Row(prompt("\"logprobs\":true"), 400, "invalid_value", "logprobs"),
        Row(prompt("\"logprobs\":1,\"top_logprobs\":1"), 400, "invalid_value", "top_logprobs"),
        Row(chat("\"logprobs\":5"), 400, "invalid_value", "logprobs", path: chat),
        Row(chat("\"top_logprobs\":5"), 400, "invalid_value", "top_logprobs", path: chat),
        Row(
            chat("\"logprobs\":true,\"top_logprobs\":21"), 400, "invalid_value", "top_logprobs",
            path: chat),
        Row(prompt("\"min_p\":1.5"), 400, "invalid_value", "min_p"),
        Row(prompt("\"min_p\":-0.1"), 400, "invalid_value", "min_p"),
        Row(prompt("\"repetition_penalty\":0"), 400, "invalid_value", "repetition_penalty"),
        Row(prompt("\"repetition_penalty\":1e-60"), 400, "invalid_value", "repetition_penalty"),
        Row(prompt("\"repetition_penalty\":2.5"), 400, "invalid_value", "repetition_penalty"),
        Row(prompt("\"presence_penalty\":-2.5"), 400, "invalid_value", "presence_penalty"),
        Row(prompt("\"frequency_penalty\":3"), 400, "invalid_value", "frequency_penalty"),
        Row(prompt("\"frequency_penalty\":\"1\""), 400, "invalid_value", "frequency_penalty"),
        Row(prompt("\"echo\":true"), 400, "unsupported_parameter", "echo"),
        Row(prompt("\"logit_bias\":{\"1\":101}"), 400, "invalid_value", "logit_bias"),
        Row(prompt("\"logit_bias\":{\"49152\":1}"), 400, "invalid_value", "logit_bias"),
        Row(prompt("\"logit_bias\":{\"-1\":1}"), 400, "invalid_value", "logit_bias"),
        Row(prompt("\"logit_bias\":{\"01\":1}"), 400, "invalid_value", "logit_bias"),
        Row(prompt("\"logit_bias\":{\"the\":1}"), 400, "invalid_value", "logit_bias"),
        Row(prompt("\"logit_bias\":[1]"), 400, "invalid_value", "logit_bias"),
        Row(prompt("\"logit_bias\":{\(biases(301))}"), 400, "invalid_value", "logit_bias"),
        Row(format("{\"type\":\"xml\"}"), 400, "invalid_value", "response_format"),
        Row(format("{\"type\":\"json_schema\"}"), 400, "invalid_value", "response_format"),
        Row(format("{}"), 400, "invalid_value", "response_format.type"),
        Row(schema("{\"multipleOf\":2}"), 400, "invalid_value", "response_format"),
        Row(schema("{\"$ref\":\"#\"}"), 400, "invalid_value", "response_format"),
        Row(schema("false"), 400, "invalid_value", "response_format"),
        Row(schema("{\"maxLength\":1000000}"), 400, "invalid_value", "response_format"),
        Row(schema("{\"pattern\":\"(a{900}){900}\"}"), 400, "invalid_value", "response_format"),
        Row(
            schema(String(repeating: "[", count: 100) + String(repeating: "]", count: 100)), 400,
            "invalid_value", "response_format"),
        Row(prompt("\"provider\":{\"only\":\"x\"}"), 400, "invalid_value", "provider.only"),
        Row("{\"model\":\"smol\",\"messages\":[]}", 400, "invalid_value", "messages", path: chat),
        Row(
            "{\"model\":\"smol\",\"messages\":[{\"role\":\"root\",\"content\":\"x\"}]}", 400,
            "invalid_value", "messages.0.role", path: chat),
        Row(
            "{\"model\":\"smol\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}]}",
            400, "invalid_value", "messages.0.content", path: chat),
        Row(
            "{\"model\":\"smol\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"tools\":[{}]}",
            400, "unsupported_parameter", "tools", path: chat),
        // Nothing is wrong with it, but nobody serves the model.
        Row(prompt("\"max_tokens\":1"), 503, "no_offers"),
    ]

    @Test func eachMistakeHasItsAnswerAndCostsNothing() async throws {
        try await RunningHouse.with { house in
            let key = try await house.buyer()
            let before = house.house.sequencer.head
            for row in Self.rows {
                let response = try await house.call("POST", row.path, json: row.body, bearer: key)
                let failure = try response.failure()
                let name = String(row.body.prefix(90))
                #expect(response.status == row.status, "\(name): \(response.text)")
                #expect(failure.code == row.code, "\(name)")
                #expect(failure.param == row.parameter, "\(name)")
                #expect(!failure.message.isEmpty)
            }
            #expect(house.house.sequencer.head == before)
        }
    }

    @Test func bodiesHaveLimits() async throws {
        try await RunningHouse.with { house in
            let key = try await house.buyer()
            let huge =
                "{\"model\":\"smol\",\"prompt\":\"" + String(repeating: "a ", count: 2_200_000)
            let response = try await house.call(
                "POST", "/v1/completions", json: huge + "\"}", bearer: key)
            #expect(response.status == 413)
            #expect(try response.failure().code == "body_too_large")
            // A prompt that fits a request and not the model.
            let long =
                "{\"model\":\"smol\",\"prompt\":\"" + String(repeating: "word ", count: 20_000)
            let tooLong = try await house.call(
                "POST", "/v1/completions", json: long + "\"}", bearer: key)
            #expect(try tooLong.failure().code == "context_length_exceeded")
            #expect(try await house.house.sequencer.read { $0.jobs.isEmpty })
        }
    }

    @Test func anEmptyWalletBuysNothing() async throws {
        try await RunningHouse.with { house in
            try await house.startNode(1, name: "oak", price: "1000")
            let key = try await house.buyer(dollars: 1)
            let poor = try await house.call(
                "POST", "/v1/completions", json: Self.prompt("\"max_tokens\":4000"), bearer: key)
            #expect(poor.status == 402)
            let failure = try poor.failure()
            #expect(failure.type == "insufficient_quota")
            #expect(failure.rejection == Rejection.insufficientFunds.rawValue)
            #expect(try await house.house.sequencer.read { $0.jobs.isEmpty })
        }
    }

    @Test func pathsAndQueriesAreChecked() async throws {
        try await RunningHouse.with { house in
            for (path, status, code) in [
                ("/v1/nothing", 404, "not_found"), ("/v1/jobs/0", 404, "not_found"),
                ("/v1/jobs/7", 404, "job_not_found"), ("/v1/jobs/x", 404, "not_found"),
                ("/v1/jobs?limit=0", 400, "invalid_value"),
                ("/v1/jobs?limit=99999999999999999999", 400, "invalid_value"),
                ("/v1/jobs?after=-1", 400, "invalid_value"),
                ("/v1/offers?state=odd", 400, "invalid_value"),
                ("/v1/balances/99", 404, "party_not_found"),
                ("/v1/verdicts/1", 404, "verdict_not_found"),
                ("/v1/batches/1", 404, "not_found"),
                ("/v1/batches/1/claims/0x12", 404, "not_found"),
                ("/v1/claimable/0x12", 400, "invalid_value"),
                ("/v1/claimable/0x\(String(repeating: "1", count: 40))", 404, "not_found"),
                ("/v1/models/none", 404, "model_not_found"),
                ("/v1/jobs?after=18446744073709551615", 200, ""),
            ] {
                let response = try await house.call("GET", path)
                #expect(response.status == status, "\(path): \(response.text)")
                if status != 200 { #expect(try response.failure().code == code, "\(path)") }
            }
            let method = try await house.call("DELETE", "/v1/jobs")
            #expect(method.status == 404 || method.status == 405)
            #expect(try !method.failure().message.isEmpty)
        }
    }

    @Test func moneyAndKeysNeedTheirSecrets() async throws {
        try await RunningHouse.with { house in
            let key = try await house.buyer()
            for (method, path) in [
                ("GET", "/v1/balance"), ("GET", "/v1/keys"), ("POST", "/v1/withdrawals"),
                ("GET", "/v1/claimable"),
                ("POST", "/v1/completions"), ("POST", "/v1/chat/completions"),
            ] {
                for bearer in [nil, "exq_wrong", String(key.dropLast())] {
                    let body = method == "POST" ? "{}" : nil
                    let response = try await house.call(
                        method, path, json: body, bearer: bearer)
                    #expect(response.status == 401, "\(path)")
                    #expect(try response.failure().code == "invalid_api_key")
                }
            }
            for path in [
                "close-epoch", "settle", "draw-audits", "settlement/reverse", "batches/replace",
                "dispersals/1/return", "settlement/accept-shortfall",
            ] {
                for bearer in [nil, key, "operator"] {
                    let response = try await house.call(
                        "POST", "/v1/operator/\(path)", json: "{}", bearer: bearer)
                    #expect(response.status == 401)
                }
            }
            let operated = try await house.call(
                "POST", "/v1/operator/settle", json: "{}", bearer: house.operatorToken)
            #expect(try operated.failure().rejection == Rejection.nothingToSettle.rawValue)
            // Nothing was disputed, and without a chain there is nothing to compare with.
            let replaced = try await house.call(
                "POST", "/v1/operator/batches/replace", json: "{}", bearer: house.operatorToken)
            #expect(try replaced.failure().rejection == Rejection.wrongBatchState.rawValue)
            for bearer in [nil, try house.operatorToken] {
                let report = try await house.call(
                    "GET", "/v1/operator/reconciliation", bearer: bearer)
                #expect(report.status == (bearer == nil ? 401 : 404))
            }
        }
    }
}
