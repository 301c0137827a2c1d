public import Primitives
import Synchronization
import Transport

/// One event of a node's stream: a name and one line of JSON.
public struct NodeEvent: Hashable, Sendable {
    /// `hello`, `job`, `cancel` or `audit`.
    public let name: String
    /// The data, one line of JSON.
    public let data: String

    /// An event of these parts.
    public init(_ name: String, _ data: String) {
        self.name = name
        self.data = data
    }
}

/// Where all nodes are connected: each with a link for frames and a stream for events
/// (docs/reference/node-protocol.md). A node is online while it has both.
///
/// The hub moves bytes and notices losses; what they mean is decided by whoever set `handlers`.
public final class NodeHub: Sendable {
    /// Who is told what. Called from any thread; frames of one node come in order.
    struct Handlers: Sendable {
        /// A frame came.
        var frame: @Sendable (PublicKey, WireFrame) -> Void
        /// The link or the stream of a node ended: what it was doing is lost.
        var lost: @Sendable (PublicKey) -> Void
        /// A node may be online or offline now: ask `isOnline`.
        var presence: @Sendable (PublicKey) -> Void
    }

    private struct Connection {
        var link: LinkPump?
        var events: (number: UInt64, stream: AsyncStream<NodeEvent>.Continuation)?
        var standsIn = false

        var isOnline: Bool { link != nil && events != nil }
    }

    private struct State {
        var connections: [PublicKey: Connection] = [:]
        var numbers: UInt64 = 0
        var handlers: Handlers?
        var isStopped = false
    }

    private let state = Mutex(State())
    /// Events that may wait for a slow node before its stream is ended.
    private let waitingEvents = 4_096

    init() {}

    func set(_ handlers: Handlers) { state.withLock { $0.handlers = handlers } }

    /// Whether a node has a link and an event stream.
    public func isOnline(_ node: PublicKey) -> Bool {
        state.withLock { $0.connections[node]?.isOnline == true }
    }

    /// The nodes that are online and compute stages of others along, unpaid, to take them over.
    var standingBy: Set<PublicKey> {
        state.withLock { state in
            Set(state.connections.filter { $0.value.isOnline && $0.value.standsIn }.keys)
        }
    }

    /// How many nodes are online.
    public var onlineCount: Int {
        state.withLock { $0.connections.values.count(where: \.isOnline) }
    }

    /// For how many milliseconds nothing was heard on a node's link; 0 without a link, whose loss
    /// is told apart. From now on the node is asked for a sign of life often enough to notice
    /// within a second.
    func silence(of node: PublicKey) -> UInt64 {
        state.withLock { $0.connections[node]?.link }?.silence() ?? 0
    }

    /// Microseconds to a node and back, the shortest of the last few pings; `nil` before the first
    /// is answered.
    func roundTrip(of node: PublicKey) -> UInt32? {
        state.withLock { $0.connections[node]?.link }?.roundTrip()
    }

    /// Sends a frame; false if the node has no link, or is too far behind, which ends the link.
    @discardableResult
    func send(_ frame: WireFrame, to node: PublicKey) -> Bool {
        guard let link = state.withLock({ $0.connections[node]?.link }) else { return false }
        return link.send(frame)
    }

    /// Sends an event; false if the node has no stream, or is too far behind, which ends it.
    @discardableResult
    func send(_ event: NodeEvent, to node: PublicKey) -> Bool {
        guard let events = state.withLock({ $0.connections[node]?.events }) else { return false }
        if case .enqueued = events.stream.yield(event) { return true }
        events.stream.finish()
        return false
    }

    /// The events of a node from now on; an older stream of the same node ends. With `standsIn` it
    /// is given stages of others to compute along.
    public func openEvents(
        of node: PublicKey, standsIn: Bool = false
    ) -> AsyncStream<NodeEvent> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: NodeEvent.self, bufferingPolicy: .bufferingOldest(waitingEvents))
        let (number, old, stopped) = state.withLock { state in
            state.numbers += 1
            let old = state.connections[node]?.events
            if !state.isStopped {
                state.connections[node, default: Connection()].events =
                    (state.numbers, continuation)
                state.connections[node]?.standsIn = standsIn
            }
            return (state.numbers, old?.stream, state.isStopped)
        }
        old?.finish()
        if stopped {
            continuation.finish()
            return stream
        }
        continuation.yield(NodeEvent("hello", "{}"))
        continuation.onTermination = { [weak self] _ in
            self?.change(node) { connection in
                guard connection.events?.number == number else { return false }
                connection.events = nil
                return true
            }
        }
        announce(node, lost: old != nil)
        return stream
    }

    /// Serves a link until it ends. Only for nodes that are registered.
    func serve(_ link: SecureLink) async {
        let node = link.peer
        let pump = LinkPump(link)
        let (old, stopped) = state.withLock { state in
            let old = state.connections[node]?.link
            if !state.isStopped { state.connections[node, default: Connection()].link = pump }
            return (old, state.isStopped)
        }
        old?.close()
        if stopped { return link.close() }
        announce(node, lost: old != nil)
        await pump.run { [weak self] frame in
            self?.state.withLock { $0.handlers }?.frame(node, frame)
        }
        change(node) { connection in
            guard connection.link === pump else { return false }
            connection.link = nil
            return true
        }
    }

    /// Ends every link and stream, and takes no more.
    func stop() {
        let connections = state.withLock { state in
            state.isStopped = true
            return Array(state.connections.values)
        }
        for connection in connections {
            connection.link?.close()
            connection.events?.stream.finish()
        }
    }

    private func change(_ node: PublicKey, _ body: (inout Connection) -> Bool) {
        let isLost = state.withLock { state in
            guard var connection = state.connections[node], body(&connection) else {
                return false
            }
            let isEmpty = connection.link == nil && connection.events == nil
            state.connections[node] = isEmpty ? nil : connection
            return true
        }
        if isLost { announce(node, lost: true) }
    }

    private func announce(_ node: PublicKey, lost: Bool) {
        guard let handlers = state.withLock({ $0.handlers }) else { return }
        if lost { handlers.lost(node) }
        handlers.presence(node)
    }
}

