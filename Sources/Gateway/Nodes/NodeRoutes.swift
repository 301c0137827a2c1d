import Clearing
import Cryptography
import HTTPTypes
import Hummingbird
import Inference
import NIOCore
import Primitives
import Service
import Storage
import Verification

/// The control side of the node protocol (docs/reference/node-protocol.md).
enum NodeRoutes {
    /// The routes of a house whose longest context is so many tokens.
    static func all(longestContext: Int) -> [Route] {
        joining + working(longestContext: longestContext)
    }

    private static var joining: [Route] {
        [
            Route(
                .post, "/v1/node/register", .node, "nodes", "Let a node work for an address",
                body: [
                    .required("address", "string", "The provider's EVM address"),
                    .required("authorisation", "string", "Its EIP-191 signature, 65 bytes in hex"),
                    .optional("name", "string", "The provider's name: a-z, 0-9 and -"),
                    .required("kernel", "string", "What computes"),
                ]
            ) { try await register($0) },
            Route(
                .post, "/v1/node/offers", .node, "nodes", "Promise capacity at a price",
                body: [
                    .required("model", "string", "The model's root"),
                    .required("layers", "array", "[first, end]"),
                    .required("weights", "string", "The weights root of these layers"),
                    .required("input_price", "string", "Dollars per million prompt tokens"),
                    .required("output_price", "string", "Dollars per million output tokens"),
                    .required("concurrency", "integer", "Jobs at the same time"),
                    .required("context", "integer", "The longest prompt plus output"),
                    .optional("region", "string", "Where the node is"),
                    .required("expires_in", "integer", "Seconds"),
                    .optional(
                        "numerics", "string", "'exact' (if left out) or 'statistical'"),
                ]
            ) { try await postOffer($0) },
            Route(
                .delete, "/v1/node/offers/{offer}", .node, "nodes",
                "Take an offer back; its jobs go on"
            ) { call in
                let node = try await call.node()
                try await call.submit(.withdrawOffer(node.party, call.id("offer", "offer")))
                return JSON.ok(Done())
            },
            Route(
                .post, "/v1/node/verifier", .node, "nodes", "Audit jobs of a model",
                body: [.required("model", "string", "The model's root")]
            ) { try await enlist($0) },
        ]
    }

    private static func working(longestContext: Int) -> [Route] {
        [
            Route(
                .get, "/v1/node/events", .node, "nodes", "The node's event stream",
                query: [
                    .optional(
                        "stand_in", "integer", "1 to compute stages of others along, unpaid")
                ]
            ) { call in
                let standsIn = try call.number("stand_in", default: 0, in: 0...1) == 1
                return events(of: try await call.node().key, standsIn: standsIn, call.house)
            },
            Route(
                .post, "/v1/node/receipts", .node, "nodes", "Hand in a receipt",
                body: [
                    .required("receipt", "string", "The canonical signed receipt, in hex"),
                    .optional(
                        "logits", "string", "From the last stage: 32-byte hashes in a row, hex"),
                ], bodyLimit: 262_144 + 65 * longestContext
            ) { try await submitReceipt($0) },
            Route(
                .post, "/v1/node/verdicts", .node, "nodes", "Hand in a verdict",
                body: [.required("verdict", "string", "The canonical signed verdict, in hex")]
            ) { try await submitVerdict($0) },
            Route(
                .post, "/v1/node/weights", .node, "nodes", "Show the weights that were asked for",
                body: [.required("proof", "string", "The canonical signed proof, in hex")],
                bodyLimit: 2 << 20
            ) { try await submitProof($0) },
            Route(
                .post, "/v1/verdicts/{verdict}/appeal", .node, "nodes",
                "Ask for a verdict to be re-run; for nodes of the accused"
            ) { call in
                let node = try await call.node()
                try await call.submit(.openAppeal(call.id("verdict", "verdict"), by: node.party))
                return JSON.ok(Done())
            },
        ]
    }

    // MARK: Registration

    private struct RegisterBody: Decodable {
        let address, authorisation, kernel: String
        let name: String?
    }

    private struct Registration: Encodable {
        struct Wire: Encodable {
            let host: String
            let port: Int
        }

        let party, node: UInt64
        let houseKey: String
        let wire: Wire
    }

