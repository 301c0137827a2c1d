import Cryptography
import Primitives
import Transport
import Verification

/// The control side of the protocol: signed requests to the house, JSON both ways.
struct HouseClient: Sendable {
    private let base: String
    private let signer: RequestSigner
    private let http = HTTPClient.shared

    init(house: String, identity: Ed25519.PrivateKey) {
        var base = house
        while base.hasSuffix("/") { base.removeLast() }
        self.base = base
        signer = RequestSigner(identity: identity)
    }

    func chain() async throws(NodeError) -> UInt64 {
        let answer: HouseMessages.Chain = try await get("/v1/chain")
        return answer.id
    }

    func models() async throws(NodeError) -> [HouseMessages.Models.Entry] {
        let answer: HouseMessages.Models = try await get("/v1/models")
        return answer.data
    }

    func manifest(root: String) async throws(NodeError) -> [UInt8] {
        try await call("GET", "/v1/models/\(root)/manifest")
    }

    func register(
        _ body: HouseMessages.Register
    ) async throws(NodeError) -> HouseMessages.Registration {
        try await post("/v1/node/register", body)
    }

    func post(_ offer: HouseMessages.Offer) async throws(NodeError) -> UInt64 {
        let answer: HouseMessages.OfferAnswer = try await post("/v1/node/offers", offer)
        return answer.offer
    }

    func withdraw(offer: UInt64) async throws(NodeError) {
        _ = try await call("DELETE", "/v1/node/offers/\(offer)")
    }

    func enlist(model: Digest) async throws(NodeError) {
        _ = try await call(
            "POST", "/v1/node/verifier",
            body: SnakeCaseJSON.encode(HouseMessages.Verifier(model: model.hex)))
    }

    func submit(_ receipt: Signed<Receipt>, logits: [Digest]) async throws(NodeError) {
        let body = HouseMessages.Receipt(
            receipt: Hex.encode(receipt.canonicalBytes()),
            logits: logits.isEmpty ? nil : logits.map(\.hex).joined())
        _ = try await call("POST", "/v1/node/receipts", body: SnakeCaseJSON.encode(body))
    }

    func submit(_ verdict: Signed<Verdict>) async throws(NodeError) {
        let body = HouseMessages.Verdict(verdict: Hex.encode(verdict.canonicalBytes()))
        _ = try await call("POST", "/v1/node/verdicts", body: SnakeCaseJSON.encode(body))
    }

    func submit(_ proof: Signed<WeightProof>) async throws(NodeError) {
        let body = HouseMessages.WeightProof(proof: Hex.encode(proof.canonicalBytes()))
        _ = try await call("POST", "/v1/node/weights", body: SnakeCaseJSON.encode(body))
    }

    func evidence(of job: JobID) async throws(NodeError) -> [UInt8] {
        try await call("GET", "/v1/jobs/\(job)/evidence", limit: 1 << 30)
    }

    /// Opens the stream of events. The exchange ends when the house closes it or with `cancel`.
    func events(standsIn: Bool) async throws(NodeError) -> HTTPExchange {
        var request = request(
            "GET", "/v1/node/events" + (standsIn ? "?stand_in=1" : ""), body: nil)
        request.timeout = nil
        request.headers.append(("Accept", "text/event-stream"))
        do throws(HTTPError) {
            let exchange = try await http.open(request)
            guard exchange.head.isSuccess else {
                let body = try await exchange.next() ?? []
                exchange.cancel()
                throw HTTPError.connectionLost(
                    mayHaveArrived: true,
                    "the house answered \(exchange.head.status) "
                        + String(decoding: body.prefix(200), as: UTF8.self))
            }
            return exchange
        } catch {
            throw NodeError(.houseUnreachable, "the event stream did not open: \(error)")
        }
    }

    private func get<Answer: Decodable>(_ path: String) async throws(NodeError) -> Answer {
        try decode(try await call("GET", path), path)
    }

    private func post<Answer: Decodable>(
        _ path: String, _ body: some Encodable
    ) async throws(NodeError) -> Answer {
        try decode(try await call("POST", path, body: SnakeCaseJSON.encode(body)), path)
    }

    private func request(_ method: String, _ path: String, body: [UInt8]?) -> HTTPRequest {
        var headers = signer.headers(method: method, path: path, body: body ?? [])
        if body != nil { headers.append(("Content-Type", "application/json")) }
        return HTTPRequest(method: method, url: base + path, headers: headers, body: body)
    }

    private func call(
        _ method: String, _ path: String, body: [UInt8]? = nil, limit: Int = 8 << 20
    ) async throws(NodeError) -> [UInt8] {
        var request = request(method, path, body: body)
        request.maximumResponseBytes = limit
        let response: HTTPResponse
        do throws(HTTPError) {
            response = try await http.send(request)
        } catch {
            throw NodeError(.houseUnreachable, "\(method) \(path): \(error)")
        }
        guard response.head.isSuccess else { throw Self.refusal(response, method, path) }
        return response.body
    }

    /// What an answer other than 2xx means. These rejections pass by themselves: the house has not
    /// seen the bond, the party or the model yet, or has no parameters yet.
    static let transientRejections: Set<UInt16> = [101, 201, 206, 209, 301]

    static func refusal(_ response: HTTPResponse, _ method: String, _ path: String) -> NodeError {
        let failure: HouseMessages.Failure? = SnakeCaseJSON.decode(response.body)
        let number = failure?.number
        let message = failure?.error?.message ?? String(response.text.prefix(200))
        return NodeError(
            .houseRefused, "\(method) \(path): \(response.status) \(message)", rejection: number,
            isTransient: response.status >= 500 || response.status == 429
                || number.map(transientRejections.contains) == true)
    }

    private func decode<Answer: Decodable>(
        _ bytes: [UInt8], _ path: String
    ) throws(NodeError) -> Answer {
        guard let answer: Answer = SnakeCaseJSON.decode(bytes) else {
            throw NodeError(.badAnswer, "\(path): the answer is not what the protocol says")
        }
        return answer
    }
}