/// One link with its queue of frames to send.
private final class LinkPump: Sendable {
    private let link: SecureLink
    private let outbound: AsyncStream<[UInt8]>
    private let sink: AsyncStream<[UInt8]>.Continuation
    /// A house that was held up itself has not read what came meanwhile.
    private let heard = Mutex(SilenceWatch(every: workingPingInterval, tolerance: .seconds(1)))
    /// When somebody last asked how silent the node is: it has work then.
    private let watched = Mutex<ContinuousClock.Instant?>(nil)
    private let pings = Mutex(Pings())

    /// Pings by number, which the answer repeats as its position.
    private struct Pings {
        var number: UInt32 = 0
        var sentAt: ContinuousClock.Instant?
        var trips: [UInt32] = []
    }

    /// Round trips that the shortest is taken of: what a ping waits behind is no part of the way.
    private static let trips = 16
    /// The house pings every so often, and gives up a node it has not heard for so long.
    private static let pingInterval = Duration.seconds(3)
    private static let workingPingInterval = Duration.milliseconds(200)
    private static let patience = Duration.seconds(12)

    init(_ link: SecureLink) {
        self.link = link
        (outbound, sink) = AsyncStream.makeStream(
            of: [UInt8].self, bufferingPolicy: .bufferingOldest(16_384))
    }

    func send(_ frame: WireFrame) -> Bool {
        if case .enqueued = sink.yield(frame.encoded()) { return true }
        close()
        return false
    }

    func close() {
        sink.finish()
        link.close()
    }

    /// Milliseconds since something was heard.
    func silence() -> UInt64 {
        watched.withLock { $0 = .now }
        return UInt64(heard.withLock { $0.silence() } / .milliseconds(1))
    }

    /// The shortest of the last round trips, in microseconds.
    func roundTrip() -> UInt32? { pings.withLock { $0.trips.min() } }

    private func answered(_ number: UInt32) {
        pings.withLock { pings in
            guard number == pings.number, let sentAt = pings.sentAt else { return }
            pings.sentAt = nil
            let trip = sentAt.duration(to: .now) / .microseconds(1)
            pings.trips.append(UInt32(min(max(trip, 1), 1e9)))
            if pings.trips.count > Self.trips { pings.trips.removeFirst() }
        }
    }

    /// Hands each frame to `body` until the link ends, from either side. A node that sends bytes
    /// that are not a frame is cut off.
    func run(_ body: @escaping @Sendable (WireFrame) -> Void) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.sendAll() }
            group.addTask { await self.receiveAll(body) }
            group.addTask { await self.ping() }
            await group.next()
            close()
            group.cancelAll()
        }
    }

    private func sendAll() async {
        for await bytes in outbound {
            do throws(SecureLinkError) { try await link.send(bytes) } catch { return }
        }
    }

    private func receiveAll(_ body: @Sendable (WireFrame) -> Void) async {
        do {
            while let bytes = try await link.receive() {
                heard.withLock { $0.hear() }
                let frame = try WireFrame(bytes)
                switch frame.kind {
                case .ping: _ = send(try Self.pong(frame))
                case .pong: answered(frame.position)
                default: body(frame)
                }
            }
        } catch {
            return
        }
    }

    private func ping() async {
        var pinged = ContinuousClock.now
        while true {
            do { try await Task.sleep(for: Self.workingPingInterval) } catch { return }
            if heard.withLock({ $0.look() }) > Self.patience { return }
            let isWorking = watched.withLock { $0.map { $0.duration(to: .now) < .seconds(1) } }
            guard isWorking == true || pinged.duration(to: .now) >= Self.pingInterval else {
                continue
            }
            pinged = .now
            let number = pings.withLock { pings in
                pings.number &+= 1
                pings.sentAt = .now
                return pings.number
            }
            guard
                let frame = try? WireFrame(
                    kind: .ping, stage: 0, job: .none, attempt: 0, position: number)
            else { return }
            if !send(frame) { return }
        }
    }

    private static func pong(_ ping: WireFrame) throws(WireFrameError) -> WireFrame {
        try WireFrame(
            kind: .pong, stage: ping.stage, job: ping.job, attempt: ping.attempt,
            position: ping.position)
    }
}