    private static func register(_ call: Call) async throws(APIError) -> Response {
        let key = try await call.nodeKey()
        let body: RegisterBody = try JSON.decode(from: call.body)
        guard let address = EVMAddress(hex: body.address) else {
            throw .invalid("address", "an address is 0x and 40 hexadecimal digits")
        }
        let text = NodeTexts.authorisation(
            node: key, address: address, chain: call.house.chainID)
        guard let bytes = Hex.decode(body.authorisation),
            let signature = RecoverableSignature(bytes),
            signature.recover(EIP191.digest(Array(text.utf8))) == address
        else {
            throw APIError(
                .unauthorized, code: "bad_authorisation",
                "\(address.hex) did not authorise this node for chain \(call.house.chainID)",
                parameter: "authorisation")
        }
        let (party, node) = try await admit(key, address, body.kernel, call)
        if let name = body.name, try await call.read({ $0.party(party)?.name }) != name {
            try await call.submit(.nameParty(party, name: name))
        }
        return JSON.ok(
            Registration(
                party: party.rawValue, node: node.rawValue, houseKey: call.house.key.hex,
                wire: .init(host: call.house.wire.host, port: call.house.wire.port)))
    }

    /// The node's and its party's numbers. Registering again changes nothing.
    private static func admit(
        _ key: PublicKey, _ address: EVMAddress, _ kernel: String, _ call: Call
    ) async throws(APIError) -> (PartyID, NodeID) {
        if let known = try await call.read({ $0.node(key: key) }) {
            guard try await call.read({ $0.party(address: address)?.id }) == known.party else {
                throw APIError(Rejection.nodeKeyTaken)
            }
            return (known.party, known.id)
        }
        try call.guards.registrations.take(call.source, at: .systemNow)
        let party = try await AccountRoutes.party(of: address, call)
        do {
            try await call.submit(.registerNode(party, key: key, kernel: kernel))
        } catch {
            // The same request came twice at once.
            if error.rejection != Rejection.nodeKeyTaken.rawValue { throw error }
        }
        guard let node = try await call.read({ $0.node(key: key) }), node.party == party else {
            throw APIError(Rejection.nodeKeyTaken)
        }
        return (party, node.id)
    }

    // MARK: Offers

    private struct OfferBody: Decodable {
        let model: String
        let layers: [UInt16]
        let weights, inputPrice, outputPrice: String
        let concurrency: UInt16
        let context: UInt32
        let region: String?
        let expiresIn: UInt64
        let numerics: String?
    }

    private struct PostedOffer: Encodable {
        let offer: UInt64
    }

    /// The longest an offer can stand: a year.
    private static let longestOffer: UInt64 = 366 * 86_400

    private static func postOffer(_ call: Call) async throws(APIError) -> Response {
        let node = try await call.node()
        let body: OfferBody = try JSON.decode(from: call.body)
        guard let root = Digest(hex: body.model) else {
            throw .invalid("model", "a root is 64 hexadecimal digits")
        }
        guard let model = try await call.read({ $0.model(root: root) }) else {
            throw APIError(Rejection.modelNotFound)
        }
        guard body.layers.count == 2, let layers = LayerRange(body.layers[0], body.layers[1]) else {
            throw .invalid("layers", "'layers' is [first, end] with first below end")
        }
        guard let weights = Digest(hex: body.weights) else {
            throw .invalid("weights", "a root is 64 hexadecimal digits")
        }
        // Without the model's file nobody could judge the work.
        guard let served = call.house.models.model(model.id) else {
            throw APIError(Rejection.modelNotFound)
        }
        guard Int(layers.end) <= served.manifest.layers else {
            throw APIError(Rejection.invalidLayers)
        }
        guard served.manifest.weightsRoot(of: layers) == weights else {
            throw .invalid("weights", "this is not the weights root of these layers")
        }
        guard let numerics = Numerics(name: body.numerics ?? "exact") else {
            throw .invalid("numerics", "'numerics' is 'exact' or 'statistical'")
        }
        guard (1...longestOffer).contains(body.expiresIn) else {
            throw .invalid("expires_in", "'expires_in' is from 1 second to a year")
        }
        let draft = OfferDraft(
            node: node.id, model: model.id, layers: layers, weights: weights,
            inputPrice: try price(body.inputPrice, "input_price"),
            outputPrice: try price(body.outputPrice, "output_price"),
            concurrency: body.concurrency, context: body.context, region: body.region ?? "",
            expiresAt: .systemNow + .seconds(body.expiresIn), numerics: numerics)
        for event in try await call.submit(.postOffer(draft)) {
            if case .offerPosted(let id) = event {
                return JSON.ok(PostedOffer(offer: id.rawValue))
            }
        }
        throw APIError(SequencerError.stopped)
    }

    private static func price(_ text: String, _ field: String) throws(APIError) -> Price {
        guard let amount = Asset.usd.parse(text), let units = UInt64(exactly: amount.units) else {
            throw .invalid(field, "'\(field)' is dollars per million tokens, such as \"0.40\"")
        }
        return Price(perMillion: units)
    }

