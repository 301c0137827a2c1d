import Clearing
import Hummingbird
import Primitives
import Service
import Storage

/// Evidence of delivered jobs. It holds prompts and answers, so it is not for everyone.
enum Evidence {
    /// Asks the store; says that it is unavailable if it is.
    static func stored<Value>(
        _ house: House, _ ask: (EvidenceStore) async throws(JournalError) -> Value
    ) async throws(APIError) -> Value {
        do {
            return try await ask(house.evidence)
        } catch {
            throw APIError(
                .serviceUnavailable, code: "unavailable", "the evidence cannot be read",
                retryAfter: 5)
        }
    }

    /// For the buyer, the nodes that served the job, its auditor, and the operator.
    static func response(_ call: Call) async throws(APIError) -> Response {
        let id: JobID = try call.id("job", "job")
        guard let job = try await call.read({ $0.job(id) }) else {
            throw APIError(Rejection.jobNotFound)
        }
        guard try await mayRead(job, call) else {
            throw APIError(
                .forbidden, code: "not_your_job",
                "the evidence is for the buyer, the nodes of the job, and its auditor")
        }
        let bytes = try await stored(call.house) { store throws(JournalError) in
            try await store.bundle(of: id)
        }
        guard let bytes else {
            throw .notFound("evidence: the job was not delivered, or it is long ago")
        }
        return Response(
            status: .ok, headers: [.contentType: "application/octet-stream"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
    }

    private static func mayRead(_ job: Job, _ call: Call) async throws(APIError) -> Bool {
        if call.isSigned {
            let node = try await call.node()
            return job.auditor == node.id || job.pipeline.contains { $0.party == node.party }
        }
        if call.isOperator { return true }
        return try await call.buyer() == job.demand.buyer
    }

    struct ReceiptView: Encodable, Sendable {
        let stage: UInt16
        let layers: [UInt16]
        let node, inputRoot, outputRoot, weights, model, profile, previous, receipt: String
        let positions, promptTokens, outputTokens: UInt32
        let startedAt, finishedAt: UInt64
    }

    /// What the stages signed: roots and counts, nothing of the content.
    static func receipts(_ call: Call) async throws(APIError) -> Response {
        let id: JobID = try call.id("job", "job")
        guard try await call.read({ $0.job(id) != nil }) else {
            throw APIError(Rejection.jobNotFound)
        }
        let bytes = try await stored(call.house) { store throws(JournalError) in
            try await store.receipts(of: id)
        }
        var reader = ByteReader(bytes ?? [0, 0, 0, 0])
        let receipts: [Signed<Receipt>]? = try? reader.readArray(limit: Limits.stages)
        return JSON.ok(Page((receipts ?? []).map(view)))
    }

    private static func view(_ signed: Signed<Receipt>) -> ReceiptView {
        let body = signed.body
        return ReceiptView(
            stage: body.stage, layers: [body.layers.first, body.layers.end],
            node: signed.signer.hex, inputRoot: body.inputRoot.hex,
            outputRoot: body.outputRoot.hex, weights: body.weights.hex, model: body.model.hex,
            profile: body.profile.hex, previous: body.previous.hex,
            receipt: Hex.encode(signed.canonicalBytes()), positions: body.positions,
            promptTokens: body.promptTokens, outputTokens: body.outputTokens,
            startedAt: body.startedAt.milliseconds, finishedAt: body.finishedAt.milliseconds)
    }
}
