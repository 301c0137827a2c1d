import Primitives

/// Two endpoints that are one: as two nodes they would agree with themselves.
public struct RepeatedEndpoint: Error, Hashable, Sendable, CustomStringConvertible {
    /// The places of both, from 1.
    public let first, second: Int
    /// The endpoint as it may be shown.
    public let name: String

    /// One sentence without its full stop; no key is in it.
    public var description: String {
        """
        the endpoints \(first) and \(second) are the same, \(name): each counts as a node that \
        agrees with the others, so give each once, of different operators
        """
    }
}

/// The URLs of the nodes that must agree.
public enum RPCEndpoints {
    /// Throws if two of them are the same: in the case of scheme and host, a port that goes without
    /// saying, a slash at the end and a fragment nothing differs. User, path and query count, since
    /// providers tell their customers' nodes apart by them. O(URLs).
    public static func requireDistinct(_ urls: [String]) throws(RepeatedEndpoint) {
        var places: [String: Int] = [:]
        for (place, url) in urls.enumerated() {
            if let first = places.updateValue(place, forKey: Parts(url).identity) {
                throw RepeatedEndpoint(first: first + 1, second: place + 1, name: shown(url))
            }
        }
    }

    /// What of a URL may be shown: scheme, host and port. The rest may hold a key.
    public static func shown(_ url: String) -> String {
        let parts = Parts(url)
        return parts.host.isEmpty ? "an endpoint without a host" : parts.origin
    }

    /// Several URLs as `shown`, for people.
    public static func shown(_ urls: [String]) -> String {
        urls.map { shown($0) }.joined(separator: ", ")
    }

    /// A URL in its parts (RFC 3986, 3.2), with what it says twice left out.
    private struct Parts {
        let scheme, user, host, port, path: String

        init(_ url: String) {
            let whole = url.prefix { $0 != "#" }
            let mark = whole.firstRange(of: "://")
            scheme = mark.map { whole[..<$0.lowerBound].lowercased() } ?? ""
            let rest = mark.map { whole[$0.upperBound...] } ?? whole
            let authority = rest.prefix { $0 != "/" && $0 != "?" }
            let place = authority.lastIndex(of: "@")
            user = place.map { String(authority[...$0]) } ?? ""
            let server = place.map { authority[authority.index(after: $0)...] } ?? authority
            // The colons of an IPv6 address are between brackets.
            let colon = server.lastIndex(of: ":").flatMap { colon in
                server[colon...].contains("]") ? nil : colon
            }
            host = (colon.map { server[..<$0] } ?? server).lowercased()
            let given = colon.map { String(server[server.index(after: $0)...]) } ?? ""
            let usual = ["http": "80", "https": "443"][scheme]
            port = given == usual ? "" : given
            let tail = rest.dropFirst(authority.count)
            let query = tail.firstIndex(of: "?").map { tail[$0...] } ?? ""
            var way = tail.prefix { $0 != "?" }
            while way.last == "/" { way.removeLast() }
            path = String(way + query)
        }

        var origin: String { "\(scheme)://\(host)\(port.isEmpty ? "" : ":" + port)" }

        var identity: String { "\(scheme)://\(user)\(host):\(port)\(path)" }
    }
}
