import Ledger
import NIOCore
import Service

/// Why an HTTP request was not carried out, in the house's one shape of errors
/// (docs/reference/ledger-protocol.md).
struct HTTPFault: Error, Equatable, Sendable {
    let status: Int
    /// What programs compare.
    let code: String
    let message: String
    /// The field that is wrong, with the number of its event.
    var parameter: String?
    /// The number of a `LedgerRefusal`, or 100 and that of a `QueryRefusal`.
    var rejection: UInt16?
    /// Whether the connection ends, because where the next request starts is not known.
    var closes = false

    /// A body that is not JSON of the right kind.
    static func notJSON(_ what: String, at place: Int) -> HTTPFault {
        HTTPFault(
            status: 400, code: "invalid_json", message: "\(what) at byte \(place) of the body",
            rejection: LedgerRefusal.malformed.rawValue)
    }

    /// A field that cannot be.
    static func invalid(_ parameter: String, _ what: String) -> HTTPFault {
        HTTPFault(
            status: 400, code: "invalid_value", message: "'\(parameter)' \(what)",
            parameter: parameter, rejection: LedgerRefusal.malformed.rawValue)
    }

    /// Bytes that are not HTTP/1.1.
    static func notHTTP(_ what: String) -> HTTPFault {
        HTTPFault(
            status: 400, code: "bad_request", message: what,
            rejection: LedgerRefusal.notThisProtocol.rawValue, closes: true)
    }

    static let version = HTTPFault(
        status: 505, code: "unsupported_version", message: "this server speaks HTTP/1.1",
        rejection: LedgerRefusal.unsupportedVersion.rawValue, closes: true)
    static let headTooLarge = HTTPFault(
        status: 431, code: "head_too_large",
        message: "a request's head has at most \(HTTPRequestHead.byteLimit) bytes",
        rejection: LedgerRefusal.tooLarge.rawValue, closes: true)
    static let bodyTooLarge = HTTPFault(
        status: 413, code: "body_too_large",
        message: "a body has at most \(HTTPConnection.bodyLimit) bytes",
        rejection: LedgerRefusal.tooLarge.rawValue, closes: true)
    static let lengthRequired = HTTPFault(
        status: 411, code: "length_required",
        message: "send the body with Content-Length and without Transfer-Encoding",
        rejection: LedgerRefusal.malformed.rawValue, closes: true)
    static let encoding = HTTPFault(
        status: 415, code: "unsupported_encoding", message: "send the body as it is",
        rejection: LedgerRefusal.malformed.rawValue, closes: true)
    static let expectation = HTTPFault(
        status: 417, code: "expectation_failed", message: "only 100-continue can be expected",
        rejection: LedgerRefusal.malformed.rawValue, closes: true)
    static let fromBrowser = HTTPFault(
        status: 403, code: "from_a_browser",
        message: "web pages may not use the ledger: the Origin field is refused",
        rejection: LedgerRefusal.malformed.rawValue, closes: true)
    static let wrongType = HTTPFault(
        status: 415, code: "unsupported_media_type",
        message: "send Content-Type: application/json",
        rejection: LedgerRefusal.malformed.rawValue)
    static let noSuchPath = HTTPFault(
        status: 404, code: "not_found", message: "there is no such path",
        rejection: LedgerRefusal.unknownOperation.rawValue)
    static let noSuchRecord = HTTPFault(
        status: 404, code: "not_found", message: "there is no such record")

    /// A path that takes other methods.
    static func method(_ allowed: String) -> HTTPFault {
        HTTPFault(
            status: 405, code: "method_not_allowed", message: "this path takes \(allowed)",
            rejection: LedgerRefusal.unknownOperation.rawValue)
    }

    /// Not carried out, or not known to be.
    init(_ refusal: LedgerRefusal) {
        self.init(
            status: refusal == .tooLarge ? 413 : 503, code: snakeCase("\(refusal)"),
            message: refusal.words, rejection: refusal.rawValue, closes: refusal.closes)
    }

    /// A query that makes no sense.
    init(_ refusal: QueryRefusal) {
        self.init(
            status: 400, code: snakeCase("\(refusal)"),
            message: "the query cannot be: \(snakeCase("\(refusal)"))",
            rejection: 100 + UInt16(refusal.rawValue))
    }

    private init(
        status: Int, code: String, message: String, parameter: String? = nil,
        rejection: UInt16? = nil, closes: Bool = false
    ) {
        self.status = status
        self.code = code
        self.message = message
        self.parameter = parameter
        self.rejection = rejection
        self.closes = closes
    }

    private var type: String {
        switch status {
        case 403: "permission_error"
        case 404: "not_found_error"
        case 500...: "server_error"
        default: "invalid_request_error"
        }
    }

    /// The JSON text of the error.
    var json: ByteBuffer {
        var text = ByteBufferAllocator().buffer(capacity: 256)
        text.writeString("{\"error\":{\"message\":")
        text.writeJSON(message)
        text.writeString(",\"type\":\"\(type)\",\"param\":")
        if let parameter { text.writeJSON(parameter) } else { text.writeString("null") }
        text.writeString(",\"code\":\"\(code)\"")
        if let rejection { text.writeString(",\"rejection\":\(rejection)") }
        text.writeString("}}")
        return text
    }
}
