/// The first part of an HTTP/1.1 request (RFC 9112), as far as this server needs it.
struct HTTPRequestHead: Sendable {
    /// The most bytes of it.
    static let byteLimit = 16 << 10

    var method = ""
    var path = ""
    /// What follows the question mark.
    var query = ""
    /// Bytes of body that follow.
    var contentLength = 0
    /// Whether the client may send another request.
    var keepsAlive = true
    /// Whether the body is said to be JSON.
    var isJSON = false
    /// Whether the client waits for a word before it sends the body.
    var expectsContinue = false

    /// Reads a head, from the method up to the empty line.
    init(_ bytes: [UInt8]) throws(HTTPFault) {
        var lines = LineCutter(bytes: bytes)
        guard let first = lines.next() else { throw .notHTTP("there is no request line") }
        try readRequestLine(bytes[first])
        var hasHost = false
        var hasLength = false
        while let line = lines.next(), !line.isEmpty {
            guard let colon = bytes[line].firstIndex(of: 0x3A), colon > line.lowerBound,
                bytes[line.lowerBound..<colon].allSatisfy(HTTPRequestHead.isTokenByte)
            else { throw .notHTTP("a header field has no name") }
            let value = HTTPRequestHead.trimmed(bytes[(colon + 1)..<line.upperBound])
            guard value.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }) else {
                throw .notHTTP("a header field holds a control character")
            }
            let name = bytes[line.lowerBound..<colon]
            if HTTPRequestHead.same(name, "content-length") {
                if hasLength { throw .notHTTP("there are two Content-Length fields") }
                hasLength = true
                contentLength = try HTTPRequestHead.length(value)
            } else if HTTPRequestHead.same(name, "host") {
                if hasHost { throw .notHTTP("there are two Host fields") }
                hasHost = true
            } else {
                try readField(name, value)
            }
        }
        if !hasHost, keepsAlive { throw .notHTTP("the Host field is missing") }
    }

    private mutating func readRequestLine(_ line: ArraySlice<UInt8>) throws(HTTPFault) {
        let parts = line.split(separator: 0x20, maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count == 3, !parts[0].isEmpty,
            parts[0].allSatisfy(HTTPRequestHead.isTokenByte), parts[1].first == 0x2F,
            parts[1].allSatisfy({ $0 > 0x20 && $0 < 0x7F }), parts[2].count == 8
        else { throw .notHTTP("the request line is not METHOD /PATH HTTP/1.1") }
        if HTTPRequestHead.same(parts[2], "http/1.0") {
            keepsAlive = false
        } else if !HTTPRequestHead.same(parts[2], "http/1.1") {
            throw .version
        }
        method = String(decoding: parts[0], as: UTF8.self)
        if let mark = parts[1].firstIndex(of: 0x3F) {
            path = String(decoding: parts[1][..<mark], as: UTF8.self)
            query = String(decoding: parts[1][(mark + 1)...], as: UTF8.self)
        } else {
            path = String(decoding: parts[1], as: UTF8.self)
        }
    }

    private mutating func readField(
        _ name: ArraySlice<UInt8>, _ value: ArraySlice<UInt8>
    ) throws(HTTPFault) {
        switch name.count {
        case 6 where HTTPRequestHead.same(name, "origin"): throw .fromBrowser
        case 6 where HTTPRequestHead.same(name, "expect"):
            guard HTTPRequestHead.same(value, "100-continue") else { throw .expectation }
            expectsContinue = true
        case 10 where HTTPRequestHead.same(name, "connection"):
            if HTTPRequestHead.same(value, "close") { keepsAlive = false }
        case 12 where HTTPRequestHead.same(name, "content-type"):
            let type = value.prefix { $0 != 0x3B }
            isJSON = HTTPRequestHead.same(HTTPRequestHead.trimmed(type), "application/json")
        case 16 where HTTPRequestHead.same(name, "content-encoding"): throw .encoding
        case 17 where HTTPRequestHead.same(name, "transfer-encoding"): throw .lengthRequired
        default: break
        }
    }

    private static func length(_ text: ArraySlice<UInt8>) throws(HTTPFault) -> Int {
        guard !text.isEmpty, text.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else {
            throw .notHTTP("Content-Length is not a number")
        }
        if text.count > 18 { throw .bodyTooLarge }
        return text.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    }

    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x21, 0x23...0x27, 0x2A, 0x2B, 0x2D, 0x2E,
            0x5E...0x60, 0x7C, 0x7E:
            true
        default: false
        }
    }

    private static func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var bytes = bytes
        while let first = bytes.first, first == 0x20 || first == 0x09 { bytes.removeFirst() }
        while let last = bytes.last, last == 0x20 || last == 0x09 { bytes.removeLast() }
        return bytes
    }

    /// Whether the bytes spell `word`, which is in lower case, in any case.
    private static func same(_ bytes: ArraySlice<UInt8>, _ word: String) -> Bool {
        let word = word.utf8
        guard bytes.count == word.count else { return false }
        for (byte, letter) in zip(bytes, word) {
            let lower = byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte
            if lower != letter { return false }
        }
        return true
    }

    /// Cuts a head into its lines, without their ends.
    private struct LineCutter {
        let bytes: [UInt8]
        var place = 0

        mutating func next() -> Range<Int>? {
            let start = place
            while place + 1 < bytes.count {
                if bytes[place] == 0x0D, bytes[place + 1] == 0x0A {
                    place += 2
                    return start..<(place - 2)
                }
                place += 1
            }
            return nil
        }
    }
}
