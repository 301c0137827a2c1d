import NIOCore
import NIOPosix
import Synchronization

/// A port that leads to another one over a modelled wire: whatever connects to it reaches the other
/// port, with the delays of a `WireModel` both ways. In this process, on 127.0.0.1.
public final class WireProxy: Sendable {
    fileprivate struct State {
        var isCut = false
        var channels: [ObjectIdentifier: any Channel] = [:]
        var bytes: UInt64 = 0
    }

    /// The port to connect to.
    public let port: Int
    private let listener: any Channel
    private let state: Shared

    private init(port: Int, listener: any Channel, state: Shared) {
        self.port = port
        self.listener = listener
        self.state = state
    }

    /// Listens on a free port and leads to `target`, a port of this machine.
    ///
    /// Throws `couldNotConnect` if nothing can be listened on.
    public static func start(
        to target: Int, model: WireModel
    ) async throws(SecureLinkError) -> WireProxy {
        let shared = Shared()
        let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 128)
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { near in join(near, target, model, shared) }
        do {
            let listener = try await bootstrap.bind(host: "127.0.0.1", port: 0).get()
            guard let port = listener.localAddress?.port else {
                throw SecureLinkError.couldNotConnect("the socket has no port")
            }
            return WireProxy(port: port, listener: listener, state: shared)
        } catch {
            throw .couldNotConnect("\(error)")
        }
    }

    /// Connects the far end and lets the two ends feed each other, on one event loop.
    private static func join(
        _ near: any Channel, _ target: Int, _ model: WireModel, _ shared: Shared
    ) -> EventLoopFuture<Void> {
        guard shared.enter(near) else { return near.close() }
        return ClientBootstrap(group: near.eventLoop)
            .channelOption(.autoRead, value: false)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { far in
                far.eventLoop.makeCompletedFuture {
                    let there = WireEnd(to: far, WireSchedule(model, direction: 0), shared)
                    let back = WireEnd(to: near, WireSchedule(model, direction: 1), shared)
                    try near.pipeline.syncOperations.addHandler(there)
                    try far.pipeline.syncOperations.addHandler(back)
                    guard shared.enter(far) else { throw ChannelError.eof }
                }
            }
            .connect(host: "127.0.0.1", port: target)
            .flatMap { far in
                far.setOption(.autoRead, value: true)
                    .flatMap { near.setOption(.autoRead, value: true) }
            }
            .flatMapError { error in
                near.close(promise: nil)
                return near.eventLoop.makeFailedFuture(error)
            }
    }

    /// How many bytes have crossed, both ways.
    public var bytes: UInt64 { state.withLock { $0.bytes } }

    /// The link is lost: nothing that is under way arrives, nobody is told, and new connections are
    /// closed at once, until `heal`. What was connected stays dead.
    public func cut() { state.withLock { $0.isCut = true } }

    /// New connections work again; those that were cut are reset.
    public func heal() {
        let dead = state.withLock { state in
            defer { state.channels = [:] }
            state.isCut = false
            return state.channels.values
        }
        for channel in dead { channel.close(promise: nil) }
    }

    /// Closes everything.
    public func stop() {
        listener.close(promise: nil)
        cut()
        heal()
    }

    deinit { stop() }

    /// What all connections of a proxy share.
    fileprivate final class Shared: Sendable {
        private let state = Mutex(State())

        func withLock<Value: Sendable>(_ body: (inout sending State) -> sending Value) -> Value {
            state.withLock(body)
        }

        func enter(_ channel: any Channel) -> Bool {
            let isIn = state.withLock { state in
                if !state.isCut { state.channels[ObjectIdentifier(channel)] = channel }
                return !state.isCut
            }
            if isIn {
                channel.closeFuture.whenComplete { [self] _ in
                    state.withLock { $0.channels[ObjectIdentifier(channel)] = nil }
                }
            }
            return isIn
        }

        /// Whether bytes still arrive; counts them.
        func pass(_ count: Int) -> Bool {
            state.withLock { state in
                if !state.isCut { state.bytes += UInt64(count) }
                return !state.isCut
            }
        }
    }
}

/// Passes what one end of a connection sends on to the other, when the schedule says.
private final class WireEnd: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private enum Parcel {
        case bytes(ByteBuffer)
        case inputClosed
        case closed
    }

    /// The most bytes under way in one direction; more are left in the sender's socket.
    private static let window = 4 << 20

    private let other: any Channel
    private let shared: WireProxy.Shared
    private let started = NIODeadline.now()
    private var schedule: WireSchedule
    /// What is under way, in order, and when it arrives.
    private var parcels: CircularBuffer<(due: NIODeadline, parcel: Parcel)> = []
    private var underWay = 0
    private var isWaiting = false

    init(to other: any Channel, _ schedule: WireSchedule, _ shared: WireProxy.Shared) {
        self.other = other
        self.schedule = schedule
        self.shared = shared
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        underWay += bytes.readableBytes
        if underWay > WireEnd.window {
            context.channel.setOption(.autoRead, value: false).whenFailure { _ in }
        }
        send(.bytes(bytes), bytes.readableBytes, context.channel)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent {
            send(.inputClosed, 0, context.channel)
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    func channelInactive(context: ChannelHandlerContext) { send(.closed, 0, context.channel) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    private func send(_ parcel: Parcel, _ count: Int, _ channel: any Channel) {
        let now = Duration.nanoseconds((NIODeadline.now() - started).nanoseconds)
        let (seconds, attoseconds) = schedule.arrival(of: count, at: now).components
        let time = TimeAmount.nanoseconds(seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
        parcels.append((started + time, parcel))
        wait(channel)
    }

    private func wait(_ channel: any Channel) {
        guard !isWaiting, let first = parcels.first else { return }
        isWaiting = true
        let bound = NIOLoopBound(self, eventLoop: channel.eventLoop)
        channel.eventLoop.scheduleTask(deadline: first.due) { bound.value.deliver(channel) }
    }

    private func deliver(_ channel: any Channel) {
        isWaiting = false
        let now = NIODeadline.now()
        let wasFull = underWay > WireEnd.window
        while let first = parcels.first, first.due <= now {
            parcels.removeFirst()
            arrive(first.parcel)
        }
        other.flush()
        if wasFull, underWay <= WireEnd.window {
            channel.setOption(.autoRead, value: true).whenFailure { _ in }
        }
        wait(channel)
    }

    private func arrive(_ parcel: Parcel) {
        switch parcel {
        case .bytes(let bytes):
            underWay -= bytes.readableBytes
            if shared.pass(bytes.readableBytes) { other.write(bytes, promise: nil) }
        case .inputClosed:
            if shared.pass(0) { other.close(mode: .output, promise: nil) }
        case .closed:
            if shared.pass(0) { other.close(promise: nil) }
        }
    }
}
