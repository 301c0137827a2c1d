import Foundation
import Ledger
import LedgerServer
import Primitives
import Service
import Storage
import Testing

/// The HTTP API over real sockets.
@Suite(.serialized, .timeLimit(.minutes(10))) struct HTTPTests {
    private static let two =
        "{\"accounts\":[{\"id\":\"1\",\"ledger\":1,\"code\":1},"
        + "{\"id\":\"2\",\"ledger\":1,\"code\":1,\"flags\":[\"history\"]}]}"
    private static let largest = "340282366920938463463374607431768211455"

    @Test func itAnswersWhatTheLedgerDoes() async throws {
        let running = try await RunningLedger()
        let web = try running.web()
        let made = try web.post("/v1/accounts", HTTPTests.two)
        #expect(
            made.body
                == "{\"results\":["
                + "{\"status\":\"created\",\"number\":4294967295,\"timestamp\":\"999999999999\"},"
                + "{\"status\":\"created\",\"number\":4294967295,\"timestamp\":\"1000000000000\"}]}"
        )
        let moved = try web.post(
            "/v1/transfers",
            "[{\"i\\u0064\":\"1\\u0030\",\"debit_account\":\"1\",\"credit_account\":\"2\","
                + "\"amount\":\"\(HTTPTests.largest)\",\"ledger\":1,\"code\":7,"
                + "\"flags\":[\"pending\"],\"timeout\":4294967295,"
                + "\"user_data64\":\"18446744073709551615\"}, {\"id\":\"\(HTTPTests.largest)\"}]")
        #expect(moved.body.contains("\"status\":\"id_must_not_be_int_max\",\"number\":6"))
        let client = try running.client()
        let stored = try client.transfers([TransferID(10)])
        #expect(stored.first?.amount == Amount(.max) && stored.first?.userData64 == .max)
        let one = try web.get("/v1/transfers/10")
        #expect(one.json["amount"] as? String == HTTPTests.largest)
        #expect(one.json["flags"] as? [String] == ["pending"])
        let account = try web.get("/v1/accounts/2")
        #expect(account.json["credits_pending"] as? String == HTTPTests.largest)
        for path in [
            "/v1/accounts?limit=1&reversed=true", "/v1/transfers?code=7",
            "/v1/accounts/2/transfers?debits=false", "/v1/accounts/2/balances",
        ] {
            let answer = try web.get(path)
            #expect((answer.json["data"] as? [Any])?.count == 1, "\(path): \(answer.body)")
        }
        #expect(try web.get("/v1/head").json["sequence"] as? Int == 2)
        #expect(try web.get("/healthz").status == 200)
        let metrics = try web.get("/metrics").body
        #expect(metrics.contains("\nexchequer_ledger_connections 2\n"))
        #expect(metrics.contains("\nexchequer_ledger_sequence 2\n"))
        try await running.service.stop()
        let health = try web.get("/healthz")
        #expect(health.status == 503)
        #expect(health.json["ok"] as? Bool == false)
        await running.end()
    }

    struct Row: Sendable {
        let body: String
        let code: String
        let parameter: String?
        var path = "/v1/transfers"
    }

    static let rows: [Row] = [
        Row(body: "", code: "invalid_json", parameter: nil),
        Row(body: "{", code: "invalid_json", parameter: nil),
        Row(body: "{}", code: "invalid_value", parameter: "transfers"),
        Row(body: "7", code: "invalid_value", parameter: "transfers"),
        Row(body: "[]", code: "invalid_value", parameter: "transfers"),
        Row(body: "{\"accounts\":[]}", code: "invalid_value", parameter: "accounts"),
        Row(body: "{\"transfers\":7}", code: "invalid_value", parameter: "transfers"),
        Row(body: "[{\"id\":\"1\"}] x", code: "invalid_json", parameter: nil),
        Row(body: "[{\"id\":\"1\"},]", code: "invalid_value", parameter: "transfers[1]"),
        Row(body: "[{\"id\":\"1\",}]", code: "invalid_json", parameter: nil),
        Row(body: "[{}]", code: "invalid_value", parameter: "transfers[0].id"),
        Row(body: "[{\"id\":1}]", code: "invalid_value", parameter: "transfers[0].id"),
        Row(body: "[{\"id\":\"01\"}]", code: "invalid_value", parameter: "transfers[0].id"),
        Row(body: "[{\"id\":\"-1\"}]", code: "invalid_value", parameter: "transfers[0].id"),
        Row(
            body: "[{\"id\":\"340282366920938463463374607431768211456\"}]", code: "invalid_value",
            parameter: "transfers[0].id"),
        Row(
            body: "[{\"id\":\"1\"},{\"id\":\"2\",\"amonut\":\"1\"}]", code: "invalid_value",
            parameter: "transfers[1].amonut"),
        Row(
            body: "[{\"id\":\"1\",\"id\":\"2\"}]", code: "invalid_value",
            parameter: "transfers[0].id"),
        Row(
            body: "[{\"id\":\"1\",\"code\":65536}]", code: "invalid_value",
            parameter: "transfers[0].code"),
        Row(
            body: "[{\"id\":\"1\",\"code\":1.0}]", code: "invalid_value",
            parameter: "transfers[0].code"),
        Row(
            body: "[{\"id\":\"1\",\"ledger\":\"1\"}]", code: "invalid_value",
            parameter: "transfers[0].ledger"),
        Row(
            body: "[{\"id\":\"1\",\"flags\":[\"pending\",\"pending\"]}]", code: "invalid_value",
            parameter: "transfers[0].flags"),
        Row(
            body: "[{\"id\":\"1\",\"flags\":[\"closed\"]}]", code: "invalid_value",
            parameter: "transfers[0].flags"),
        Row(body: "[{\"id\":\"\\ud800\"}]", code: "invalid_json", parameter: nil),
        Row(body: "[{\"id\":\"\\x\"}]", code: "invalid_json", parameter: nil),
        Row(body: "[{\"id\":\"1\n\"}]", code: "invalid_json", parameter: nil),
        Row(
            body: String(repeating: "[", count: 100_000), code: "invalid_value",
            parameter: "transfers[0]"),
        Row(
            body: "[" + String(repeating: "{\"id\":\"1\"},", count: 8_189) + "{\"id\":\"1\"}]",
            code: "invalid_value", parameter: "transfers"),
        Row(
            body: "[{\"id\":\"1\",\"timeout\":1}]", code: "invalid_value",
            parameter: "accounts[0].timeout", path: "/v1/accounts"),
    ]

    @Test func badBodiesSayWhichFieldAndChangeNothing() async throws {
        let running = try await RunningLedger()
        let web = try running.web()
        for row in HTTPTests.rows {
            let answer = try web.post(row.path, row.body)
            #expect(answer.status == 400, "\(row.body.prefix(80)): \(answer.body)")
            #expect(answer.error["code"] as? String == row.code, "\(row.body.prefix(80))")
            #expect(answer.error["param"] as? String == row.parameter, "\(row.body.prefix(80))")
            #expect(answer.error["rejection"] as? Int == 6)
        }
        let notUTF8 = try web.post("/v1/transfers", Array("[{\"".utf8) + [0xC0, 0xAF, 0x22])
        #expect(notUTF8.error["code"] as? String == "invalid_json")
        #expect(try web.get("/v1/head").json["sequence"] as? Int == 0)
        await running.end()
    }

    @Test func otherFaultsHaveTheirStatus() async throws {
        let running = try await RunningLedger()
        let web = try running.web()
        #expect(try web.get("/nowhere").status == 404)
        #expect(try web.get("/v1/accounts/7").status == 404)
        #expect(try web.get("/v1/accounts/x").error["param"] as? String == "id")
        #expect(try web.get("/v1/accounts?color=1").error["param"] as? String == "color")
        #expect(try web.get("/v1/accounts?limit=0").error["rejection"] as? Int == 107)
        #expect(try web.get("/v1/head", method: "DELETE").status == 405)
        #expect(try web.post("/healthz", "").status == 405)
        #expect(try web.post("/v1/transfers", Array("[]".utf8), type: "text/plain").status == 415)
        let host = "Host: a\r\n"
        let heads: [(String, Int)] = [
            ("GET /healthz HTTP/1.1\r\n\r\n", 400), ("GET  / HTTP/1.1\r\n\r\n", 400),
            ("GET / HTTP/2.0\r\n\r\n", 505), ("\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\n\(host)Content-Length: 8388609\r\n\r\n", 413),
            ("POST / HTTP/1.1\r\n\(host)Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\n\(host)Content-Length: +1\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\n\r\n", 411),
            ("GET / HTTP/1.1\r\n\(host)Origin: http://evil\r\n\r\n", 403),
            ("GET / HTTP/1.1\r\n\(host) folded\r\n\r\n", 400),
            ("GET /" + String(repeating: "a", count: 20_000), 431),
        ]
        for (head, status) in heads {
            let stranger = try running.web()
            try stranger.send(Array(head.utf8))
            #expect(try stranger.receive().status == status, "\(head.prefix(60))")
            #expect(throws: LedgerClientError.self) { try stranger.receive() }
        }
        await running.end()
    }

    @Test func pipelinedRequestsAreAnsweredInOrder() async throws {
        let running = try await RunningLedger()
        let web = try running.web()
        _ = try web.post("/v1/accounts", HTTPTests.two)
        let one = "GET /v1/accounts/1 HTTP/1.1\r\nHost: a\r\n\r\n"
        let two = "GET /v1/accounts/2 HTTP/1.1\r\nHost: a\r\n\r\n"
        try web.send(Array(String(repeating: one + two, count: 500).utf8))
        for _ in 0..<500 {
            #expect(try web.receive().json["id"] as? String == "1")
            #expect(try web.receive().json["id"] as? String == "2")
        }
        await running.end()
    }

    @Test func mutatedBodiesAreRefusedOrReadAsFoundationDoes() async throws {
        let running = try await RunningLedger()
        let web = try running.web()
        let sound = Array(
            "{\"accounts\":[{\"id\":\"1\",\"ledger\":1,\"code\":1,\"flags\":[\"linked\"]}]}".utf8)
        var random = SystemRandomNumberGenerator()
        for _ in 0..<3_000 {
            var body = sound
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let place = Int.random(in: body.indices, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: body[place] = UInt8.random(in: .min ... .max, using: &random)
                case 1: body.remove(at: place)
                default: body.insert(body[Int.random(in: body.indices, using: &random)], at: place)
                }
            }
            let answer = try web.post("/v1/accounts", body)
            #expect(answer.status == 200 || answer.status == 400)
            if answer.status == 200 {
                let read = try? JSONSerialization.jsonObject(with: Data(body))
                #expect(read != nil, "\(String(decoding: body, as: UTF8.self))")
            }
        }
        await running.end()
    }
}
