import CCurl
import CCurlShim

/// One exchange while libcurl works on it. Made by a caller, then touched by the loop's thread
/// only; the two inlets are what both sides share.
@safe
final class CurlTransfer: @unchecked Sendable {
    /// Names the exchange to the loop.
    let id: UInt64
    /// The head of the answer: one element, or an error.
    let head: Inlet<HTTPHead, HTTPError>
    /// The chunks of the body.
    let body: Inlet<[UInt8], HTTPError>
    private let checked: CheckedRequest
    private static let bufferedBytes = 1 << 20
    private static let maximumHeaderBytes = 64 << 10

    private(set) var handle: UnsafeMutableRawPointer?
    private var fields: UnsafeMutablePointer<curl_slist>?
    private var headers: [(name: String, value: String)] = []
    private var headerBytes = 0
    private var status = 0
    private var hasHead = false
    private var isFull = false
    private var refusal: HTTPError?

    init(id: UInt64, request: CheckedRequest, unpause: @escaping @Sendable () -> Void) {
        self.id = id
        checked = request
        head = Inlet(limit: .max) {}
        body = Inlet(limit: Self.bufferedBytes, resume: unpause)
    }

    /// Makes the libcurl handle; `nil` when it cannot.
    func start() -> UnsafeMutableRawPointer? {
        guard let handle = unsafe curl_easy_init() else { return nil }
        unsafe self.handle = unsafe handle
        let request = checked.request
        unsafe exq_curl_set_string(handle, CURLOPT_URL, request.url)
        unsafe exq_curl_set_string(handle, CURLOPT_PROTOCOLS_STR, "http,https")
        unsafe exq_curl_set_string(handle, CURLOPT_USERAGENT, "exchequer")
        unsafe exq_curl_set_long(handle, CURLOPT_NOSIGNAL, 1)
        unsafe exq_curl_set_long(handle, CURLOPT_FOLLOWLOCATION, 0)
        unsafe exq_curl_set_long(handle, CURLOPT_TCP_KEEPALIVE, 1)
        unsafe exq_curl_set_long(
            handle, CURLOPT_CONNECTTIMEOUT_MS, request.connectTimeout.wholeMilliseconds)
        if let timeout = request.timeout {
            unsafe exq_curl_set_long(handle, CURLOPT_TIMEOUT_MS, timeout.wholeMilliseconds)
        }
        if checked.isLoopback { unsafe exq_curl_set_string(handle, CURLOPT_PROXY, "") }
        unsafe setMethod(handle, request)
        unsafe fields = unsafe curl_slist_append(fields, "Expect:")
        for (name, value) in request.headers {
            let field = value.isEmpty ? "\(name);" : "\(name): \(value)"
            unsafe fields = unsafe curl_slist_append(fields, field)
        }
        unsafe exq_curl_set_pointer(handle, CURLOPT_HTTPHEADER, fields)
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        unsafe exq_curl_set_header(handle, { unsafe transferHeader($0, $1, $2, $3) }, context)
        unsafe exq_curl_set_write(handle, { unsafe transferBody($0, $1, $2, $3) }, context)
        return unsafe handle
    }

    private func setMethod(_ handle: UnsafeMutableRawPointer, _ request: HTTPRequest) {
        if request.method == "HEAD" {
            unsafe exq_curl_set_long(handle, CURLOPT_NOBODY, 1)
        } else if request.method != "GET" || request.body != nil {
            var body = request.body ?? []
            unsafe exq_curl_set_long(handle, CURLOPT_POSTFIELDSIZE, body.count)
            if body.isEmpty { body = [0] }
            unsafe exq_curl_set_pointer(handle, CURLOPT_COPYPOSTFIELDS, &body)
            unsafe exq_curl_set_string(handle, CURLOPT_CUSTOMREQUEST, request.method)
        }
        let isSafe = request.method == "GET" || request.method == "HEAD"
        if !isSafe, !request.mayRepeat {
            // libcurl sends a request again when a kept-alive connection turns out to be dead.
            unsafe exq_curl_set_long(handle, CURLOPT_FRESH_CONNECT, 1)
        }
    }

    /// Releases what libcurl holds. The handle must have left the multi handle before.
    func release() {
        if let handle = unsafe handle { unsafe curl_easy_cleanup(handle) }
        if let fields = unsafe fields { unsafe curl_slist_free_all(fields) }
        unsafe handle = nil
        unsafe fields = nil
    }

    /// Lets data flow again after the reader has taken enough.
    func unpause() {
        guard isFull, let handle = unsafe handle else { return }
        isFull = false
        unsafe curl_easy_pause(handle, 0)
    }