    private struct VerifierBody: Decodable {
        let model: String
    }

    private static func enlist(_ call: Call) async throws(APIError) -> Response {
        let node = try await call.node()
        let body: VerifierBody = try JSON.decode(from: call.body)
        guard let root = Digest(hex: body.model),
            let model = try await call.read({ $0.model(root: root)?.id })
        else { throw APIError(Rejection.modelNotFound) }
        try await call.submit(.enlistVerifier(node.id, model: model))
        return JSON.ok(Done())
    }

    // MARK: Work

    private struct ReceiptBody: Decodable {
        let receipt: String
        let logits: String?
    }

    private static func submitReceipt(_ call: Call) async throws(APIError) -> Response {
        let node = try await call.node()
        let body: ReceiptBody = try JSON.decode(from: call.body)
        guard let bytes = Hex.decode(body.receipt),
            let receipt = try? Signed<Receipt>(canonicalBytes: bytes)
        else { throw .invalid("receipt", "'receipt' is not a canonical signed receipt") }
        guard receipt.signer == node.key else { throw APIError(Rejection.wrongSigner) }
        guard let hashes = Hex.decode(body.logits ?? ""), hashes.count.isMultiple(of: 32) else {
            throw .invalid("logits", "'logits' is whole hashes of 32 bytes in hexadecimal")
        }
        let logits = stride(from: 0, to: hashes.count, by: 32).compactMap {
            Digest(hashes[$0..<$0 + 32])
        }
        if let rejection = await call.house.jobs.submit(receipt, logits: logits) {
            throw APIError(rejection)
        }
        return JSON.ok(Done())
    }

    private struct VerdictBody: Decodable {
        let verdict: String
    }

    private static func submitVerdict(_ call: Call) async throws(APIError) -> Response {
        let node = try await call.node()
        let body: VerdictBody = try JSON.decode(from: call.body)
        guard let bytes = Hex.decode(body.verdict),
            let verdict = try? Signed<Verdict>(canonicalBytes: bytes)
        else { throw .invalid("verdict", "'verdict' is not a canonical signed verdict") }
        guard verdict.signer == node.key, verdict.verified() != nil else {
            throw APIError(Rejection.wrongSigner)
        }
        let id = verdict.body.job
        guard let job = try await call.read({ $0.job(id) }) else {
            throw APIError(Rejection.jobNotFound)
        }
        guard job.auditor == node.id else { throw APIError(Rejection.notTheAuditor) }
        // A verdict names what it judged: it must be what the house gave out.
        let known = try await Evidence.stored(call.house) { store throws(JournalError) in
            try await store.digest(of: id)
        }
        guard known == verdict.body.evidence else { throw APIError(Rejection.malformedVerdict) }
        try await call.submit(.recordVerdict(verdict))
        return JSON.ok(Done())
    }

    private struct ProofBody: Decodable {
        let proof: String
    }

    private static func submitProof(_ call: Call) async throws(APIError) -> Response {
        let node = try await call.node()
        let body: ProofBody = try JSON.decode(from: call.body)
        guard let bytes = Hex.decode(body.proof) else {
            throw .invalid("proof", "'proof' is hexadecimal")
        }
        do throws(WeightProofRejection) {
            try call.house.weights.take(bytes, from: node.key)
        } catch {
            throw APIError(
                .unprocessableContent, code: "weights_\(error.code.rawValue)", error.reason,
                parameter: "proof")
        }
        return JSON.ok(Done())
    }

    // MARK: Events

    /// Events as they come, and a comment every five seconds so that silence means loss.
    private static func events(
        of node: PublicKey, standsIn: Bool, _ house: House
    ) -> Response {
        let body = ResponseBody { writer in
            let (lines, sink) = AsyncStream.makeStream(
                of: ByteBuffer.self, bufferingPolicy: .bufferingOldest(8_192))
            let events = house.hub.openEvents(of: node, standsIn: standsIn)
            let forward = Task {
                for await event in events {
                    if case .enqueued = sink.yield(EventText.event(event)) { continue }
                    break
                }
                sink.finish()
            }
            let beat = Task {
                while !Task.isCancelled {
                    sink.yield(ByteBuffer(string: ": here\n\n"))
                    try? await Task.sleep(for: .seconds(5))
                }
            }
            defer {
                forward.cancel()
                beat.cancel()
            }
            for await line in lines { try await writer.write(line) }
            try await writer.finish(nil)
        }
        return EventText.response(body)
    }
}
