public import Clearing
public import HTTPTypes
public import Hummingbird
import Service

/// An answer that is an error, shaped as OpenAI's clients expect it:
/// `{"error": {"message", "type", "param", "code", "rejection"}}`.
public struct APIError: Error, Sendable {
    /// The HTTP status.
    public let status: HTTPResponse.Status
    /// OpenAI's kind of error.
    public let type: String
    /// What programs compare.
    public let code: String
    /// What is wrong and what to do.
    public let message: String
    /// The field of the request that is wrong, if one is.
    public let parameter: String?
    /// The house's rejection number, if the house refused.
    public let rejection: UInt16?
    /// Seconds after which it may work.
    public let retryAfter: Int?

    /// An error with its parts.
    public init(
        _ status: HTTPResponse.Status, code: String, _ message: String, type: String? = nil,
        parameter: String? = nil, rejection: UInt16? = nil, retryAfter: Int? = nil
    ) {
        self.status = status
        self.type = type ?? Self.type(for: status)
        self.code = code
        self.message = message
        self.parameter = parameter
        self.rejection = rejection
        self.retryAfter = retryAfter
    }

    private static func type(for status: HTTPResponse.Status) -> String {
        switch status.code {
        case 401: "authentication_error"
        case 402: "insufficient_quota"
        case 403: "permission_error"
        case 404: "not_found_error"
        case 429: "rate_limit_error"
        case 500...: "server_error"
        default: "invalid_request_error"
        }
    }

    /// A field that cannot be.
    static func invalid(_ parameter: String, _ message: String) -> APIError {
        APIError(.badRequest, code: "invalid_value", message, parameter: parameter)
    }

    /// Something that is not there.
    static func notFound(_ what: String) -> APIError {
        APIError(.notFound, code: "not_found", "there is no such \(what)")
    }

    /// The house's refusal.
    init(_ rejection: Rejection) {
        self.init(
            rejection.status, code: rejection.name, rejection.message,
            rejection: rejection.rawValue,
            retryAfter: rejection.status == .tooManyRequests ? 1 : nil)
    }

    /// The sequencer did not decide.
    init(_ error: SequencerError) {
        self.init(
            .serviceUnavailable, code: "unavailable", "\(error)", retryAfter: error == .busy ? 1 : 5
        )
    }

    /// Nobody is paid now.
    init(_ failure: PayoutDesk.Failure) {
        switch failure {
        case .rejected(let rejection): self.init(rejection)
        case .unavailable(let why):
            self.init(.serviceUnavailable, code: "unavailable", why, retryAfter: 5)
        }
    }

    init(_ error: ReturnError) {
        switch error {
        case .rejected(let rejection): self.init(rejection)
        case .notProven: self.init(.conflict, code: "not_proven", "\(error)")
        case .unavailable:
            self.init(.serviceUnavailable, code: "unavailable", "\(error)", retryAfter: 5)
        }
    }

    /// A job that came to nothing.
    init(_ failure: JobFailure) {
        switch failure {
        case .rejected(let rejection): self.init(rejection)
        case .failed(let job, let reason):
            self.init(
                reason == .timedOut ? .gatewayTimeout : .badGateway, code: reason.name,
                "job \(job): \(reason.message); nothing was charged")
        case .unavailable(let why):
            self.init(.serviceUnavailable, code: "unavailable", why, retryAfter: 5)
        }
    }

    private struct Body: Encodable {
        struct Inner: Encodable {
            let message, type, code: String
            let param: String?
            let rejection: UInt16?

            enum CodingKeys: CodingKey { case message, type, code, param, rejection }

            func encode(to encoder: any Encoder) throws {
                var fields = encoder.container(keyedBy: CodingKeys.self)
                try fields.encode(message, forKey: .message)
                try fields.encode(type, forKey: .type)
                try fields.encode(code, forKey: .code)
                // OpenAI's errors always have the field, null where no parameter is at fault.
                try fields.encode(param, forKey: .param)
                try fields.encodeIfPresent(rejection, forKey: .rejection)
            }
        }
        let error: Inner
    }

    /// The JSON text of the error.
    var json: ByteBuffer {
        JSON.encode(
            Body(
                error: .init(
                    message: message, type: type, code: code, param: parameter,
                    rejection: rejection)))
    }
}

extension APIError: HTTPResponseError {
    /// The error as an answer.
    public func response(
        from request: Request, context: some RequestContext
    ) throws -> Response {
        response
    }

    /// The error as an answer, whatever was asked.
    var response: Response {
        var response = JSON.response(status, json)
        if let retryAfter { response.headers[.retryAfter] = "\(retryAfter)" }
        if status == .unauthorized { response.headers[.wwwAuthenticate] = "Bearer" }
        return response
    }
}

extension Rejection {
    /// The HTTP status that says it best.
    public var status: HTTPResponse.Status {
        switch self {
        case .insufficientFunds: .init(code: 402, reasonPhrase: "Payment Required")
        case .partyTombstoned, .notYourOffer, .wrongSigner, .notTheAuditor, .notTheAccused:
            .forbidden
        case .partyNotFound, .nodeNotFound, .modelNotFound, .keyNotFound, .offerNotFound,
            .jobNotFound, .verdictNotFound, .noSuchStage, .dispersalNotFound,
            .channelNotFound, .depositorNotFound:
            .notFound
        case .addressTaken, .nameTaken, .nodeKeyTaken, .modelExists, .keyExists,
            .alreadyEnlisted, .bondTooSmall, .offerNotLive, .requestAlreadyUsed, .wrongJobState,
            .staleAttempt, .noAlternative, .duplicateReceipt, .notAppealable, .alreadyAppealed,
            .noOpenAppeal,
            .beaconReused, .chainEventReplayed, .insufficientBalance, .nothingToSettle,
            .batchOpen, .wrongBatchState, .rootMismatch, .epochNotOver, .wrongPaymentState,
            .costBooked, .withdrawalKeyUsed, .noPayoutRail, .notTheLastLog, .recordBehind,
            .recordNotPinned, .nothingToSeal, .wrongBooks,
            .channelExists, .wrongChannelState, .channelNotWanted, .depositorTaken, .depositBooked:
            .conflict
        case .tooManyJobs, .tooManyKeys, .tooManyNodes, .tooManyOffers, .tooManyWithdrawals,
            .tooManyDeposits:
            .tooManyRequests
        case .notConfigured, .noOffers, .priceLimit: .serviceUnavailable
        default: .badRequest
        }
    }
}