    /// Takes one header line. Returns whether to go on.
    func receiveHeader(_ line: String, bytes: Int) -> Bool {
        guard !hasHead else { return true }
        headerBytes += bytes
        guard headerBytes <= Self.maximumHeaderBytes else {
            refusal = .responseTooLarge(limit: Self.maximumHeaderBytes)
            return false
        }
        if line.hasPrefix("HTTP/") {
            status = line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
            headers = []
        } else if line.isEmpty {
            guard status >= 200 else { return true }
            hasHead = true
            head.push(HTTPHead(status: status, headers: headers), cost: 0)
            head.finish(.success(()))
        } else if let colon = line.firstIndex(of: ":") {
            let value = line[line.index(after: colon)...]
            headers.append((String(line[..<colon]), value.trimmed))
        }
        return true
    }

    /// Takes a chunk of the body; `false` to be given it again after `unpause`.
    func receiveBody(_ chunk: () -> [UInt8]) -> Bool {
        guard !isFull else { return false }
        let bytes = chunk()
        isFull = !body.push(bytes, cost: bytes.count)
        return true
    }

    /// Ends the exchange with libcurl's result.
    func complete(_ code: CURLcode) {
        let error = code == CURLE_OK ? nil : refusal ?? describe(code)
        if let error {
            fail(error)
        } else if !hasHead {
            fail(.connectionLost(mayHaveArrived: true, "the answer has no head"))
        } else {
            body.finish(.success(()))
        }
    }

    /// Ends the exchange with an error.
    func fail(_ error: HTTPError) {
        head.finish(.failure(error))
        body.finish(.failure(error))
    }

    /// Whether bytes of the request were written to a connection.
    var mayHaveArrived: Bool {
        guard let handle = unsafe handle else { return hasHead }
        var bytes = 0
        unsafe exq_curl_get_long(handle, CURLINFO_REQUEST_SIZE, &bytes)
        return hasHead || bytes > 0
    }

    private func describe(_ code: CURLcode) -> HTTPError {
        let text = unsafe String(cString: curl_easy_strerror(code))
        switch code {
        case CURLE_UNSUPPORTED_PROTOCOL, CURLE_URL_MALFORMAT:
            // libcurl also reports an answer that is not HTTP as an unsupported protocol.
            return mayHaveArrived
                ? .connectionLost(mayHaveArrived: true, text) : .invalidRequest(text)
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_CONNECT:
            return .couldNotConnect(text)
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM,
            CURLE_SSL_CIPHER, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_ISSUER_ERROR:
            return mayHaveArrived ? .connectionLost(mayHaveArrived: true, text) : .tls(text)
        case CURLE_OPERATION_TIMEDOUT:
            return .timedOut(mayHaveArrived: mayHaveArrived)
        default:
            return .connectionLost(mayHaveArrived: mayHaveArrived, text)
        }
    }
}

private func transferHeader(
    _ bytes: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int,
    _ context: UnsafeMutableRawPointer?
) -> Int {
    guard let bytes = unsafe bytes, let context = unsafe context else { return 0 }
    let transfer = unsafe Unmanaged<CurlTransfer>.fromOpaque(context).takeUnretainedValue()
    let raw = unsafe UnsafeRawBufferPointer(start: bytes, count: size * count)
    let line = unsafe String(decoding: raw, as: UTF8.self).trimmed
    return transfer.receiveHeader(line, bytes: raw.count) ? size * count : 0
}

private func transferBody(
    _ bytes: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int,
    _ context: UnsafeMutableRawPointer?
) -> Int {
    guard let bytes = unsafe bytes, let context = unsafe context else { return 0 }
    let transfer = unsafe Unmanaged<CurlTransfer>.fromOpaque(context).takeUnretainedValue()
    let raw = unsafe UnsafeRawBufferPointer(start: bytes, count: size * count)
    let pause = 0x1000_0001
    return transfer.receiveBody { unsafe Array(raw) } ? size * count : pause
}

extension StringProtocol {
    /// Without spaces, tabs and line ends at both ends.
    var trimmed: String {
        func isBlank(_ character: Character) -> Bool { character.isWhitespace }
        return String(drop(while: isBlank).reversed().drop(while: isBlank).reversed())
    }
}

extension Duration {
    /// Milliseconds, at least 1: libcurl takes 0 for "no limit".
    var wholeMilliseconds: Int {
        let (seconds, attoseconds) = components
        let bounded = min(max(seconds, 0), 1_000_000_000)
        return max(1, Int(bounded) * 1_000 + Int(attoseconds / 1_000_000_000_000_000))
    }
}
