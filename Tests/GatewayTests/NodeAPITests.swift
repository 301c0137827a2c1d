import Clearing
import Cryptography
import Foundation
import Inference
import Node
import Primitives
import Service
import Testing
import Transport

/// The control side of the node protocol: who may do what, and what is refused.
@Suite(.serialized, .timeLimit(.minutes(10))) struct NodeAPITests {
    private func signer(_ number: UInt8) throws -> RequestSigner {
        let seed = [UInt8](repeating: number, count: 32)
        return RequestSigner(identity: try #require(Ed25519.PrivateKey(seed: seed)))
    }

    @Test func onlyFreshSignaturesCount() async throws {
        try await RunningHouse.with { house in
            let signer = try signer(7)
            let body = try ProtocolNode.registration(signer, account: 7, name: "oak")
            let path = "/v1/node/register"
            func send(_ headers: [(name: String, value: String)]) async throws -> HTTPResponse {
                try await house.call(
                    "POST", path, json: body, headers: headers.map { ($0.name, $0.value) })
            }
            let good = signer.headers(method: "POST", path: path, body: Array(body.utf8))
            let forged: [[(name: String, value: String)]] = [
                [],
                Array(good.dropLast()),
                signer.headers(method: "POST", path: path, body: Array("{}".utf8)),
                signer.headers(method: "PUT", path: path, body: Array(body.utf8)),
                signer.headers(method: "POST", path: path + "?x=1", body: Array(body.utf8)),
                good.map { field in
                    field.name == "Exchequer-Time"
                        ? (name: field.name, value: "\((UInt64(field.value) ?? 0) - 61_000)")
                        : field
                },
                good.map { field in
                    field.name == "Exchequer-Time"
                        ? (name: field.name, value: "18446744073709551615") : field
                },
                good.map { field in
                    field.name == "Exchequer-Node"
                        ? (name: field.name, value: String(repeating: "0", count: 64)) : field
                },
            ]
            for headers in forged {
                let response = try await send(headers)
                #expect(response.status == 401)
                #expect(try response.failure().code == "bad_node_signature")
            }
            #expect(try await send(good).status == 200)
            let replayed = try await send(good)
            #expect(replayed.status == 401)
            #expect(try await house.house.sequencer.read { $0.nodes.count } == 1)
        }
    }

    @Test func registrationsNeedTheAccountsSignature() async throws {
        try await RunningHouse.with { house in
            let signer = try signer(7)
            let others = try self.signer(8)
            func register(_ body: String, as signer: RequestSigner) async throws -> HTTPResponse {
                try await house.signed(signer, "POST", "/v1/node/register", json: body)
            }
            let good = try ProtocolNode.registration(signer, account: 7, name: "oak")
            // The account allowed another node than the one that asks.
            let stolen = try await register(good, as: others)
            #expect(stolen.status == 401)
            #expect(try stolen.failure().code == "bad_authorisation")
            for body in ["{}", "[1]", "x", good.replacing("0x", with: "0y")] {
                #expect(try await register(body, as: signer).status == 400)
            }
            let first = try await register(good, as: signer)
            #expect(first.status == 200)
            // Again, and with another name: the same node and party.
            let renamed = try ProtocolNode.registration(signer, account: 7, name: "elm")
            #expect(try await register(renamed, as: signer).status == 200)
            let moved = try ProtocolNode.registration(signer, account: 9, name: "oak")
            let refused = try await register(moved, as: signer)
            #expect(try refused.failure().rejection == Rejection.nodeKeyTaken.rawValue)
            let named = try ProtocolNode.registration(others, account: 8, name: "elm")
            let taken = try await register(named, as: others)
            #expect(try taken.failure().rejection == Rejection.nameTaken.rawValue)
            let names = try await house.house.sequencer.read { $0.parties.map(\.name) }
            #expect(names.first == "elm")
        }
    }

    @Test func offersAreChecked() async throws {
        try await RunningHouse.with { house in
            let signer = try signer(7)
            func offer(
                _ change: (inout [String: Any]) -> Void = { _ in }
            ) async throws -> (Int, Failure.Inner?) {
                let model = try #require(house.house.models.model(named: "smol"))
                let layers = try #require(LayerRange(0, 10))
                var fields: [String: Any] = [
                    "model": model.manifest.root.hex, "layers": [0, 10],
                    "weights": model.manifest.weightsRoot(of: layers).hex, "input_price": "0.1",
                    "output_price": "0.1", "concurrency": 1, "context": 512, "expires_in": 60,
                ]
                change(&fields)
                let data = try JSONSerialization.data(withJSONObject: fields)
                let response = try await house.signed(
                    signer, "POST", "/v1/node/offers", json: String(decoding: data, as: UTF8.self))
                return (response.status, try? response.failure())
            }
            #expect(try await offer().1?.rejection == Rejection.nodeNotFound.rawValue)
            let body = try ProtocolNode.registration(signer, account: 7, name: "oak")
            _ = try await house.signed(signer, "POST", "/v1/node/register", json: body)
            #expect(try await offer().1?.rejection == Rejection.bondTooSmall.rawValue)
            let account = try RunningHouse.account(7)
            try await house.observe(.bonded(account: account.address, chainUnits: 100_000_000))
            let root = String(repeating: "ab", count: 32)
            #expect(try await offer { $0["model"] = root }.0 == 404)
            for (key, value) in [
                ("model", "xyz"), ("layers", [10, 0]), ("layers", [1]), ("weights", root),
                ("input_price", "-1"), ("output_price", "cheap"), ("expires_in", 0),
                ("expires_in", 40_000_000), ("context", 8_193), ("concurrency", 0),
                ("concurrency", 70_000), ("layers", [20, 40]),
            ] as [(String, Any)] {
                #expect(try await offer { $0[key] = value }.0 == 400, "\(key): \(value)")
            }
            #expect(try await offer().0 == 200)
            let others = try self.signer(8)
            let other = try ProtocolNode.registration(others, account: 8, name: "elm")
            _ = try await house.signed(others, "POST", "/v1/node/register", json: other)
            let stolen = try await house.signed(others, "DELETE", "/v1/node/offers/1")
            #expect(try stolen.failure().rejection == Rejection.notYourOffer.rawValue)
            #expect(try await house.signed(signer, "DELETE", "/v1/node/offers/1").status == 200)
            let again = try await house.signed(signer, "DELETE", "/v1/node/offers/1")
            #expect(try again.failure().rejection == Rejection.offerNotLive.rawValue)
        }
    }

    @Test func receiptsAndVerdictsOfStrangersAreRefused() async throws {
        try await RunningHouse.with { house in
            let signer = try signer(7)
            let body = try ProtocolNode.registration(signer, account: 7, name: "oak")
            _ = try await house.signed(signer, "POST", "/v1/node/register", json: body)
            for (path, json) in [
                ("receipts", "{}"), ("receipts", "{\"receipt\":\"zz\"}"),
                ("receipts", "{\"receipt\":\"00\"}"), ("verdicts", "{\"verdict\":\"00ff\"}"),
            ] {
                let response = try await house.signed(
                    signer, "POST", "/v1/node/\(path)", json: json)
                #expect(response.status == 400)
            }
            let verdict = Verdict(
                job: JobID(1), attempt: 1, code: .outputMismatch, accusedStage: 0,
                recomputedRoot: .zero, evidence: .zero
            ).signed(by: signer.identity)
            let judged = try await house.signed(
                signer, "POST", "/v1/node/verdicts",
                json: "{\"verdict\":\"\(Hex.encode(verdict.canonicalBytes()))\"}")
            #expect(try judged.failure().rejection == Rejection.jobNotFound.rawValue)
            let other = try self.signer(8).identity
            let foreign = Verdict(
                job: JobID(1), attempt: 1, code: .outputMismatch, accusedStage: 0,
                recomputedRoot: .zero, evidence: .zero
            ).signed(by: other)
            let refused = try await house.signed(
                signer, "POST", "/v1/node/verdicts",
                json: "{\"verdict\":\"\(Hex.encode(foreign.canonicalBytes()))\"}")
            #expect(try refused.failure().rejection == Rejection.wrongSigner.rawValue)
        }
    }

    @Test func linksOfStrangersAreClosed() async throws {
        try await RunningHouse.with { house in
            let stranger = try #require(Ed25519.PrivateKey(seed: [UInt8](repeating: 99, count: 32)))
            let link = try await SecureLink.connect(
                host: house.house.wire.host, port: house.house.wire.port, identity: stranger,
                expecting: house.house.key)
            #expect(try await link.receive() == nil)
            #expect(house.house.hub.onlineCount == 0)
        }
    }
}
