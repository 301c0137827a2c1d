/// One message of a `text/event-stream` (WHATWG HTML, section 9.2).
public struct ServerSentEvent: Hashable, Sendable {
    /// The event's type; `message` unless the stream names one.
    public let event: String
    /// The data lines, joined by line feeds.
    public let data: String
    /// The last id the stream gave, for `Last-Event-ID` on the next try.
    public let id: String?
    /// The reconnection time the stream asks for, in milliseconds.
    public let retry: Int?

    /// An event of these parts.
    public init(event: String = "message", data: String, id: String? = nil, retry: Int? = nil) {
        self.event = event
        self.data = data
        self.id = id
        self.retry = retry
    }
}

/// Why a stream of events was given up.
public enum ServerSentEventError: Error, Hashable, Sendable {
    /// One event is longer than the limit.
    case eventTooLarge(limit: Int)
}

/// Turns the bytes of an event stream into events, however they are cut into chunks.
public struct ServerSentEventParser: Sendable {
    private let limit: Int
    private var line: [UInt8] = []
    private var skipsLineFeed = false
    private var isFirstLine = true
    private var data: [UInt8] = []
    private var hasData = false
    private var event = ""
    private var id: String?
    private var retry: Int?

    /// A parser that refuses events over `maximumEventBytes`.
    public init(maximumEventBytes: Int = 1 << 20) {
        limit = maximumEventBytes
    }

    /// Takes the next bytes of the stream; returns the events they complete.
    public mutating func feed(
        _ bytes: [UInt8]
    ) throws(ServerSentEventError) -> [ServerSentEvent] {
        var events: [ServerSentEvent] = []
        for byte in bytes {
            if byte == 0x0a, skipsLineFeed {
                skipsLineFeed = false
                continue
            }
            skipsLineFeed = byte == 0x0d
            guard byte == 0x0a || byte == 0x0d else {
                line.append(byte)
                guard line.count + data.count <= limit else { throw .eventTooLarge(limit: limit) }
                continue
            }
            if let event = endLine() { events.append(event) }
        }
        return events
    }

    /// Takes the finished line; returns the event it dispatches.
    private mutating func endLine() -> ServerSentEvent? {
        defer { line.removeAll(keepingCapacity: true) }
        if isFirstLine {
            isFirstLine = false
            if line.starts(with: [0xef, 0xbb, 0xbf]) { line.removeFirst(3) }
        }
        guard !line.isEmpty else { return dispatch() }
        guard let colon = line.firstIndex(of: 0x3a) else {
            field(String(decoding: line, as: UTF8.self), [])
            return nil
        }
        var value = line[(colon + 1)...]
        if value.first == 0x20 { value = value.dropFirst() }
        field(String(decoding: line[..<colon], as: UTF8.self), value)
        return nil
    }

    /// Unknown names and comments (an empty name) are ignored, as the standard says.
    private mutating func field(_ name: String, _ value: ArraySlice<UInt8>) {
        switch name {
        case "data":
            if hasData { data.append(0x0a) }
            data += value
            hasData = true
        case "event":
            event = String(decoding: value, as: UTF8.self)
        case "id":
            if !value.contains(0) { id = String(decoding: value, as: UTF8.self) }
        case "retry":
            if !value.isEmpty, value.allSatisfy({ (0x30...0x39).contains($0) }) {
                retry = Int(String(decoding: value, as: UTF8.self))
            }
        default:
            break
        }
    }

    private mutating func dispatch() -> ServerSentEvent? {
        defer {
            data.removeAll(keepingCapacity: true)
            hasData = false
            event = ""
        }
        guard hasData else { return nil }
        return ServerSentEvent(
            event: event.isEmpty ? "message" : event,
            data: String(decoding: data, as: UTF8.self), id: id, retry: retry)
    }
}

/// The events of one answer, as they come. One reader at a time.
public struct ServerSentEvents: AsyncSequence, Sendable {
    /// An event.
    public typealias Element = ServerSentEvent
    /// The answer's status and header fields.
    public var head: HTTPHead { exchange.head }
    private let exchange: HTTPExchange
    private let maximumEventBytes: Int

    init(exchange: HTTPExchange, maximumEventBytes: Int) {
        self.exchange = exchange
        self.maximumEventBytes = maximumEventBytes
    }

    /// Ends the exchange now.
    public func cancel() { exchange.cancel() }

    /// Starts reading.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(
            exchange: exchange, parser: ServerSentEventParser(maximumEventBytes: maximumEventBytes))
    }

    /// Hands out the events.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let exchange: HTTPExchange
        var parser: ServerSentEventParser
        var ready: ArraySlice<ServerSentEvent> = []

        /// The next event, or `nil` when the server ended the stream. Throws `HTTPError` and
        /// `ServerSentEventError`.
        public mutating func next() async throws -> ServerSentEvent? {
            while ready.isEmpty {
                guard let chunk = try await exchange.next() else { return nil }
                ready = try parser.feed(chunk)[...]
            }
            return ready.removeFirst()
        }
    }
}
